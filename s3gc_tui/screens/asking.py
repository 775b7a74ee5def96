"""What all screens that ask before they act share: what it is about, and a field below."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from s3gc_core.errors import S3gcError
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.confirmation import Confirmation, Failed, Phase
from s3gc_tui.models.lines import Line, error_lines
from s3gc_tui.screens.left_once import LeftOnce
from s3gc_tui.widgets.confirm_field import ConfirmField
from s3gc_tui.widgets.line_pane import LinePane

T = TypeVar("T")
MonotonicClock = Callable[[], float]


class AskingScreen(ModalScreen[T], LeftOnce[T]):
    """Shows lines, and a field that has the focus. esc cancels; nothing else leaves it."""

    DEFAULT_CSS = """
    AskingScreen { background: $background; }
    AskingScreen > #what { height: 1fr; }
    AskingScreen > #trouble { height: auto; max-height: 6; }
    """
    AUTO_FOCUS: ClassVar[str | None] = "ConfirmField"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False, id="close"),
        Binding("up", "scroll_what(-1)", show=False),
        Binding("down", "scroll_what(1)", show=False),
        Binding("pageup", "scroll_what(-10)", show=False),
        Binding("pagedown", "scroll_what(10)", show=False),
    ]

    def __init__(
        self,
        gateway: Gateway,
        confirmation: Confirmation,
        verb: str,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        super().__init__()
        self.gateway = gateway
        self._first = confirmation
        self._verb = verb
        self._clock = clock

    @property
    def field(self) -> ConfirmField:
        """The field."""
        return self.query_one("#field", ConfirmField)

    def compose(self) -> ComposeResult:
        """What it is about, what went wrong, the field."""
        what = LinePane(id="what")
        trouble = LinePane(id="trouble")
        # The field keeps the focus: no key may ever go elsewhere unseen.
        what.can_focus = trouble.can_focus = False
        trouble.display = False
        yield what
        yield trouble
        yield ConfirmField(self._first, self._verb, self._clock, id="field")

    @property
    def width(self) -> int:
        """Cells in a line."""
        return self.size.width or 80

    def show_what(self, lines: Sequence[Line]) -> None:
        """Show what it is about."""
        self.query_one("#what", LinePane).show(lines)

    def tell(self, error: S3gcError) -> None:
        """Show what went wrong; where it had been confirmed, it has to be confirmed again."""
        trouble = self.query_one("#trouble", LinePane)
        lines = error_lines(error, self.width)
        trouble.styles.height = min(6, len(lines))
        trouble.display = True
        trouble.show(lines)
        self.field.step(Failed("not begun"))

    def action_scroll_what(self, by: int) -> None:
        """Scroll what it is about."""
        self.query_one("#what", LinePane).action_move(by)

    def leave(self, result: T | None) -> None:
        """End with a result, whatever was opened over this screen meanwhile."""
        if self in self.app.screen_stack:
            self.pop_until_active()
            self.dismiss(result)

    def action_cancel(self) -> None:
        """Leave without doing anything; once it was asked for, the answer is waited for."""
        if self.field.confirmation.phase is not Phase.CONFIRMED:
            self.leave(None)
