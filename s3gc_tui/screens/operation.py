"""One recorded operation with its objects, a page at a time."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from s3gc_core.collection import Selection
from s3gc_core.errors import S3gcError
from s3gc_core.vault import Operation
from s3gc_tui import records
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin
from s3gc_tui.display import fit
from s3gc_tui.gateway import Gateway
from s3gc_tui.messages import KeyWanted
from s3gc_tui.models.lines import BLANK, Line, bad, dim, error_lines, line
from s3gc_tui.models.operation_lines import (
    ResultPage,
    ResultPages,
    can_restore,
    next_outcome,
    operation_lines,
    page_line,
    result_lines,
)
from s3gc_tui.saving import save_records
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane


class OperationScreen(Placed[None]):
    """Shows what an operation was and what became of each of its objects. Closes with esc or q."""

    DEFAULT_CSS = """
    OperationScreen #operation { height: auto; max-height: 60%; }
    OperationScreen #objects { height: 1fr; }
    OperationScreen #page, OperationScreen #said, OperationScreen #hint { height: 1; }
    """
    WHERE = Where.OPERATION
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(self, gateway: Gateway, operation_id: str) -> None:
        super().__init__(gateway)
        self._operation_id = operation_id
        self._operation: Operation | None = None
        self._outcome: str | None = None
        self._pages = self._new_pages()
        self._page: ResultPage | None = None
        self._error: S3gcError | None = None
        self._said: Line = BLANK

    def compose(self) -> ComposeResult:
        """The head, which objects are seen, the objects, the newest word, the keys."""
        yield LinePane(id="operation")
        yield LinePane(id="page")
        yield LinePane(id="objects", selectable=True)
        yield LinePane(id="said")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Begin to read."""
        for name in ("#operation", "#page", "#said", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.query_one("#objects", LinePane).focus()
        self._read(0)

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A page is offered only where there is one."""
        if action == "page":
            page = self._page
            return page is not None and (page.more if parameters == (1,) else page.first > 0)
        return super().check_action(action, parameters)

    def to_restore(self) -> Selection | None:
        """What it deleted."""
        if self._operation is None or not can_restore(self._operation):
            return None
        return Selection(operation_id=self._operation_id)

    def _new_pages(self) -> ResultPages:
        return ResultPages(lambda: self.gateway.results(self._operation_id), self._outcome)

    def _read(self, number: int) -> None:
        begin(self, partial(self._turn_to, number), "page")

    async def _turn_to(self, number: int) -> None:
        try:
            if self._operation is None:
                self._operation = await self._find()
            self._page = await self._pages.page(number)
            self._error = None
        except S3gcError as error:
            self._error = error
        self._show()
        self.query_one("#objects", LinePane).scroll_home(animate=False)

    async def _find(self) -> Operation:
        return await self.gateway.operation(self._operation_id)

    def _show(self) -> None:
        width = self.size.width
        if not width:
            return
        head = self.query_one("#operation", LinePane)
        lines = self._head_lines(width)
        if len(lines) != len(head.lines):
            head.styles.height = len(lines)
        head.show(lines)
        page = self._page
        total = self._total() if page is not None else None
        self.query_one("#page", LinePane).show(
            [page_line(page, self._outcome, total, width) if page else BLANK]
        )
        self.query_one("#objects", LinePane).show(
            result_lines(page, self._outcome, width) if page else []
        )
        self.query_one("#said", LinePane).show([self._said])
        self.query_one("#hint", LinePane).show([self.key_line()])

    def _head_lines(self, width: int) -> list[Line]:
        if self._error is not None:
            return error_lines(self._error, width)
        if self._operation is None:
            return [line(dim(" reading the audit log ..."))]
        return operation_lines(self._operation, width)

    def _counts(self) -> dict[str, int]:
        finished = self._operation.finished if self._operation else None
        return {name: n for name, n in finished.counts.items() if n} if finished else {}

    def _total(self) -> int | None:
        """How many objects there are with this outcome, as the operation recorded it."""
        if self._operation is None or self._operation.started.what not in ("execute", "restore"):
            return None
        counts = self._counts()
        return counts.get(self._outcome) if self._outcome else sum(counts.values()) or None

    def action_page(self, by: int) -> None:
        """Turn the page."""
        if self._page is not None:
            self._read(self._page.number + by)

    def action_outcome(self) -> None:
        """Only the objects of one outcome; all of them after the last one."""
        self._outcome = next_outcome(list(self._counts()), self._outcome)
        self._pages = self._new_pages()
        self._read(0)

    def on_line_pane_chosen(self, message: LinePane.Chosen) -> None:
        """Ask about the object under the cursor."""
        message.stop()
        self.post_message(KeyWanted(message.line_id))

    def action_save(self) -> None:
        """Write all objects, or those of the chosen outcome, to a new file."""
        begin(self, self._save, "save")

    async def _save(self) -> None:
        outcome = self._outcome
        pages = (
            [records.ended(one) for one in page if outcome in (None, one.outcome.value)]
            async for page in self.gateway.results(self._operation_id)
        )
        try:
            told = await save_records(f"s3gc-{self._operation_id}", "objects", pages)
        except S3gcError as error:
            self._say(line(bad(f" {fit(error.what, self.size.width - 2)}")))
        else:
            self._say(line(f" {fit(told, self.size.width - 2)}"))

    def _say(self, said: Line) -> None:
        self._said = said
        self._show()
