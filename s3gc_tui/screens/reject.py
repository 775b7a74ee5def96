"""Rejecting a plan for good, with a reason."""

from __future__ import annotations

import time
from functools import partial

from s3gc_core.errors import ReadOnlySession, S3gcError
from s3gc_core.judgement import Plan
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.asking_lines import reject_lines
from s3gc_tui.models.confirmation import Confirmation, Wanted
from s3gc_tui.models.intents import RejectIntent
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField


class RejectScreen(AskingScreen[Plan]):
    """Asks for a reason and rejects. Its result is the rejected plan, or None.

    Raises `ReadOnlySession` where the session may not reject.
    """

    def __init__(
        self, gateway: Gateway, plan: Plan, *, clock: MonotonicClock = time.monotonic
    ) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it does not reject plans")
        super().__init__(gateway, Confirmation(Wanted.TEXT), "reject", clock)
        self._plan = plan

    def on_mount(self) -> None:
        """Say what it means and ask."""
        self._draw()
        self.field.open()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        self.show_what(reject_lines(self._plan, self.width))

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """A reason was given."""
        intent = RejectIntent(self._plan.plan_id, event.text.strip())
        begin(self, partial(self._reject, intent), "decide", exclusive=False)

    async def _reject(self, intent: RejectIntent) -> None:
        try:
            plan = await self.gateway.decide(intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(plan)
