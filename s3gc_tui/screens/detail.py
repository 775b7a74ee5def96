"""Everything about one key, asked now."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from s3gc_core.actions.asking import Explanation
from s3gc_core.collection import Selection
from s3gc_core.errors import S3gcError
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.detail_lines import asking_lines, detail_lines, failed_lines
from s3gc_tui.models.lines import Line
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane


class DetailScreen(Placed[None]):
    """Shows every layer, reference and backup of a key, and the key itself. Closes with esc, q."""

    DEFAULT_CSS = "DetailScreen #hint { height: 1; }"
    WHERE = Where.KEY
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(self, gateway: Gateway, key: str) -> None:
        super().__init__(gateway)
        self._key = key
        self._found: Explanation | None = None
        self._error: S3gcError | None = None

    def compose(self) -> ComposeResult:
        """One pane to scroll in, and the keys."""
        yield LinePane(id="detail")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Begin to ask."""
        self.query_one("#hint", LinePane).can_focus = False
        self.query_one("#detail", LinePane).focus()
        self.action_ask()

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    def to_restore(self) -> Selection | None:
        """This key, whatever it looks like."""
        return Selection(keys=(self._key,))

    def action_ask(self) -> None:
        """Ask the bucket, the registry, the databases and the vault."""
        self._found = self._error = None
        self._show()
        begin(self, self._ask, "ask")

    async def _ask(self) -> None:
        try:
            self._found = await self.gateway.why(self._key)
        except S3gcError as error:
            self._error = error
        self._show()

    def _show(self) -> None:
        width = self.size.width
        if width:
            self.query_one("#detail", LinePane).show(self._lines(width))
            self.query_one("#hint", LinePane).show([self.key_line()])

    def _lines(self, width: int) -> list[Line]:
        if self._error is not None:
            return failed_lines(self._key, self._error, width)
        if self._found is None:
            return asking_lines(self._key, width)
        return detail_lines(self._found, self.gateway.now(), width)
