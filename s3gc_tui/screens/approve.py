"""Approving a plan, or a part of it: the review first, then a reason."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from s3gc_core.errors import ReadOnlySession, S3gcError
from s3gc_core.judgement import Plan, ScanSummary
from s3gc_tui.background import begin, read_all
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.asking_lines import approve_lines
from s3gc_tui.models.confirmation import Confirmation, Wanted
from s3gc_tui.models.intents import ApproveIntent
from s3gc_tui.models.plan_lines import lossy_lines
from s3gc_tui.models.review import Review, review_of
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField


class ApproveScreen(AskingScreen[Plan]):
    """Reviews, asks for a reason, approves. Its result is the approved plan, or None.

    Raises `ReadOnlySession` where the session may not approve.
    """

    def __init__(
        self,
        gateway: Gateway,
        plan_id: str,
        prefixes: Sequence[str] = (),
        keys: Sequence[str] = (),
        *,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it does not approve plans")
        super().__init__(gateway, Confirmation(Wanted.TEXT), "approve", clock)
        self._plan_id = plan_id
        self._prefixes = tuple(prefixes)
        self._keys = tuple(keys)
        self._plan: Plan | None = None
        self._review: Review | None = None
        self._scan: ScanSummary | None = None

    def on_mount(self) -> None:
        """Begin the review."""
        begin(self, self._read, "review")

    async def _read(self) -> None:
        try:
            plan, _ = await self.gateway.plan(self._plan_id)
            status = (await self.gateway.picture()).status
            self._scan = status.last_scan if status else None
            review = review_of(plan.sha256, self._prefixes, self._keys)
            self._plan, self._review = plan, review
            await read_all(self.gateway.plan_items(plan.plan_id), review.add, self._draw)
        except S3gcError as error:
            self.tell(error)
            return
        review.done = True
        self._draw()
        if review.objects:
            # Only now: what is approved has been on the screen.
            self.field.open()

    def _draw(self) -> None:
        if self._plan is None or self._review is None:
            return
        now = self.gateway.now()
        head, *lines = approve_lines(self._plan, self._review, self._scan, now, self.width)
        lossy = lossy_lines(self.gateway.about, self._review, self.width)
        self.show_what([head, *lossy, *lines])

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """A reason was given."""
        intent = ApproveIntent(self._plan_id, event.text.strip(), self._prefixes, self._keys)
        begin(self, partial(self._approve, intent), "decide", exclusive=False)

    async def _approve(self, intent: ApproveIntent) -> None:
        try:
            plan = await self.gateway.decide(intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(plan)
