"""Taking a grant back: a reason first, then the end of its id, typed."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from s3gc_core.errors import ReadOnlySession, S3gcError
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.confirmation import Confirmation, Wanted
from s3gc_tui.models.grant_lines import revoking_lines
from s3gc_tui.models.intents import RevokeIntent
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField

if TYPE_CHECKING:
    from s3gc_core.actions.granting import GrantStanding


class RevokeScreen(AskingScreen["GrantStanding"]):
    """Asks for a reason and a phrase, and revokes. Its result is the grant as it stands, or None.

    Raises `ReadOnlySession` where the session may not revoke.
    """

    def __init__(
        self, gateway: Gateway, standing: GrantStanding, *, clock: MonotonicClock = time.monotonic
    ) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it revokes no grant")
        super().__init__(gateway, Confirmation(Wanted.TEXT), "revoke", clock)
        self._standing = standing
        self._reason = ""

    @property
    def phrase(self) -> str:
        """What has to be typed after the reason."""
        return f"revoke {self._standing.grant.grant_id[-6:]}"

    def on_mount(self) -> None:
        """Say what it means and ask for the reason."""
        self._draw()
        self.field.open()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        self.show_what(revoking_lines(self._standing, self._reason, self.width))

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """A reason was given, or the phrase after it."""
        if not self._reason:
            self._reason = event.text.strip()
            self._draw()
            self.field.ask(Confirmation(Wanted.PHRASE, self.phrase), "revoke")
            self.field.open()
            return
        intent = RevokeIntent(self._standing.grant.grant_id, self._reason)
        begin(self, partial(self._revoke, intent), "decide", exclusive=False)

    async def _revoke(self, intent: RevokeIntent) -> None:
        try:
            standing = await self.gateway.revoke(intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(standing)
