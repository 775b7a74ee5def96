"""The change streams: how far each followed database has come, and who follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.css.query import NoMatches

from s3gc_core.errors import S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin
from s3gc_tui.display import fit
from s3gc_tui.gateway import Gateway
from s3gc_tui.models import stream_lines
from s3gc_tui.models.intents import FollowIntent, StopFollowingIntent
from s3gc_tui.models.lines import BLANK, Line, bad, dim, line
from s3gc_tui.models.picture import Picture
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane

# Seconds between two looks; the servers themselves are asked less often.
_REFRESH = 1.0
_READ_ONLY = "this session is read-only: starting, ending and reloading need `s3gc --write`"


class StreamsScreen(Placed[None]):
    """One row a database, and everything about the one under the cursor. Closes with esc or q.

    `clock` (monotonic seconds) is what its dialog goes by.
    """

    DEFAULT_CSS = """
    StreamsScreen #head { height: 3; }
    StreamsScreen #streams { height: 1fr; }
    StreamsScreen #about { height: 10; }
    StreamsScreen #said, StreamsScreen #hint { height: 1; }
    """
    WHERE = Where.STREAMS
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(self, gateway: Gateway, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(gateway)
        self._clock = clock
        self._picture: Picture | None = None
        self._said: Line = BLANK

    def compose(self) -> ComposeResult:
        """Who follows, the list, what the cursor is on, the newest word, the keys."""
        yield LinePane(id="head")
        yield LinePane(id="streams", selectable=True)
        yield LinePane(id="about")
        yield LinePane(id="said")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Begin to watch."""
        for name in ("#head", "#about", "#said", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.query_one("#streams", LinePane).focus()
        self.gateway.streams.again()
        begin(self, self._watch, "streams")

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    async def _watch(self) -> None:
        while True:
            self._picture = await self.gateway.picture()
            self._show()
            await asyncio.sleep(_REFRESH)

    def _show(self) -> None:
        width, picture = self.size.width, self._picture
        if not width or not self.children or picture is None:
            return
        try:
            rows = self.query_one("#streams", LinePane)
            self.query_one("#head", LinePane).show(stream_lines.head_lines(picture, width))
            rows.show(stream_lines.rows(picture, width))
            about = stream_lines.about_lines(picture, rows.cursor_id, width)
            self.query_one("#about", LinePane).show(about)
            self.query_one("#said", LinePane).show([self._word(width)])
            self.query_one("#hint", LinePane).show([self.key_line()])
        except NoMatches:
            return  # the screen is going away

    def _word(self, width: int) -> Line:
        """How the follower of ours ended; else what was done last; else what cannot be done."""
        if ended := self._ended():
            return line(bad(f" {fit(ended, width - 2)}"))
        if not self._said.pieces and not self.gateway.may_write:
            return line(dim(f" {fit(_READ_ONLY, width - 2)}"))
        return self._said

    def _ended(self) -> str:
        """Why the follower that was started here runs no more; empty where it runs."""
        started = self.gateway.streams.started
        if started is None or self._is_followed:
            return ""
        try:
            outcome = self.gateway.outcome(started)
        except S3gcError as error:
            return error.what
        summary = outcome.summary or {}
        if outcome.running or not summary.get("what"):
            return ""
        return f"following ended: {summary['what']}; {summary.get('next_step', '')}"

    @property
    def _is_followed(self) -> bool:
        return self._picture is not None and self._picture.is_followed

    def on_line_pane_cursor_moved(self, event: LinePane.CursorMoved) -> None:
        """Show what the cursor is on."""
        event.stop()
        self._show()

    # What can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is not there."""
        if action in ("follow", "stop", "reload"):
            if not self.gateway.may_write or not self.gateway.about.cdc or self._picture is None:
                return False
            return action == "reload" or self._is_followed == (action == "stop")
        return super().check_action(action, parameters)

    def action_ask(self) -> None:
        """Ask the servers at once."""
        self._said = BLANK
        self.gateway.streams.again()
        begin(self, self._watch, "streams")

    def action_follow(self) -> None:
        """Start following as a job of its own."""
        try:
            self.gateway.streams.started = self.gateway.start(FollowIntent())
        except S3gcError as error:
            self._tell(error)
            return
        self._say(f"started: {self.gateway.batch_line(FollowIntent())}")

    def action_stop(self) -> None:
        """End the process that follows."""
        begin(self, self._stop, "control")

    async def _stop(self) -> None:
        self._say(f"ending it, as {self.gateway.batch_line(StopFollowingIntent())} does")
        try:
            await self.gateway.streams.stop()
        except S3gcError as error:
            self._tell(error)
            return
        self.gateway.streams.started = None
        self._say("ended: nobody follows now, and the servers keep their log until somebody does")

    def action_reload(self) -> None:
        """Ask whether to begin anew."""
        from s3gc_tui.screens.reload import ReloadScreen

        try:
            screen = ReloadScreen(self.gateway, clock=self._clock)
        except S3gcError as error:
            self._tell(error)
            return
        self.app.push_screen(screen, self._reloading)

    def _reloading(self, started: StartedJob | None) -> None:
        if started is not None:
            self.gateway.streams.started = started
            self._say(f"started: {self.gateway.batch_line(FollowIntent(reload=True))}")

    def _say(self, text: str) -> None:
        self._said = line(f" {fit(text, self.size.width - 2)}")
        self._show()

    def _tell(self, error: S3gcError) -> None:
        self._said = line(bad(f" {fit(f'{error.what}; {error.next_step}', self.size.width - 2)}"))
        self._show()
