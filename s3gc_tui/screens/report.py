"""The report: money, how fast new orphans come, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from s3gc_core.errors import S3gcError
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models import report_lines
from s3gc_tui.models.lines import Line, error_lines
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane

if TYPE_CHECKING:
    from s3gc_core.actions.reporting import Reported


class ReportScreen(Placed[None]):
    """What `s3gc report` tells of the last scan, from what is known here. Closes with esc or q."""

    DEFAULT_CSS = """
    ReportScreen #head { height: 4; }
    ReportScreen #table { height: 1fr; }
    ReportScreen #hint { height: 1; }
    """
    WHERE = Where.REPORT
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._told: Reported | None = None
        self._error: S3gcError | None = None

    def compose(self) -> ComposeResult:
        """The sums, the tables, the keys."""
        yield LinePane(id="head")
        yield LinePane(id="table")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Add up."""
        for name in ("#head", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.query_one("#table", LinePane).focus()
        self.action_ask()

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    def action_ask(self) -> None:
        """Add up again, after a newer scan."""
        self._told = self._error = None
        self._show()
        begin(self, self._add_up, "report")

    async def _add_up(self) -> None:
        try:
            self._told = await self.gateway.report()
        except S3gcError as error:
            self._error = error
        self._show()

    def _show(self) -> None:
        width = self.size.width
        if not width or not self.children:
            return
        failed = self._error is not None
        head = report_lines.head_lines(self._told, width, failed=failed)
        self.query_one("#head", LinePane).show(head)
        self.query_one("#table", LinePane).show(self._table(width))
        self.query_one("#hint", LinePane).show([self.key_line()])

    def _table(self, width: int) -> list[Line]:
        if self._error is not None:
            return error_lines(self._error, width)
        return [] if self._told is None else report_lines.table_lines(self._told, width)
