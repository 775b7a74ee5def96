"""Beginning the change streams anew: what that costs, and a phrase that has to be typed."""

from __future__ import annotations

import time

from s3gc_core.errors import ReadOnlySession, S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.confirmation import Confirmation, Wanted
from s3gc_tui.models.intents import FollowIntent
from s3gc_tui.models.stream_lines import reload_lines
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField


class ReloadScreen(AskingScreen[StartedJob]):
    """Asks for a phrase and starts `s3gc follow --reload`. Its result is that job, or None.

    Raises `ReadOnlySession` where the session may not follow.
    """

    def __init__(self, gateway: Gateway, *, clock: MonotonicClock = time.monotonic) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it does not reload the streams")
        phrase = f"reload {gateway.about.bucket}"
        super().__init__(gateway, Confirmation(Wanted.PHRASE, phrase), "reload", clock)

    def on_mount(self) -> None:
        """Say what it means and ask."""
        self._draw()
        self.field.open()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self._draw()

    def _draw(self) -> None:
        databases = [database.name for database in self.gateway.config.databases if database.cdc]
        command = self.gateway.batch_line(FollowIntent(reload=True))
        self.show_what(reload_lines(databases, command, self.width))

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """The phrase was typed."""
        begin(self, self._reload, "decide", exclusive=False)

    async def _reload(self) -> None:
        try:
            await self.gateway.streams.stop()
            started = self.gateway.start(FollowIntent(reload=True))
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(started)
