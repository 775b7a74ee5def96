"""A picture from the bucket, on request only: it is asked for first, and it is limited."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from s3gc_core.bucket import ObjectState
from s3gc_core.errors import S3gcError
from s3gc_tui.background import begin
from s3gc_tui.models.lines import Line, dim, error_lines, line
from s3gc_tui.models.preview_lines import (
    gone_lines,
    grey_lines,
    not_picture_lines,
    picture_line,
    question_lines,
    waiting_lines,
)
from s3gc_tui.preview import MOST_BYTES, Decoded, NotDecoded, Objects, decode
from s3gc_tui.screens.left_once import LeftOnce
from s3gc_tui.widgets.line_pane import LinePane
from s3gc_tui.widgets.thumbnail import Thumbnail


class PreviewScreen(LeftOnce[None]):
    """Asks, reads, decodes elsewhere, draws. Closes with esc or q."""

    DEFAULT_CSS = """
    PreviewScreen #facts { height: auto; }
    PreviewScreen #hint { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "read and show it", priority=True, id="preview.read"),
        Binding("q", "close", show=False, id="back"),
        Binding("escape", "close", show=False),
    ]

    def __init__(self, objects: Objects, key: str) -> None:
        super().__init__()
        self._objects = objects
        self._key = key
        self._state: ObjectState | None = None
        self._asked = False

    def compose(self) -> ComposeResult:
        """What is known of the object; the picture comes below."""
        yield LinePane(id="facts")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Look at the object's state; nothing of the object itself is read."""
        self.query_one("#hint", LinePane).show([line(dim(" esc back"))])
        self.query_one("#hint", LinePane).can_focus = False
        self.query_one("#facts", LinePane).focus()
        begin(self, self._look, "preview")

    async def _look(self) -> None:
        width = self.size.width
        self._show([line(dim(" asking the bucket ..."))])
        try:
            state = await self._objects.object_state(self._key)
        except S3gcError as error:
            self._show(error_lines(error, width))
            return
        if state is None:
            self._show(gone_lines(self._key, width))
            return
        self._state = state
        self._show(question_lines(state, MOST_BYTES, width))

    def action_go_on(self) -> None:
        """Read and show it, once."""
        state = self._state
        if state is None or self._asked or not 0 < state.size <= MOST_BYTES:
            return
        self._asked = True
        begin(self, partial(self._read, state), "preview")

    async def _read(self, state: ObjectState) -> None:
        width = self.size.width
        self._show(waiting_lines(state, width))
        try:
            data = await self._objects.object_bytes(state, MOST_BYTES)
        except S3gcError as error:
            self._show(error_lines(error, width))
            return
        room = max(1, self.size.height - 5)
        decoded = await decode(data, width - 2, room * 2)
        if isinstance(decoded, NotDecoded):
            self._show(not_picture_lines(state, decoded.why, data, width))
            return
        await self._draw(state, decoded)

    async def _draw(self, state: ObjectState, picture: Decoded) -> None:
        lines = picture_line(state, picture, self.size.width)
        if self._has_colours():
            self._show(lines)
            await self.mount(Thumbnail(picture, id="picture"), after="#facts")
        else:
            self._show([*lines, *grey_lines(picture)])

    def _has_colours(self) -> bool:
        """Sixteen colours, or none, show a picture better in grey characters."""
        few = self.app.console.color_system in (None, "standard", "windows")
        return not (few or self.app.no_color)

    def _show(self, lines: list[Line]) -> None:
        pane = self.query_one("#facts", LinePane)
        pane.styles.height = min(len(lines), max(1, self.size.height - 1))
        pane.show(lines)

    def action_close(self) -> None:
        """Back to where it was opened; what is being read or decoded is dropped."""
        self.dismiss()
