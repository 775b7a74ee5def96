"""The restore wizard: what to bring back, a preview, and Enter. It overwrites nothing unasked."""

from __future__ import annotations

import asyncio
import time
from enum import Enum, auto
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from s3gc_core.collection import Selection
from s3gc_core.errors import S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_tui.background import begin, read_all
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.confirmation import Confirmation, Phase, Wanted
from s3gc_tui.models.intents import RestoreIntent
from s3gc_tui.models.lines import BLANK, Line, Look, line, wrapped
from s3gc_tui.models.plan_lines import batch_lines
from s3gc_tui.models.restore_lines import (
    NotUnderstood,
    Preview,
    beginning,
    both_lines,
    completed,
    completion_lines,
    lossy_lines,
    overwrite_lines,
    parse_selection,
    preview_lines,
    usage_lines,
)
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.key_input import KeyInput


class Stage(Enum):
    """Where the wizard stands."""

    TYPING = auto()
    PREVIEW = auto()
    LOSSY = auto()  # asks for the phrase that lets compact copies come back
    OVERWRITE = auto()  # asks for the phrase that lets newer objects be overwritten
    BOTH = auto()  # asks for the phrase that lets both be done


_OVERWRITING = frozenset({Stage.OVERWRITE, Stage.BOTH})
_LOSSY = frozenset({Stage.LOSSY, Stage.BOTH})


