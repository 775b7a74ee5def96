"""Power cuts: the vault's disk as it is at an instant, without what was not synced by then.

A process is stopped at an instant, its disk is copied, it is killed, and everything goes on from
the copy, with the bucket as it is. So each object that is gone from the bucket has to be in the
vault of the copy; what comes next has to finish there. One cut for each process, at the latest
right after its end: what it said it did is done.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk import Disk, contents, mounted, until_all_stopped
from tests.faults.ground import Ground
from tests.faults.oracle import PromiseBroken, Seen
from tests.faults.place import Place

# Wrong on purpose (failpoints.WRONGS): without these the method proves nothing.
CONTROLS = ("pack-not-synced", "files-not-synced", "log-not-synced")
OF_EACH = 5
# Plans on one disk: copies stay small.
ROUNDS = 6
# The share of plans before which a scan is cut short, and of those cut after their approval.
ELSEWHERE = 0.5
# A step of a restore at which it may stop; those of an execution are the kill tests' own.
OF_RESTORE = ("put:after:3", "put:before:7", "audit-append:after:2", "audit-append:after:4")


@dataclass(slots=True)
class Cuts:
    """A run: its cuts by what was going on, and how many took bytes away."""

    place: Place
    folder: Path
    chance: random.Random
    named: list[str]
    wanted: int
    deadline: float
    once: float
    encrypted: bool
    done: Counter[str] = field(default_factory=Counter)
    lossy: int = 0
    after_deletes: int = 0
    grounds: int = 0
    # Of a whole execution: what is resumed takes less, so that some come to their end.
    seconds: float = 0.0

    async def run(self) -> None:
        """Plans, one after the other, on one disk after the other, until it is enough."""
        while not self._is_enough():
            async with self._ground() as (ground, disk):
                await ground.begin_round()
                self.seconds = await ground.finish_execution()
                await ground.finish_restore()
                for _ in range(ROUNDS):
                    ground.store_once(self.chance.random() < self.once)
                    if self.chance.random() < ELSEWHERE:
                        await self._cut_and_look(ground, disk, "scan", ("scan",), None)
                    await ground.begin_round()
                    if self.chance.random() < ELSEWHERE:
                        await asyncio.to_thread(disk.copy)
                        await self._go_on(ground, disk, "plan, after its approval")
                    await self._until_done(ground, disk, "execute")
                    await ground.finish_execution()
                    await self._until_done(ground, disk, "restore")
                    await ground.finish_restore()
                    if self._is_enough():
                        return

    def _is_enough(self) -> bool:
        return self.done.total() >= self.wanted or time.monotonic() > self.deadline

    async def control(self, wrong: str) -> int:
        """Cut the power of processes that are wrong on purpose; how often it was noticed."""
        noticed = 0
        for number in range(OF_EACH):
            async with self._ground() as (ground, disk):
                await ground.begin_round()
                fault = f"delete:after:{2 + number}:SIGSTOP"
                argv = ground.execution
                stopped = await self._stop(ground, disk, argv, fault, wrong=wrong)
                assert stopped, f"did not fire: {wrong}, {fault}"
                await asyncio.to_thread(disk.cut)
                try:
                    await look(ground)
                except PromiseBroken as broken:
                    noticed += 1
                    said = str(broken)[:90]
        sys.stdout.write(f"control {wrong}: {noticed} of {OF_EACH} noticed")
        sys.stdout.write(f", the last: {said}\n" if noticed else "\n")
        return noticed

    @asynccontextmanager
    async def _ground(self) -> AsyncIterator[tuple[Ground, Disk]]:
        self.grounds += 1
        folder = self.folder / f"power-{self.grounds}"
        folder.mkdir()
        with mounted(folder) as disk:
            async with await self.place.ground(folder, disk.point / "vault") as ground:
                if self.encrypted:
                    ground.encrypt()
                disk.sync()
                yield ground, disk

    async def _until_done(self, ground: Ground, disk: Disk, what: str) -> None:
        """Cut the power again and again until the work comes to its end."""
        argv, named = (
            (ground.execution, self.named) if what == "execute" else (ground.restoring, OF_RESTORE)
        )
        for _ in range(40):
            if self._is_enough():
                return
            fault = f"{self.chance.choice(named)}:SIGSTOP" if self.chance.random() < 0.5 else None
            if not await self._cut_and_look(ground, disk, what, argv, fault):
                return

    async def _cut_and_look(
        self, ground: Ground, disk: Disk, what: str, argv: tuple[str, ...], fault: str | None
    ) -> bool:
        """Whether the process was at work still; if not, the power goes right after its end."""
        working = await self._stop(ground, disk, argv, fault)
        when = "after its end"
        if working:
            when = "at a named step" if fault else "at a random instant"
        await self._go_on(ground, disk, f"{what}, {when}")
        return working

    async def _stop(
        self,
        ground: Ground,
        disk: Disk,
        argv: tuple[str, ...],
        fault: str | None,
        *,
        wrong: str | None = None,
    ) -> bool:
        """Keep the disk as it is at a step, or at random, and end the process; False where it had
        ended before.
        """
        running, ending = await ground.children.begin(*argv, fault=fault, wrong=wrong)
        try:
            if fault is None:
                await asyncio.wait([ending], timeout=self.chance.uniform(0.02, self.seconds))
                if not ending.done():
                    running.send(signal.SIGSTOP)
            working = await until_all_stopped(running, ending)
            await asyncio.to_thread(disk.copy)
        finally:
            if not ending.done():
                running.send(signal.SIGKILL)
            await ending
        return working

    async def _go_on(self, ground: Ground, disk: Disk, when: str) -> None:
        """The disk is as it was kept. The witness looks."""
        before = await asyncio.to_thread(contents, disk.point)
        await asyncio.to_thread(disk.cut)
        self.lossy += before != await asyncio.to_thread(contents, disk.point)
        self.done[when] += 1
        try:
            seen = await look(ground)
        except PromiseBroken as broken:
            broken.add_note(f"{when}, cut {self.done.total()}")
            raise
        self.after_deletes += seen.only_in_vault > 0


async def look(ground: Ground) -> Seen:
    """The witness looks; a log that SQLite cannot read is a promise broken too."""
    try:
        return await ground.after_kill()
    except sqlite3.DatabaseError as error:
        raise PromiseBroken(f"the audit log cannot be read: {error}") from error


def report(cuts: Cuts, seconds: float, seed: int) -> None:
    """What was done, on standard output."""
    sys.stdout.write(f"{cuts.done.total()} power cuts in {seconds:.0f} s, seed {seed}\n")
    sys.stdout.writelines(f"  {count:5} {name}\n" for name, count in sorted(cuts.done.items()))
    sys.stdout.write(f"  {cuts.lossy:5} of them took away bytes that a reader had seen\n")
    sys.stdout.write(f"  {cuts.after_deletes:5} of them with objects in the vault only\n")
