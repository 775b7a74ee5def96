"""A list of any length: only the lines on the screen are ever made.

Measured in bytes on the line: moving the cursor paints two lines, and where it meets the edge the
list moves by half a page, since any scrolling repaints all of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget


class LineStyle(StrEnum):
    """The few ways a line looks. What it says is in its words."""

    PLAIN = "plain"
    HEADER = "header"
    QUIET = "quiet"


class VirtualList(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines below a header line, and a cursor. Subclasses make the text of a line.

    Every line's text must be clean (`safe_text`) and exactly as wide as asked for.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"virtual-list--{style.value}" for style in LineStyle}
    DEFAULT_CSS = """
    VirtualList { height: 1fr; scrollbar-size: 0 0; overflow-x: hidden; }
    VirtualList > .virtual-list--header { text-style: bold; }
    VirtualList > .virtual-list--quiet { text-style: dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False, id="list.down"),
        Binding("k,up", "move(-1)", "up", show=False, id="list.up"),
        Binding("g,home", "first", "first", show=False, id="list.first"),
        Binding("G,end", "last", "last", show=False, id="list.last"),
        Binding("pagedown", "page(1)", "page down", show=False, id="list.page_down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="list.page_up"),
        Binding("ctrl+d", "half_page(1)", "half page down", show=False, id="list.half_down"),
        Binding("ctrl+u", "half_page(-1)", "half page up", show=False, id="list.half_up"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._count = 0
        self._cursor = 0
        self._looks: dict[tuple[LineStyle, bool, bool], Style] = {}

    # For subclasses

    def header(self, width: int) -> str:
        """The text of the header line."""
        raise NotImplementedError

    def line(self, position: int, width: int) -> tuple[str, LineStyle]:
        """The text of a row's line."""
        raise NotImplementedError

    def cursor_moved(self) -> None:
        """The cursor stands on another row."""

    def lines_shown(self) -> None:
        """Other rows than before are on the screen."""

    # What is shown

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return self._count

    @property
    def cursor(self) -> int:
        """Where the cursor stands."""
        return self._cursor

    @property
    def page(self) -> int:
        """How many rows fit on the screen."""
        return max(1, self.size.height - 1)

    @property
    def seen(self) -> range:
        """The positions on the screen."""
        top = self.scroll_offset.y
        return range(top, min(self._count, top + self.page))

    def reset(self, count: int, cursor: int = 0) -> None:
        """Other rows: `count` of them, with the cursor on one. Repaints everything."""
        self._count = count
        self._cursor = max(0, min(cursor, count - 1))
        self.virtual_size = Size(self.size.width, count + 1)
        if self._cursor not in self.seen:
            self._scroll_so_that_it_is_seen(0)
        self.refresh()
        self.lines_shown()

    def extend(self, count: int) -> None:
        """More or fewer rows below what is seen, which is not painted again."""
        self._count = count
        # Not by assignment, which would lay out and paint the whole screen.
        self.set_reactive(Widget.virtual_size, Size(self.size.width, count + 1))

    def refresh_row(self, position: int) -> None:
        """Paint one row again, if it is on the screen."""
        if position in self.seen:
            y = position + 1 - self.scroll_offset.y
            self.refresh(Region(0, y, self.size.width, 1))

    def move_to(self, position: int) -> None:
        """Put the cursor on a row."""
        position = max(0, min(position, self._count - 1))
        before = self._cursor
        if position == before:
            return
        self._cursor = position
        if position in self.seen:
            self.refresh_row(before)
            self.refresh_row(position)
        else:
            self._scroll_so_that_it_is_seen(position - before)
        self.cursor_moved()

    def _scroll_so_that_it_is_seen(self, direction: int) -> None:
        half = self.page // 2
        top = self._cursor - (self.page - half if direction > 0 else half)
        self.scroll_to(y=max(0, top), animate=False)
        self.refresh()
        self.lines_shown()

    # Keys

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.move_to(self._cursor + by)

    def action_first(self) -> None:
        """Go to the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self.move_to(self._count - 1)

    def action_page(self, by: int) -> None:
        """Go on by what is seen."""
        self._leap(by * self.page)

    def action_half_page(self, by: int) -> None:
        """Go on by half of what is seen."""
        self._leap(by * max(1, self.page // 2))

    def _leap(self, by: int) -> None:
        """Move rows and cursor together, so that the cursor stays where it is on the screen."""
        top = self.scroll_offset.y
        after = max(0, min(top + by, self._count - self.page))
        if after != top:
            self._cursor = max(0, min(self._cursor + by, self._count - 1))
            self.scroll_to(y=after, animate=False)
            self.refresh()
            self.lines_shown()
            self.cursor_moved()
        else:
            self.move_to(self._cursor + by)

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there, and does nothing else."""
        at = event.get_content_offset(self)
        if at is not None and at.y > 0 and self.scroll_offset.y + at.y - 1 < self._count:
            self.move_to(self.scroll_offset.y + at.y - 1)

    def on_resize(self) -> None:
        """The lines are as wide as the list."""
        self.virtual_size = Size(self.size.width, self._count + 1)
        if self._count and self._cursor not in self.seen:
            self._scroll_so_that_it_is_seen(0)
        self.lines_shown()

    def watch_has_focus(self, _value: bool) -> None:
        """The cursor shows whether keys reach the list."""
        super().watch_has_focus(_value)
        self.refresh_row(self._cursor)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """One line of the screen: one piece of text in one style."""
        width = self.size.width
        if y == 0:
            return Strip([Segment(self.header(width), self._look(LineStyle.HEADER))], width)
        position = self.scroll_offset.y + y - 1
        if position >= self._count:
            return Strip.blank(width, self.rich_style)
        text, style = self.line(position, width)
        look = self._look(style, on_cursor=position == self._cursor)
        return Strip([Segment(text, look)], width)

    def _look(self, style: LineStyle, *, on_cursor: bool = False) -> Style:
        kind = (style, on_cursor, self.has_focus)
        if kind not in self._looks:
            look = self.get_component_rich_style(f"virtual-list--{style.value}")
            if on_cursor:
                # Underlined rather than not shown: a list without focus still has a cursor.
                look += Style(reverse=True) if self.has_focus else Style(underline=True)
            self._looks[kind] = look
        return self._looks[kind]

    def notify_style_update(self) -> None:
        """Another theme, or another state: looks are worked out anew."""
        self._looks.clear()
        super().notify_style_update()
