"""A pane of lines: draws only what is seen, and after a change only the lines that changed.

The one place where text of panes meets the screen: nothing a terminal would act on gets by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from s3gc_tui.models.lines import Line, Look, changed_cells
from s3gc_tui.safe_text import printable


class LinePane(ScrollView):
    """Shows `Line`s. With `selectable=True` a cursor moves over the lines that have an id."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{look.value}" for look in Look} | {
        "line--cursor"
    }
    DEFAULT_CSS = """
    LinePane { height: 1fr; scrollbar-size: 0 0; overflow-x: hidden; }
    LinePane > .line--dim { text-style: dim; }
    LinePane > .line--strong { text-style: bold; }
    LinePane > .line--good { color: ansi_green; }
    LinePane > .line--warn { color: ansi_yellow; }
    LinePane > .line--bad { color: ansi_red; text-style: bold; }
    LinePane > .line--cursor { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False, id="move.down"),
        Binding("k,up", "move(-1)", show=False, id="move.up"),
        Binding("g,home", "move(-1000000)", show=False, id="move.first"),
        Binding("G,end", "move(1000000)", show=False, id="move.last"),
        Binding("pagedown,ctrl+d", "page(1)", show=False, id="move.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", show=False, id="move.page_up"),
        Binding("enter", "choose", show=False, id="open"),
    ]

    class Chosen(Message):
        """Enter was pressed on a line with an id."""

        def __init__(self, pane: LinePane, line_id: str) -> None:
            super().__init__()
            self.pane = pane
            self.line_id = line_id

    class CursorMoved(Message):
        """The cursor stands on another line."""

        def __init__(self, pane: LinePane, line_id: str | None) -> None:
            super().__init__()
            self.pane = pane
            self.line_id = line_id

    def __init__(
        self, *, id: str | None = None, classes: str | None = None, selectable: bool = False
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._selectable = selectable
        self._cursor: str | None = None
        self.can_focus = True

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    @property
    def cursor_id(self) -> str | None:
        """What the cursor is on."""
        return self._cursor

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; the cursor stays on the same id, wherever that has moved."""
        before, self._lines = self._lines, list(lines)
        height = len(self._lines)
        if len(before) != height:
            self.virtual_size = Size(self.size.width, height)
        ids = self._ids()
        if self._selectable and self._cursor not in ids:
            was, self._cursor = self._cursor, ids[0] if ids else None
            if self._cursor != was:
                self.post_message(self.CursorMoved(self, self._cursor))
        for y in range(max(len(before), height)):
            old = before[y] if y < len(before) else None
            new = self._lines[y] if y < height else None
            if old is not None and new is not None and old.id == new.id:
                if old != new:
                    self._refresh_line(y, changed_cells(old, new))
            elif old != new:
                # The cursor may have come or gone with the id.
                self._refresh_line(y)

    def action_move(self, by: int) -> None:
        """Move the cursor, or scroll where nothing can be chosen."""
        if not self._selectable:
            self.scroll_to(y=self.scroll_offset.y + by, animate=False)
            return
        ids = self._ids()
        if not ids:
            return
        at = ids.index(self._cursor) if self._cursor in ids else 0
        self._move_to(ids[min(len(ids) - 1, max(0, at + by))])

    def action_page(self, by: int) -> None:
        """Move by half of what is seen."""
        self.action_move(by * max(1, self.size.height // 2))

    def action_choose(self) -> None:
        """Open what the cursor is on."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self, self._cursor))

    def _move_to(self, line_id: str) -> None:
        if line_id == self._cursor:
            return
        old, self._cursor = self._cursor, line_id
        for y, one in enumerate(self._lines):
            if one.id is not None and one.id in (old, line_id):
                self._refresh_line(y)
            if one.id == line_id:
                self._reveal(y)
        self.post_message(self.CursorMoved(self, line_id))

    def _reveal(self, y: int) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if not top <= y < top + height:
            # Half a page at once: a line at a time would repaint the pane for each key.
            self.scroll_to(y=y - height // 2, animate=False)

    def _ids(self) -> list[str]:
        return [one.id for one in self._lines if one.id is not None]

    def _refresh_line(self, y: int, cells: tuple[int, int] | None = None) -> None:
        """Draw one line, or only some cells of it where it has no more than fit."""
        seen, width = y - self.scroll_offset.y, self.size.width
        if 0 <= seen < self.size.height:
            start, end = cells if cells is not None and cells[1] < width else (0, width)
            self.refresh(Region(start, seen, end - start, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at = y + self.scroll_offset.y
        width = self.size.width
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        shown = self._lines[at]
        on_cursor = self._selectable and shown.id is not None and shown.id == self._cursor
        segments = [
            Segment(printable(piece.text), self._style(piece.look, on_cursor))
            for piece in shown.pieces
        ]
        rest = self._style(Look.PLAIN, on_cursor)
        strip = Strip(segments)
        if strip.cell_length > width > 0:
            # What goes on is said to go on.
            strip = Strip([*strip.crop(0, width - 1), Segment("…", rest)])
        return strip.adjust_cell_length(width, rest)

    def _style(self, look: Look, on_cursor: bool) -> Style:
        style = self.get_component_rich_style(f"line--{look.value}")
        return style + Style(reverse=True) if on_cursor and self.has_focus else style
