"""The execute dialog: what will be deleted, and the one phrase that lets it be deleted."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from s3gc_core.errors import DryRunRefused, NotApproved, PlanExpired, ReadOnlySession, S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_core.judgement import Plan, PlanHistory, ScanSummary
from s3gc_tui.background import begin, read_all
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.asking_lines import execute_lines
from s3gc_tui.models.confirmation import OPEN_FOR, Confirmation, Ended, Wanted
from s3gc_tui.models.intents import ExecuteIntent
from s3gc_tui.models.plan_lines import may_execute, plan_word
from s3gc_tui.models.review import Review, review_of
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField


def check_may_open(gateway: Gateway, plan: Plan, history: PlanHistory) -> None:
    """Raise the refusal that applies: `ReadOnlySession`, `DryRunRefused`, `PlanExpired`,
    `NotApproved`.
    """
    if not gateway.may_write:
        raise ReadOnlySession("this session is read-only, so it does not execute plans")
    if gateway.about.mode != "execute":
        raise DryRunRefused(f"nothing is deleted in mode {gateway.about.mode}")
    now = gateway.now()
    if plan_word(plan, history, now) == "expired":
        raise PlanExpired(f"plan {plan.plan_id} expired")
    if not may_execute(plan, history, gateway.about, now):
        raise NotApproved(f"plan {plan.plan_id} is {history.state}")


class ExecuteScreen(AskingScreen[StartedJob]):
    """Asks for `plan.confirmation` and starts the execution as a job, which is its result.

    None where it was left or closed by itself; `closed_because` then says why. `review` is one
    that was already read. The constructor raises what `check_may_open` raises.
    """

    def __init__(
        self,
        gateway: Gateway,
        plan: Plan,
        history: PlanHistory,
        review: Review | None = None,
        *,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        check_may_open(gateway, plan, history)
        phrase = Confirmation(Wanted.PHRASE, plan.confirmation, open_for=OPEN_FOR)
        super().__init__(gateway, phrase, "delete them", clock)
        self._plan = plan
        self._history = history
        self._review = review or review_of(plan.sha256)
        self._scan: ScanSummary | None = None
        self.closed_because = ""

    def on_mount(self) -> None:
        """Say what will be deleted, ask, and watch that it stays so."""
        self._draw()
        begin(self, self._read, "review")
        self.set_interval(1.0, self._watch)
        self.field.open()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        gateway = self.gateway
        self.show_what(
            execute_lines(
                self._plan,
                self._history,
                gateway.about,
                self._review,
                gateway.now(),
                self.width,
                self._scan,
            )
        )

    async def _read(self) -> None:
        try:
            status = (await self.gateway.picture()).status
            self._scan = status.last_scan if status else None
            if self._review.done:
                self._draw()
                return
            review = self._review = review_of(self._plan.sha256)
            await read_all(self.gateway.plan_items(self._plan.plan_id), review.add, self._draw)
        except S3gcError as error:
            self.field.step(Ended(f"closed: {error.what}"))
            return
        review.done = True
        self._draw()

    def _watch(self) -> None:
        begin(self, self.look_again, "watch")

    async def look_again(self) -> None:
        """Close the dialog where the plan, or what may be done with it, is not as it was shown."""
        self.field.tick()
        why = await self._changed()
        if why is not None:
            self.field.step(Ended(f"closed: {why}"))

    async def _changed(self) -> str | None:
        try:
            plan, history = await self.gateway.plan(self._plan.plan_id)
            check_may_open(self.gateway, plan, history)
        except S3gcError as error:
            return error.what
        if (plan, history) != (self._plan, self._history):
            return "the plan was changed or decided about since the dialog opened"
        return None

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """Exactly the phrase, and Enter."""
        intent = ExecuteIntent(self._plan.plan_id, event.text)
        begin(self, partial(self._start, intent), "start", exclusive=False)

    async def _start(self, intent: ExecuteIntent) -> None:
        why = await self._changed()
        if why is not None:
            self._close(f"closed: {why}")
            return
        try:
            started = await asyncio.to_thread(self.gateway.start, intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(started)

    def on_confirm_field_closed(self, event: ConfirmField.Closed) -> None:
        """Too late, or changed."""
        self._close(event.why)

    def _close(self, why: str) -> None:
        self.closed_because = why
        self.leave(None)