class RestoreScreen(AskingScreen[StartedJob]):
    """Asks what to restore (unless it is given), shows it, starts it. Its result is the job.

    `key_hint` is text as it is typed here (`KEY`, `prefix:P`, `op:ID`); it is previewed at once.
    """

    DEFAULT_CSS = "RestoreScreen > #key { dock: top; }"
    AUTO_FOCUS: ClassVar[str | None] = "#key"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "overwrite", show=False, id="restore.overwrite"),
        Binding("ctrl+l", "accept_lossy", show=False, id="restore.lossy"),
    ]

    def __init__(
        self,
        gateway: Gateway,
        selection: Selection | None = None,
        key_hint: str = "",
        *,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        super().__init__(gateway, Confirmation(Wanted.ENTER), "restore", clock)
        self._given = selection
        self._hint = key_hint
        self._stage = Stage.TYPING
        self._preview: Preview | None = None
        self._completions: list[str] = []

    @property
    def key_input(self) -> KeyInput:
        """Where the key is typed."""
        return self.query_one("#key", KeyInput)

    def compose(self) -> ComposeResult:
        """A line to type in, above what all asking screens have."""
        yield KeyInput("", id="key")
        yield from super().compose()

    def on_mount(self) -> None:
        """Ask what to restore, or preview what was given."""
        self.field.display = False
        if self._given is not None:
            self._look_at(self._given)
        elif self._hint:
            with self.prevent(Input.Changed):
                self.key_input.value = ""
                self.key_input.replace(self._hint, 0, 0)
            self._submit()
        else:
            self.show_what(usage_lines(self.width))

    # What to restore

    def on_input_changed(self, event: Input.Changed) -> None:
        """Complete from the vault."""
        if self._stage is Stage.TYPING:
            work = partial(self._complete, event.value)
            begin(self, work, "complete")

    async def _complete(self, text: str) -> None:
        self._completions = []
        if not text.strip():
            self.show_what(usage_lines(self.width))
            return
        try:
            if text.lstrip().startswith("op:"):
                operations = (await self.gateway.picture()).operations
                wanted = text.lstrip().removeprefix("op:").strip().upper()
                ids = [o.operation_id for o in operations if o.started.what == "execute"]
                found = [f"op:{i}" for i in ids if i.startswith(wanted) or i.endswith(wanted)][:8]
                self._completions = found
            else:
                start, head = beginning(text)
                keys = await self.gateway.complete(start)
                self._completions = [completed(key, head) for key in keys]
        except NotUnderstood as error:
            self.show_what(wrapped(str(error), self.width, Look.WARN))
            return
        except S3gcError as error:
            self.tell(error)
            return
        self.show_what(completion_lines(self._completions, self.width))

    def on_key_input_complete(self) -> None:
        """Take the first completion."""
        if self._stage is Stage.TYPING and self._completions:
            self.key_input.value = self._completions[0]
            self.key_input.cursor_position = len(self._completions[0])

    def on_input_submitted(self) -> None:
        """Preview what was typed."""
        self._submit()

    def _submit(self) -> None:
        try:
            selection = parse_selection(self.key_input.value)
        except NotUnderstood as error:
            self.show_what(wrapped(str(error), self.width, Look.WARN))
            return
        self._look_at(selection)

    # The preview

    def _look_at(self, selection: Selection) -> None:
        self._stage = Stage.PREVIEW
        self.workers.cancel_group(self, "complete")
        self.query_one("#trouble").display = False
        self.key_input.display = False
        self._preview = Preview(selection)
        self.field.ask(Confirmation(Wanted.ENTER), "restore, overwriting nothing")
        self.field.display = True
        self.field.focus()
        work = partial(self._read, self._preview)
        begin(self, work, "preview")

    async def _read(self, preview: Preview) -> None:
        self._draw()
        try:
            pages = self.gateway.restore_preview(preview.selection)
            await read_all(pages, preview.add, self._draw)
        except S3gcError as error:
            self.tell(error)
            return
        preview.done = True
        self._draw()
        if preview.objects and self.gateway.may_write:
            self.field.open()
        else:
            # Nothing to confirm: nothing asks.
            self.field.display = False

    def _draw(self) -> None:
        preview = self._preview
        if preview is None:
            return
        lines = preview_lines(preview, self.gateway.now(), self.width)
        if preview.done and preview.objects:
            lines[1:1] = self._ways(preview)
        if self._stage is Stage.OVERWRITE:
            lines = overwrite_lines(preview, self.width)
            if preview.lossy:
                lines += [BLANK, line(" ctrl+l: also what was stored LOSSY (one phrase for both)")]
        elif self._stage is Stage.LOSSY:
            lines = lossy_lines(preview, self.width)
            lines += [BLANK, line(" ctrl+o: overwrite newer objects too (one phrase for both)")]
        elif self._stage is Stage.BOTH:
            lines = both_lines(preview, self.width)
        self.show_what(lines)

    def _ways(self, preview: Preview) -> list[Line]:
        shown = self.gateway.batch_line(RestoreIntent(preview.selection))
        lines = batch_lines("same as", shown, self.width)
        if not self.gateway.may_write:
            refused = "This session is read-only. To restore, start `s3gc --write`."
            return [*lines, *wrapped(refused, self.width, Look.WARN)]
        lines.append(
            line(" ctrl+o: overwrite newer objects too, with no backup of them (by a phrase)")
        )
        if preview.lossy:
            lines.append(line(" ctrl+l: also what was stored LOSSY (asks for a phrase)"))
        return [*lines, BLANK]

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    # Starting it

    def action_overwrite(self) -> None:
        """Ask for the phrase that lets newer objects be overwritten, and LOSSY ones come back
        where that was asked for.
        """
        if self._stage is Stage.LOSSY:
            self._ask_both()
        elif self._preview is not None:
            self._ask(Stage.OVERWRITE, self._preview.phrase, "restore over newer objects")

    def action_accept_lossy(self) -> None:
        """Ask for the phrase that lets compact copies come back, and newer objects be overwritten
        where that was asked for.
        """
        if self._preview is None or not self._preview.lossy:
            return
        if self._stage is Stage.OVERWRITE:
            self._ask_both()
        else:
            self._ask(Stage.LOSSY, self._preview.lossy_phrase, "restore LOSSY copies, too")

    def _ask_both(self) -> None:
        if self._preview is not None:
            name = "restore over newer objects, LOSSY copies too"
            self._ask(Stage.BOTH, self._preview.both_phrase, name)

    def _ask(self, stage: Stage, phrase: str, name: str) -> None:
        taking = self.field.confirmation.phase in (Phase.QUIET, Phase.TAKING)
        # From the preview, or, with one of the two asked for, for both.
        asked = stage is Stage.BOTH and self._stage in (Stage.OVERWRITE, Stage.LOSSY)
        if not (self._stage is Stage.PREVIEW or asked) or not taking:
            return
        self._stage = stage
        self.field.ask(Confirmation(Wanted.PHRASE, phrase), name)
        self._draw()
        self.field.open()

    def on_confirm_field_confirmed(self) -> None:
        """Enter, or the phrase and Enter."""
        if self._preview is not None:
            intent = RestoreIntent(
                self._preview.selection,
                overwrite=self._stage in _OVERWRITING,
                accept_lossy=self._stage in _LOSSY,
            )
            work = partial(self._start, intent)
            begin(self, work, "start", exclusive=False)

    async def _start(self, intent: RestoreIntent) -> None:
        try:
            started = await asyncio.to_thread(self.gateway.start, intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(started)

    def action_cancel(self) -> None:
        """One step back, and at the first one out."""
        if self.field.confirmation.phase is Phase.CONFIRMED:
            return
        if self._stage in _OVERWRITING | _LOSSY and self._preview is not None:
            self._look_at(self._preview.selection)
        elif self._stage is Stage.PREVIEW and self._given is None:
            self._type_again()
        else:
            self.leave(None)

    def _type_again(self) -> None:
        self._stage = Stage.TYPING
        self._preview = None
        self.workers.cancel_group(self, "preview")
        self.query_one("#trouble").display = False
        self.field.ask(Confirmation(Wanted.ENTER), "restore")
        self.field.display = False
        self.key_input.display = True
        self.key_input.focus()
        work = partial(self._complete, self.key_input.value)
        begin(self, work, "complete")
