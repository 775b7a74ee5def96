"""The whole dashboard on a small real world: a scan, an approved plan, jobs, a history.

Its gateway is the real one for everything that looks. Intents are noted and not carried out, so
that an accident is seen and a suite of a hundred thousand of them stays on one and the same world.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from textual import events
from textual.driver import Driver
from textual.keys import _character_to_key
from textual.message import Message
from textual.pilot import Pilot
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from s3gc_core.collector import Collector
from s3gc_core.jobs import JobOutcome, StartedJob
from s3gc_core.judgement import Plan
from s3gc_core.references import Covered
from s3gc_core.session import UNRESTRICTED, Session
from s3gc_tui import terminal
from s3gc_tui.app import Dashboard
from s3gc_tui.gateway import Gateway, Launch
from s3gc_tui.models.intents import (
    ApproveIntent,
    ClearIntent,
    ColumnIntent,
    ExecuteIntent,
    Intent,
    RejectIntent,
    ReopenIntent,
)
from s3gc_tui.models.picture import Picture
from s3gc_tui.screens.decide_columns import DecideColumnsScreen
from s3gc_tui.screens.main import MainScreen
from s3gc_tui.screens.references import ReferencesScreen
from s3gc_tui.widgets.confirm_field import ConfirmField
from tests.core.jobs.journals import kept
from tests.tui.counted import CountingDriver
from tests.tui.screens.asked import Seconds
from tests.tui.small_world import LATER, SmallWorld

SECONDS = 60.0
# Objects that are forgotten only after the first collection: what the approved plan holds.
LATER_FORGOTTEN = {f"late/{n:02}.bin": b"x" * (n + 1) for n in range(12)}
RUNNING = "01JJJJJJJJJJJJJJJJJJJJJJJ1"
# What has to be typed to clear the unknown column.
CLEARED_NAME = "users.note"

# Workers that look as long as their screen is there.
_ENDLESS = ("watch", "streams")
_NAMES = {"\r": "enter", "\x1b": "escape", "\x18": "ctrl+x", "\x0f": "ctrl+o", "\t": "tab"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the world has: ids of a plan that could be executed, and of an ended execution."""

    plan_id: str
    operation_id: str
    keys: frozenset[str]


class NotingGateway(Gateway):
    """Looks as the real one does; notes intents, and does nothing that they say."""

    intents: list[Intent]
    wishes: list[tuple[str, str]]
    output: Path

    def start(self, intent: Intent) -> StartedJob:
        self.intents.append(intent)
        self.output.touch(mode=0o600)
        return StartedJob("01JJJJJJJJJJJJJJJJJJJJJJJ9", 0, self.output)

    def outcome(self, started: StartedJob) -> JobOutcome:
        return JobOutcome(running=False, exit_code=None, summary=None, tail=())

    async def decide(self, intent: ApproveIntent | RejectIntent) -> Plan:
        self.intents.append(intent)
        return (await self.plan(intent.plan_id))[0]

    async def decide_columns(self, intent: ColumnIntent) -> list[Covered]:
        self.intents.append(intent)
        return []

    async def pause(self, operation_id: str) -> None:
        self.wishes.append(("pause", operation_id))

    async def resume(self, operation_id: str) -> None:
        self.wishes.append(("resume", operation_id))

    async def cancel(self, operation_id: str) -> None:
        self.wishes.append(("cancel", operation_id))

    @property
    def executions(self) -> list[ExecuteIntent]:
        """What must stay empty."""
        return [one for one in self.intents if isinstance(one, ExecuteIntent)]

    @property
    def decided_columns(self) -> list[ColumnIntent]:
        """What must stay empty as well."""
        return [one for one in self.intents if isinstance(one, ClearIntent | ReopenIntent)]


