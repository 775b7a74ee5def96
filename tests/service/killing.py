"""Service and runs killed at random while a schedule starts one run after another.

An application goes on uploading meanwhile, and a person approves what is found. In the end all has
to be as if nobody had been killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from s3gc_core.clock import utc_now
from s3gc_core.errors import Refused
from s3gc_core.jobs import lease_holder
from s3gc_core.judgement import PlanState
from s3gc_core.vault import OperationFinished, OperationStarted
from tests.core.jobs.journals import until
from tests.service.scene import DAYS, NOON, Scene, Service
from tests.stories.staging import ORPHANS, USED, body_of, claimed, upload

# A slot of "* * * * *" every half second: no run ends before the next one is due.
SPEED = 120.0
# The longest that is waited before something is killed.
LONGEST_SECONDS = 1.0
# How long the service may take in the end to delete what was approved; some runs.
CLEAN_SECONDS = 120.0


@dataclass(slots=True)
class Toll:
    """What was done to the service, and what it came to."""

    killed: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    # Plans that were gone when the person came to approve them.
    gone: int = 0
    deleted: int = 0

    def __str__(self) -> str:
        killed = ", ".join(f"{number} x {what}" for what, number in sorted(self.killed.items()))
        return f"killed: {killed}; {self.runs} runs, {self.deleted} objects deleted and restored"


class Killing:
    """One course of it, by a seed."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene = scene
        self._random = Random(seed)
        self._began = utc_now()
        self.orphans, self.used = set(ORPHANS), {USED}
        self.toll = Toll()

    async def run(self, kills: int) -> None:
        """Kill so often; then let the service come to rest, and look."""
        self._scene.world.days(float(DAYS))
        self._scene.write_config(cron="* * * * *")
        self._scene.was_served_before()
        for number in range(kills):
            service = await self._serve()
            await self._upload(number)
            await self._approve()
            # Starting takes a run longer than its work, so half of the kills wait for that.
            if self._random.random() < 0.5:
                await until(self._scene.scheduled)
            # The point of it: no instant is chosen.
            await asyncio.sleep(self._random.uniform(0.0, LONGEST_SECONDS))
            await self._kill(service)
        service = await self._serve()
        await self._until_clean(service)
        await service.end()
        await self._check()

    async def _serve(self) -> Service:
        at: datetime = NOON + (utc_now() - self._began) * SPEED
        service = await self._scene.serve(at=at, speed=SPEED)
        await service.until("started", "waits")
        return service

    async def _upload(self, number: int) -> None:
        orphan, used = f"p/orphan-{number}.jpg", f"p/used-{number}.jpg"
        world = self._scene.world
        await world.app.execute(f"INSERT INTO files VALUES ({number + 10}, '{used}')")
        await upload(world, [used, orphan])
        self.orphans.add(orphan)
        self.used.add(used)

    async def _approve(self) -> None:
        """What waits is approved, as a person would; somebody may have been quicker."""
        async with self._scene.world.collector() as collector:
            for plan, history in (await collector.status()).waiting:
                if history.state is PlanState.PROPOSED:
                    try:
                        await collector.approve(plan.plan_id, reason="a test")
                    except Refused:
                        self.toll.gone += 1

    async def _kill(self, service: Service) -> None:
        what = self._random.choice(("service", "run", "both"))
        run = self._scene.scheduled()
        # One that is just being started is known to the service alone.
        pid = self._scene.state().timed["run"].running_pid if run is None else run.pid
        where = "between runs" if pid is None else "while a run starts"
        if run is not None:
            operation = lease_holder(self._scene.vault)
            where = f"in {operation.what if operation is not None else 'what is around it'}"
        if what != "run":
            await service.kill()
        if what != "service" and pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                where = "as a run had ended"
        self.toll.killed[f"{what} {where}"] += 1
        # One serves a vault: the next one begins when this one is gone.
        await service.kill()

    async def _until_clean(self, service: Service) -> None:
        try:
            async with asyncio.timeout(CLEAN_SECONDS):
                while await self._scene.world.keys() & self.orphans:
                    await self._approve()
                    await service.until("ended", "run-failed")
        except TimeoutError:
            operations = (await self._scene.operations())[-6:]
            raise AssertionError(
                f"{self._scene.state()}\n{service.events[-6:]}\n{operations}\n{self.toll}"
            ) from None

    async def _check(self) -> None:
        world = self._scene.world
        assert await until(lambda: self._scene.scheduled() is None)
        async with world.collector() as collector:
            assert await collector.audit.verify() > 0
        await self._check_runs()
        assert await world.keys() == self.used
        assert await claimed(world) == self.orphans
        for key in self.orphans:
            await world.restore(key)
        assert await world.keys() == self.used | self.orphans
        for key in self.used | self.orphans:
            assert (await world.contents(key))[0] == body_of(key), key
        self.toll.deleted = len(self.orphans)

    async def _check_runs(self) -> None:
        """Never two at once, no slot scanned for twice, and time goes forwards."""
        scans: list[datetime] = []
        running: str | None = None
        async with self._scene.world.collector() as collector:
            pages = collector.audit.entries(kinds=("operation-started", "operation-finished"))
            entries = [entry async for page in pages for entry in page]
        for entry in entries:
            if isinstance(entry.record, OperationFinished):
                assert entry.operation_id == running, entries
                running = None
            elif isinstance(entry.record, OperationStarted):
                assert running is None, entries
                running = entry.operation_id
                kind, _, slot = entry.record.arguments["scheduled"].partition(" ")
                assert kind == "run"
                if entry.record.what == "scan":
                    scans.append(datetime.fromisoformat(slot))
        assert running is None
        assert scans == sorted(set(scans))
        self.toll.runs = len(scans)
