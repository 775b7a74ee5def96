"""Taking a grant back: a reason first, then the end of its id, typed."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from s3gc_core.errors import ReadOnlySession, S3gcError
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.grant_lines import revoking_lines
from s3gc_tui.models.intents import RevokeIntent
from s3gc_tui.models.lines import Line
from s3gc_tui.screens.asking import MonotonicClock
from s3gc_tui.screens.reason_then_phrase import ReasonThenPhrase

if TYPE_CHECKING:
    from s3gc_core.actions.granting import GrantStanding


class RevokeScreen(ReasonThenPhrase["GrantStanding"]):
    """Asks for a reason and a phrase, and revokes. Its result is the grant as it stands, or None.

    Raises `ReadOnlySession` where the session may not revoke.
    """

    def __init__(
        self, gateway: Gateway, standing: GrantStanding, *, clock: MonotonicClock = time.monotonic
    ) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it revokes no grant")
        super().__init__(gateway, "revoke", clock)
        self._standing = standing

    @property
    def phrase(self) -> str:
        """What has to be typed after the reason."""
        return f"revoke {self._standing.grant.grant_id[-6:]}"

    def what(self, reason: str) -> list[Line]:
        """The grant, and what revoking it means."""
        return revoking_lines(self._standing, reason, self.width)

    def confirmed(self, reason: str) -> None:
        """Revoke it."""
        intent = RevokeIntent(self._standing.grant.grant_id, reason)
        begin(self, partial(self._revoke, intent), "decide", exclusive=False)

    async def _revoke(self, intent: RevokeIntent) -> None:
        try:
            standing = await self.gateway.revoke(intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(standing)
