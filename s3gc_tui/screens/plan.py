"""One plan: what it is, what it comes to, its objects; from here it is decided and executed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from s3gc_core.errors import S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_core.judgement import Plan, PlanHistory, PlanState
from s3gc_tui import records
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin, read_all
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.intents import ApproveIntent, ExecuteIntent
from s3gc_tui.models.lines import BLANK, Line, Look, error_lines, good, line, warn, wrapped
from s3gc_tui.models.plan_lines import (
    batch_lines,
    head_lines,
    lossy_lines,
    may_decide,
    may_execute,
    page_lines,
    review_lines,
    why_not_lines,
)
from s3gc_tui.models.plan_pages import PlanPages
from s3gc_tui.models.review import Review, Reviewed, review_of
from s3gc_tui.saving import save_records
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane

_LOOK_EVERY = 2.0


class PlanScreen(Placed[StartedJob]):
    """Shows one plan. Its result is the execution that was started, or None.

    `folder` is where `w` writes; `clock` (monotonic seconds) is what its dialogs go by.
    """

    DEFAULT_CSS = """
    PlanScreen > #plan { height: 1fr; }
    PlanScreen > #below { height: auto; }
    """
    WHERE = Where.PLAN
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(
        self,
        gateway: Gateway,
        plan_id: str,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(gateway)
        self.plan_id = plan_id
        self._folder = folder or Path.cwd()
        self._clock = clock
        self._plan: Plan | None = None
        self._history: PlanHistory | None = None
        self._review: Review | None = None
        self._pages = PlanPages(lambda: gateway.plan_items(plan_id))
        self._number = 0
        self._page: tuple[int, list[Reviewed]] = (0, [])
        self._said: list[Line] = []

    def compose(self) -> ComposeResult:
        """The plan, and what can be done."""
        yield LinePane(id="plan")
        below = LinePane(id="below")
        below.can_focus = False
        yield below

    def on_mount(self) -> None:
        """Begin to read."""
        begin(self, self._open, "open")
        self.set_interval(_LOOK_EVERY, lambda: begin(self, self.look_again, "look"))

    async def _open(self) -> None:
        try:
            self._plan, self._history = await self.gateway.plan(self.plan_id)
            self._review = review_of(self._plan.sha256)
            await self._turn_to(0)
            await self._read(self._review)
        except S3gcError as error:
            self._tell(error)

    async def _read(self, review: Review) -> None:
        await read_all(self.gateway.plan_items(self.plan_id), review.add, self._draw)
        review.done = True
        self._draw()

    async def look_again(self) -> None:
        """How the plan stands now."""
        if self._plan is None:
            return
        try:
            self._plan, self._history = await self.gateway.plan(self.plan_id)
        except S3gcError as error:
            self._tell(error)
            return
        self._draw()

    async def _turn_to(self, number: int) -> None:
        try:
            found = await self._pages.page(number)
        except S3gcError as error:
            self._tell(error)
            return
        if found is not None:
            self._number, self._page = number, found
            self._draw()

    def _draw(self) -> None:
        plan, history, review = self._plan, self._history, self._review
        if plan is None or history is None or review is None or not self.children:
            # Without children: a dialog ended while this screen is on its way out.
            return
        now, about, width = self.gateway.now(), self.gateway.about, self.size.width or 80
        may_write = self.gateway.may_write
        lines = head_lines(plan, history, now, width)
        lines += why_not_lines(plan, history, about, now, width, may_write=may_write)
        lines += lossy_lines(about, review, width)
        lines += [BLANK, *self._batch(plan, history, width)]
        lines += review_lines(review, plan, now, width)
        start, page = self._page
        self.query_one("#plan", LinePane).show([*lines, *page_lines(page, start, plan, now, width)])
        self._below([*self._said, self.key_line()])

    def _batch(self, plan: Plan, history: PlanHistory, width: int) -> list[Line]:
        shown = self.gateway.batch_line
        now, about = self.gateway.now(), self.gateway.about
        lines = []
        if history.state is PlanState.PROPOSED and may_decide(plan, history, now):
            lines += batch_lines("approve", shown(ApproveIntent(plan.plan_id, "WHY")), width)
        if may_execute(plan, history, about, now):
            execute = ExecuteIntent(plan.plan_id, plan.confirmation)
            lines += batch_lines("execute", shown(execute), width)
        return lines

    def _below(self, lines: list[Line]) -> None:
        below = self.query_one("#below", LinePane)
        below.styles.height = len(lines)
        below.show(lines)

    def _say(self, *lines: Line) -> None:
        self._said = list(lines)
        self._draw()

    def _tell(self, error: S3gcError) -> None:
        lines = error_lines(error, self.size.width or 80)
        if self._plan is None:
            self._below(lines)
        else:
            self._say(*lines)

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is not there."""
        plan, history = self._plan, self._history
        if action in ("approve", "reject", "execute"):
            if plan is None or history is None or not self.gateway.may_write:
                return False
            now = self.gateway.now()
            if action == "execute":
                return may_execute(plan, history, self.gateway.about, now)
            return may_decide(plan, history, now)
        if action == "page":
            start, page = self._page
            more = plan is not None and start + len(page) < plan.objects
            return more if parameters == (1,) else start > 0
        return super().check_action(action, parameters)

    def action_approve(self) -> None:
        """Review the whole plan and approve it."""
        from s3gc_tui.screens.approve import ApproveScreen

        try:
            screen = ApproveScreen(self.gateway, self.plan_id, clock=self._clock)
        except S3gcError as error:
            self._tell(error)
            return
        self.app.push_screen(screen, lambda plan: self._decided(plan, "approved"))

    def action_reject(self) -> None:
        """Reject the plan for good."""
        from s3gc_tui.screens.reject import RejectScreen

        if self._plan is None:
            return
        try:
            screen = RejectScreen(self.gateway, self._plan, clock=self._clock)
        except S3gcError as error:
            self._tell(error)
            return
        self.app.push_screen(screen, lambda plan: self._decided(plan, "rejected"))

    def _decided(self, plan: Plan | None, what: str) -> None:
        if plan is not None:
            self._say(line(good(f" plan {plan.plan_id} is {what}")))
            begin(self, self.look_again, "look")

    def action_execute(self) -> None:
        """Open the dialog that asks for bucket and count."""
        from s3gc_tui.screens.execute import ExecuteScreen

        if self._plan is None or self._history is None:
            return
        review = self._review if self._review is not None and self._review.done else None
        try:
            screen = ExecuteScreen(
                self.gateway, self._plan, self._history, review, clock=self._clock
            )
        except S3gcError as error:
            self._tell(error)
            return

        def after(started: StartedJob | None) -> None:
            if started is not None:
                if self in self.app.screen_stack:
                    self.pop_until_active()
                    self.dismiss(started)
                return
            why = screen.closed_because or "nothing was executed"
            self._say(*wrapped(why, self.size.width, Look.WARN))
            begin(self, self.look_again, "look")

        self.app.push_screen(screen, after)

    def action_save(self) -> None:
        """Write the object list to a file."""
        begin(self, self._save, "save")

    async def _save(self) -> None:
        self._say(line(warn(" writing the object list")))
        items = self.gateway.plan_items(self.plan_id)
        pages = (map(records.planned, page) async for page in items)
        name = f"s3gc-plan-{self.plan_id}"
        try:
            told = await save_records(name, "objects", pages, folder=self._folder)
        except S3gcError as error:
            self._tell(error)
            return
        self._say(*wrapped(told, self.size.width, Look.GOOD))

    def action_page(self, by: int) -> None:
        """Show another page of objects."""
        begin(self, partial(self._turn_to, self._number + by), "page")