class WholeDashboard(Dashboard):
    """The product's dashboard; it writes to a counting terminal, and notes when it would leave."""

    def __init__(self, gateway: Gateway, *, stays: bool = False) -> None:
        super().__init__(gateway.about.bucket, lambda: nullcontext(gateway))
        self.driver_class = CountingDriver
        self.stays = stays
        self.left: list[object] = []
        self.failed: list[BaseException] = []

    def _build_driver(
        self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None
    ) -> Driver:
        return super()._build_driver(False, inline, mouse, size)

    def exit(self, result: object = None, return_code: int = 0, message: Any = None) -> None:
        self.left.append(result)
        if not self.stays:
            super().exit(result, return_code, message)  # type: ignore[arg-type]

    def hear(self, message: Message) -> None:
        """Every message of every widget: an error of a worker is seen, whoever swallows it."""
        if isinstance(message, Worker.StateChanged) and message.state is WorkerState.ERROR:
            error = message.worker.error
            if error is not None and error not in self.failed:
                self.failed.append(error)

    @property
    def terminal(self) -> CountingDriver:
        assert isinstance(self._driver, CountingDriver)
        return self._driver

    def take(self) -> str:
        """What was written to the terminal since the last time."""
        text = "".join(self.terminal.written)
        self.terminal.written.clear()
        return text

    def screen_text(self) -> str:
        """What is on the screen."""
        strips = self.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)


@dataclass
class Whole:
    """One open dashboard."""

    small: SmallWorld
    told: Told
    gateway: NotingGateway
    app: WholeDashboard
    pilot: Pilot[Any]
    clock: Seconds = field(default_factory=Seconds)

    @property
    def phrase(self) -> str:
        """What has to be typed to execute the plan."""
        return f"{self.small.world.config.bucket} {len(LATER_FORGOTTEN)}"

    @property
    def main(self) -> MainScreen:
        return self.app.main

    @property
    def field(self) -> ConfirmField | None:
        """The field of the screen, which goes by our clock from now on."""
        for found in self.app.screen.query(ConfirmField):
            if found._clock is not self.clock:
                self.clock.at = max(self.clock.at, found._clock())
                found._clock = self.clock
            return found
        return None

    def pass_(self, seconds: float) -> None:
        """Let time pass for the field of the screen."""
        asks = self.field
        self.clock.pass_(seconds)
        if asks is not None:
            asks.tick()

    def key(self, name: str, character: str | None = None) -> None:
        """One key as the driver hands it on; nothing waits for it."""
        self.app.post_message(events.Key(name, character))

    def keys(self, text: str) -> None:
        """Keys all at once."""
        for character in text:
            self.key(_NAMES.get(character) or _character_to_key(character), character)

    def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))

    async def settled(self) -> None:
        """All that was asked for is read and painted; the endless watch apart."""
        async with asyncio.timeout(SECONDS):
            while True:
                await self.pilot.pause()
                if not self._working():
                    await self.pilot.pause()
                    if not self._working():
                        return
                await asyncio.sleep(0.005)

    def _working(self) -> bool:
        return any(
            not worker.is_finished and worker.group not in _ENDLESS for worker in self.app.workers
        )

    async def press(self, *names: str) -> None:
        await self.pilot.press(*names)
        await self.settled()

    async def until(self, right: Callable[[], object]) -> None:
        """Poll until something holds, with a deadline."""
        try:
            async with asyncio.timeout(SECONDS):
                while not right():
                    assert self.app._exception is None, self.app._exception
                    await self.pilot.pause()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"it never came; the screen shows:\n{self.app.screen_text()}")

    async def ready(self) -> None:
        """The field of the screen has been left alone for long enough."""
        await self.settled()
        self.pass_(0.6)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type as a person does, with time between the keys."""
        for character in text:
            self.pass_(0.1)
            self.keys(character)
            await self.pilot.pause()
        self.pass_(0.1)

    async def opened(self) -> None:
        """Everything behind the first paint is open, and the panes are drawn."""
        await self.until(lambda: self.app._main is not None and self.main.picture is not None)
        await self.settled()

    async def back_to_main(self) -> None:
        """Close whatever is open over the main screen."""
        self.main.pop_until_active()
        await self.pilot.pause()
        self.main.close_command()
        await self.pilot.pause()

    async def open_plan(self) -> Screen[Any]:
        """The approved plan's own screen."""
        self.main.open_thing("plan", self.told.plan_id)
        await self.until(lambda: self.app.screen.check_action("execute", ()))
        return self.app.screen

    async def open_references(self) -> ReferencesScreen:
        """The references, with the cursor on the column that can be cleared."""
        self.main.action_references()
        await self.until(lambda: self.app.screen.check_action("clear", ("column",)))
        screen = self.app.screen
        assert isinstance(screen, ReferencesScreen)
        return screen

    async def open_clear(self) -> DecideColumnsScreen:
        """The dialog that asks why the column holds no keys."""
        references = await self.open_references()
        references.action_clear("column")
        await self.until(lambda: self.app.screen is not references and self.field is not None)
        screen = self.app.screen
        assert isinstance(screen, DecideColumnsScreen)
        return screen

    async def open_clear_name(self) -> DecideColumnsScreen:
        """The same after the reason: what is typed now decides."""
        screen = await self.open_clear()
        screen.post_message(ConfirmField.Confirmed(screen.field, "because"))
        await self.until(lambda: screen.field.confirmation.phrase == CLEARED_NAME)
        return screen

    async def open_execute(self) -> Screen[Any]:
        """The execute dialog."""
        plan = await self.open_plan()
        plan.action_execute()  # type: ignore[attr-defined]
        await self.until(lambda: self.app.screen is not plan and self.field is not None)
        await self.settled()
        return self.app.screen

    async def assert_nothing_happened(self) -> None:
        """No execution was asked for, nor that a column counts no more; the bucket is what it was,
        and the app lives.
        """
        assert self.gateway.executions == []
        assert self.gateway.decided_columns == []
        assert self.app._exception is None
        assert self.app.failed == []
        assert await self.small.world.keys() == self.told.keys


