"""A small picture in half blocks: each cell shows two pixels, one above the other."""

from __future__ import annotations

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from s3gc_tui.preview import Decoded


class Thumbnail(Widget):
    """Draws a decoded grid; nothing of the picture but colours gets here."""

    DEFAULT_CSS = "Thumbnail { height: 1fr; }"

    def __init__(self, picture: Decoded, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picture = picture

    def render_line(self, y: int) -> Strip:
        """One line of the screen: two rows of the grid."""
        picture, width = self._picture, self.size.width
        if y * 2 >= picture.rows:
            return Strip.blank(width, self.rich_style)
        segments = [Segment(" ")]
        for column in range(min(picture.columns, width - 1)):
            upper = Color.from_rgb(*picture.pixel(column, y * 2))
            lower = Color.from_rgb(*picture.pixel(column, y * 2 + 1))
            segments.append(Segment("▀", Style(color=upper, bgcolor=lower)))
        return Strip(segments).simplify().adjust_cell_length(width, self.rich_style)
