"""A small world, and its service as a process that may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from s3gc_core.clock import utc_now
from s3gc_core.jobs import (
    FOLLOWER_FILE,
    SCHEDULED_FILE,
    LeaseHolder,
    ServiceState,
    lease_holder,
    read_service,
)
from s3gc_core.service import ServiceEvent
from s3gc_tui.demo.seaweed import die_with_parent
from tests.core.jobs.journals import until
from tests.service.child import ENDED, Plan
from tests.tui.command_line import ROOT, CommandLine, toml
from tests.world import World

SECONDS = 60.0
# Objects are old enough for a run that thinks so many days have passed.
DAYS = "30"
SHIFTED = [sys.executable, "-m", "tests.tui.shifted", DAYS]
# The service's time begins here; what is due since yesterday is due now.
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(slots=True)
class Service:
    """A running service, and what it has told."""

    process: asyncio.subprocess.Process
    events: list[ServiceEvent] = field(default_factory=list)

    async def until(self, *events: str) -> ServiceEvent:
        """Read on until it tells one of these."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while line := await self.process.stdout.readline():
                event = msgspec.json.decode(line, type=ServiceEvent)
                self.events.append(event)
                if event.event in events:
                    return event
        raise AssertionError(f"it ended: {self.events}")

    async def kill(self) -> None:
        """End it without a word."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Ask it to end, and read everything it tells until then."""
        self.process.terminate()
        await self.ended()

    async def ended(self) -> None:
        """It ends because it was asked to, and for no other reason."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            async for line in self.process.stdout:
                self.events.append(msgspec.json.decode(line, type=ServiceEvent))
            assert await self.process.wait() == ENDED

    def told(self) -> list[str]:
        """The events in their order."""
        return [event.event for event in self.events]


@dataclass(slots=True)
class Scene:
    """A world with its configuration file, and the services that were started for it."""

    world: World
    cli: CommandLine
    services: list[Service] = field(default_factory=list)

    @property
    def vault(self) -> Path:
        return self.world.config.vault_path

    def write_config(self, *, cron: str = "02:30", more: str = "") -> None:
        """Write the world's configuration, with a schedule."""
        text = f'schedule_cron = "{cron}"\n{more}' + toml(self.world.config)
        self.cli.config.write_text(text)

    def was_served_before(self) -> None:
        """Let the vault have been served since yesterday: what was due since then is due."""
        now = utc_now()
        state = ServiceState(1, "x", now, NOON - timedelta(days=1), now)
        (self.vault / "service.json").write_bytes(msgspec.json.encode(state))

    async def serve(
        self,
        *,
        at: datetime = NOON,
        speed: float = 1.0,
        program: list[str] | None = None,
        safe_seconds: float = 20.0,
        api: str = "",
    ) -> Service:
        """Start the service; wait for what it tells."""
        number = len(self.services)
        path = self.cli.folder / f"plan-{number}.json"
        profiles = {"photos": str(self.cli.config)}
        plan = Plan(profiles, utc_now(), at, speed, program or SHIFTED, safe_seconds, api)
        path.write_bytes(msgspec.json.encode(plan))
        with (self.cli.folder / "service.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.service.child", str(path)),
                cwd=ROOT,
                env=self.cli.variables(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        service = Service(process)
        self.services.append(service)
        return service

    def state(self) -> ServiceState:
        state = read_service(self.vault)
        assert state is not None
        return state

    def scheduled(self) -> LeaseHolder | None:
        """The scheduled run that is at work."""
        return lease_holder(self.vault, SCHEDULED_FILE)

    async def until(self, right: Callable[[ServiceState], bool]) -> ServiceState:
        """Wait for a state."""

        def found() -> ServiceState | None:
            state = read_service(self.vault)
            return state if state is not None and right(state) else None

        return await until(found)

    async def close(self) -> None:
        """End everything that was started."""
        for service in self.services:
            await service.kill()
        for file in (SCHEDULED_FILE, FOLLOWER_FILE):
            if (holder := lease_holder(self.vault, file)) is not None:
                os.kill(holder.pid, signal.SIGKILL)
        await until(lambda: self.scheduled() is None)

    async def operations(self) -> list[tuple[str, str, str]]:
        """What, how it ended, and for which run of the schedule, in their order."""
        async with self.world.collector() as collector:
            found = await collector.audit.operations()
        return [
            (
                o.started.what,
                o.finished.outcome if o.finished else "not ended",
                o.started.arguments.get("scheduled", ""),
            )
            for o in found
        ]
