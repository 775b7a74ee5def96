"""Screens under test: a small world, a gateway that counts its intents, a clock that obeys."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import Screen

from s3gc_core.collector import Collector
from s3gc_core.jobs import JobOutcome, StartedJob
from s3gc_core.judgement import Plan
from s3gc_core.references import Covered
from s3gc_core.session import READ_ONLY, UNRESTRICTED, Session
from s3gc_tui.gateway import Gateway, Launch
from s3gc_tui.models.intents import ApproveIntent, ColumnIntent, Intent, RejectIntent
from s3gc_tui.widgets.confirm_field import ConfirmField
from tests.core.jobs.journals import until
from tests.tui.small_world import LATER, SmallWorld

SIZES = [(80, 24), (160, 48)]
SECONDS = 60.0
GOLDENS = Path(__file__).parent / "goldens"
# What is another in every run: ids, moments, hashes, the bucket, who we are.
_IDS = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
_TIMES = re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b")
_BUCKET = re.compile(r"\bbucket-\d+\b")
_WHO = re.compile(r"\b[\w.-]+@[\w.-]*\w")
_HASH = re.compile(r"\b[0-9a-f]{16}\b")


class CountingGateway(Gateway):
    """The real gateway; it notes every intent before it does what it says."""

    intents: list[Intent]

    async def decide(self, intent: ApproveIntent | RejectIntent) -> Plan:
        self.intents.append(intent)
        return await super().decide(intent)

    async def decide_columns(self, intent: ColumnIntent) -> list[Covered]:
        self.intents.append(intent)
        return await super().decide_columns(intent)

    def start(self, intent: Intent) -> StartedJob:
        self.intents.append(intent)
        return super().start(intent)


@dataclass
class Seconds:
    """A monotonic clock that stands still until it is told."""

    at: float = 100.0

    def __call__(self) -> float:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Stage:
    """One app with one screen on it."""

    gateway: CountingGateway
    clock: Seconds = field(default_factory=Seconds)

    @property
    def intents(self) -> list[Intent]:
        return self.gateway.intents

    @asynccontextmanager
    async def showing(
        self, screen: Screen[Any], size: tuple[int, int] = (80, 24)
    ) -> AsyncIterator[Shown]:
        app = _Holder()
        async with app.run_test(size=size) as pilot:
            shown = Shown(pilot, self.clock)
            app.push_screen(screen, shown.results.append)
            await shown.settled()
            yield shown


class _Holder(App[None]):
    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"


@dataclass
class Shown:
    """The screen on the stage, and what it gave back."""

    pilot: Pilot[None]
    clock: Seconds
    results: list[Any] = field(default_factory=list)

    @property
    def app(self) -> App[None]:
        return self.pilot.app

    @property
    def field(self) -> ConfirmField:
        return self.app.screen.query_one("#field", ConfirmField)

    async def settled(self) -> None:
        """All workers of all screens are done, and all is painted."""
        async with asyncio.timeout(SECONDS):
            while True:
                await self.pilot.pause()
                if not self._working():
                    await self.pilot.pause()
                    if not self._working():
                        return

    def _working(self) -> bool:
        """Whether a worker goes on; the endless look at the streams does not count."""
        return any(not w.is_finished and w.group != "streams" for w in self.app.workers)

    async def ready(self) -> None:
        """The field has been left alone for long enough."""
        await self.settled()
        self.clock.pass_(0.5)
        self.field.tick()
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type as a person does, with time between the keys."""
        for character in text:
            self.clock.pass_(0.1)
            self.key(character)
            await self.pilot.pause()
        self.clock.pass_(0.1)

    def key(self, character: str) -> None:
        """One key as the driver hands it on; nothing waits for it."""
        names = {"\r": "enter", "\x1b": "escape", "\x18": "ctrl+x", "\x0f": "ctrl+o", "\t": "tab"}
        name = names.get(character, _character_to_key(character))
        self.app.post_message(events.Key(name, character))

    def raw(self, text: str) -> None:
        """Keys all at once: type-ahead, or a paste of a terminal that does not mark it."""
        for character in text:
            self.key(character)

    def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settled()

    def text(self) -> str:
        """What the screen shows."""
        app = self.app
        strips = app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)


@asynccontextmanager
async def staged(
    small: SmallWorld, session: Session = UNRESTRICTED, days: float = LATER
) -> AsyncIterator[Stage]:
    """A gateway on the small world; its jobs are real processes, for which days have passed."""
    options = ("--config", str(small.cli.config))
    launch = Launch((sys.executable, "-m", "tests.tui.shifted", str(days), *options), ("s3gc",))
    clock = small.world.clock
    opened = Collector.open(small.world.config, clock=clock, session=session)
    async with opened as collector:
        gateway = CountingGateway(collector, launch, session, clock=clock)
        gateway.intents = []
        try:
            yield Stage(gateway)
        finally:
            await gateway._close()


async def ended(stage: Stage, started: StartedJob) -> JobOutcome:
    """How a job ended, with a deadline."""

    def ending() -> JobOutcome | None:
        outcome = stage.gateway.outcome(started)
        # The output's lock goes with the process, its exit code comes by a thread a little later.
        return None if outcome.exit_code is None or outcome.running else outcome

    return await until(ending)


def read_only(stage: Stage) -> None:
    """From now on the session may not write."""
    stage.gateway._session = READ_ONLY


def assert_golden(name: str, text: str) -> None:
    """The text is what was looked at before. WRITE_GOLDENS=1 writes what there is instead."""
    path = GOLDENS / f"{name}.txt"
    tame = _TIMES.sub("2026-01-01 00:00", _IDS.sub(lambda m: "0" * len(m.group()), text))
    tame = _WHO.sub("ops@ops-1", _BUCKET.sub("bucket-1", _HASH.sub("0" * 16, tame)))
    if os.environ.get("WRITE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(tame + "\n")
    assert tame + "\n" == path.read_text()
