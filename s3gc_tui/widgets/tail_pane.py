"""A pane whose newest lines are last: it follows its end until somebody scrolls away from there."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_tui.models.lines import Line
from s3gc_tui.widgets.line_pane import LinePane


class TailPane(LinePane):
    """Follows its end whenever lines come or its height changes; back at the end, it does again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._follows = True
        self._is_tail = False

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines, which are a list with no newest one."""
        self._is_tail = False
        super().show(lines)

    def show_tail(self, lines: Sequence[Line]) -> None:
        """Show these lines, the last of them unless somebody looks at earlier ones."""
        # What `show` moves is not moved by a person.
        follows = self._follows
        super().show(lines)
        self._follows, self._is_tail = follows, True
        self._to_the_end()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever moved it, at the end it follows. A new height alone moves nothing."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = round(new_value) >= self.max_scroll_y

    def on_resize(self) -> None:
        """Where the lines above took room, the end went out of sight."""
        self._to_the_end()

    def _to_the_end(self) -> None:
        if self._follows and self._is_tail:
            self.scroll_to(y=self.max_scroll_y, animate=False)