async def furnished(small: SmallWorld) -> Told:
    """An execution that ended, then a plan that is approved and could be executed."""
    operation_id = await small.collected()
    for key, body in LATER_FORGOTTEN.items():
        await small.world.put(key, body)
    plan_id = await small.approved()
    # Columns to decide about: one that nobody vouches for, and one that somebody does.
    for column in ("note", "bio"):
        await small.world.app.execute(f"ALTER TABLE users ADD COLUMN {column} TEXT")
    async with small.world.collector() as collector:
        await collector.clear_columns("users.bio", reason="free words")
    return Told(plan_id, operation_id, frozenset(await small.world.keys()))


@asynccontextmanager
async def opened(
    small: SmallWorld,
    told: Told,
    session: Session = UNRESTRICTED,
    *,
    size: tuple[int, int] = (80, 24),
    running: bool = False,
    stays: bool = False,
    app_class: type[WholeDashboard] = WholeDashboard,
    profile: str = "test",
) -> AsyncIterator[Whole]:
    """The dashboard on that world; with `running` a job holds the vault meanwhile."""
    async with AsyncExitStack() as stack:
        vault = Path(small.world.config.vault_path)
        if running:
            journal = await stack.enter_async_context(kept(vault, RUNNING))
            journal.progress("listing", 40, 100)
        clock = small.world.clock
        collector = await stack.enter_async_context(
            Collector.open(small.world.config, clock=clock, session=session)
        )
        options = ("--config", str(small.cli.config))
        launch = Launch(("/no/such/program",), ("s3gc", *options))
        gateway = NotingGateway(collector, launch, session, clock=clock, profile=profile)
        stack.push_async_callback(gateway._close)
        gateway.intents, gateway.wishes = [], []
        gateway.output = small.cli.folder / "started.out"
        # The signals are the test runner's.
        stack.enter_context(patch.object(terminal, "handle_signals"))
        app = app_class(gateway, stays=stays)
        pilot = await stack.enter_async_context(app.run_test(size=size, message_hook=app.hear))
        whole = Whole(small, told, gateway, app, pilot)
        await whole.opened()
        yield whole


def picture_of(whole: Whole) -> Picture:
    """The newest picture."""
    assert whole.main.picture is not None
    return whole.main.picture


__all__ = [
    "CLEARED_NAME",
    "LATER",
    "LATER_FORGOTTEN",
    "RUNNING",
    "NotingGateway",
    "Told",
    "Whole",
    "WholeDashboard",
    "furnished",
    "opened",
    "picture_of",
]
