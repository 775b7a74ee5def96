"""The field that asks for a phrase, a reason or a bare Enter. It has the focus of its screen.

It decides nothing: every key goes to `models/confirmation.py`, and only what that says counts.
The mouse does nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from s3gc_tui.models import confirmation as asked
from s3gc_tui.models.asking_lines import ask_line, field_line, state_line
from s3gc_tui.models.confirmation import Confirmation, Phase
from s3gc_tui.widgets.line_pane import LinePane

_WAITING = {Phase.QUIET: asked.QUIET, Phase.SETTLING: asked.SETTLING}
_EDITING: dict[str, asked.Event] = {
    "enter": asked.Entered(),
    "backspace": asked.Erased(),
    "ctrl+u": asked.Cleared(),
}


class ConfirmField(LinePane, inherit_bindings=False):
    """Asks; posts `Confirmed` once. `clock` gives monotonic seconds."""

    DEFAULT_CSS = "ConfirmField { height: 3; }"
    BINDINGS: ClassVar[list[BindingType]] = []

    class Confirmed(Message):
        """What was asked for was typed, and Enter."""

        def __init__(self, field: ConfirmField, text: str) -> None:
            super().__init__()
            self.field = field
            self.text = text

    class Closed(Message):
        """It can no longer be confirmed."""

        def __init__(self, field: ConfirmField, why: str) -> None:
            super().__init__()
            self.field = field
            self.why = why

    def __init__(
        self, confirmation: Confirmation, name: str, clock: Callable[[], float], id: str
    ) -> None:
        super().__init__(id=id)
        self._verb = name
        self._clock = clock
        self.confirmation = confirmation

    def ask(self, confirmation: Confirmation, name: str) -> None:
        """Ask for something else, from the beginning."""
        self.confirmation = confirmation
        self._verb = name
        self._draw()

    def open(self) -> None:
        """Take input, as soon as what is asked about is on the screen."""
        self.call_after_refresh(self.step, asked.Opened())

    def tick(self) -> None:
        """Time has passed."""
        self.step(asked.Ticked())

    def step(self, event: asked.Event) -> None:
        """Hand an event to the model, and tell what followed."""
        before = self.confirmation
        after = self.confirmation = before.step(event, self._clock())
        if after == before:
            return
        self._draw()
        if after.phase in _WAITING:
            # A little later than needed, lest the last tick come too early.
            self.set_timer(_WAITING[after.phase] + 0.02, self.tick)
        if after.phase is before.phase:
            return
        if after.phase is Phase.CONFIRMED:
            self.post_message(self.Confirmed(self, after.text))
        elif after.phase is Phase.CLOSED:
            self.post_message(self.Closed(self, after.notice))

    def on_mount(self) -> None:
        """Draw."""
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        now = self.confirmation
        width = self.size.width or 80
        self.show([ask_line(now, self._verb), field_line(now, width), state_line(now, self._verb)])

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Printable keys are text here, whatever else they are bound to."""
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        """Every key goes to the model; keys that are no text may be bound on the screen."""
        if event.is_printable and event.character is not None:
            self._take(event, asked.Typed(event.character))
        elif event.key in _EDITING:
            self._take(event, _EDITING[event.key])
        else:
            self.step(asked.OtherKey())

    def on_paste(self, event: events.Paste) -> None:
        """The model says whether pasted text is taken."""
        self._take(event, asked.Pasted(event.text))

    def _take(self, event: events.Event, what: asked.Event) -> None:
        event.stop()
        event.prevent_default()
        self.step(what)
