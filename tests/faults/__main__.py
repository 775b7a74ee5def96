"""`python -m tests.faults --kills 1000 --seed 1 [--seconds 900] [--encrypted]`: until it is full.
`python -m tests.faults --power-cuts 100 --seed 1 ...`: as root; see `tests.faults.power`.

Kills, in turn: at every system call of an execution and of a restore that writes (strace), at
the named steps, and at random instants; errors of the disk (EIO, ENOSPC, short writes) besides.
After each the witness looks; each plan is gone on with to its end, and restored. First the
negative controls: the witness has to notice a wrong order. Ends with 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import power
from tests.faults.children import Ended
from tests.faults.disk import NoDisk
from tests.faults.ground import Ground
from tests.faults.oracle import PromiseBroken
from tests.faults.place import Place, running_place
from tests.faults.test_execution_killed import NAMED
from tests.faults.traced import CALLS, Injected, run_traced

CONTROLS = (
    ("delete-before-commit", "audit-append:before:3"),
    ("record-before-rename", "rename:before:1"),
    ("record-before-pack", "pack-sync:before:4"),
)
# What the disk may answer instead of doing its work; a short write is half a block.
TROUBLE = (
    *(Injected(call, 1, "error=EIO") for call in ("write", "fsync", "fdatasync", "pwrite64")),
    *(Injected(call, 1, "error=ENOSPC") for call in ("write", "pwrite64", "openat", "mkdirat")),
    Injected("write", 1, "retval=100"),
)
# strace slows a process down severalfold, so it does not take most of the kills.
KINDS = ("call", "named", "random", "trouble")
WEIGHTS = (5, 7, 9, 1)
NAMED_FAULTS = [chain[0] for chain in NAMED]


class Enough(Exception):
    """The number, or the time, is full."""


@dataclass(slots=True)
class Kills:
    """A run: how many kills by kind, and how processes ended that had trouble with the disk."""

    ground: Ground
    folder: Path
    chance: random.Random
    wanted: int
    deadline: float
    once: float
    fired: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    restoring: bool = False
    storing_once: bool = False
    while_once: int = 0

    @property
    def kills(self) -> int:
        return self.fired.total()

    async def run(self) -> None:
        """Plans, one after the other, until it is enough."""
        sizes = await self._sizes()
        points = {
            what: [Injected(call, n) for call in CALLS for n in range(1, calls[call] + 1)]
            for what, calls in sizes.items()
        }
        sys.stdout.write(f"system calls: { {what: len(all_) for what, all_ in points.items()} }\n")
        for of in points.values():
            self.chance.shuffle(of)
        while True:
            # Stored once, the bytes of all but the first round are there already.
            self.storing_once = self.chance.random() < self.once
            self.ground.store_once(self.storing_once)
            await self.ground.begin_round()
            self.restoring = False
            await self._until_done("execute", self.ground.execution, points["execute"])
            await self.ground.finish_execution()
            self.restoring = True
            await self._until_done("restore", self.ground.restoring, points["restore"])
            await self.ground.finish_restore()

    async def end(self) -> None:
        """Go on with what was interrupted, to its end."""
        if self.restoring:
            await self.ground.finish_restore()
        else:
            await self.ground.end_round()

    async def _sizes(self) -> dict[str, Counter[str]]:
        """How many of each call a whole life makes."""
        await self.ground.begin_round()
        sizes: dict[str, Counter[str]] = {}
        for what, argv in (
            ("execute", self.ground.execution),
            ("restore", self.ground.restoring),
        ):
            ended, calls, _ = await run_traced(self.ground.children, argv, self.folder, None)
            assert ended.returncode == 0, ended.diagnostics
            sizes[what] = calls
        return sizes

    async def _until_done(self, what: str, argv: tuple[str, ...], points: list[Injected]) -> None:
        """Kill it again and again until it comes to its end."""
        for _ in range(40):
            if self.kills >= self.wanted or time.monotonic() > self.deadline:
                raise Enough
            name, ended, fired = await self._one(what, argv, points)
            await self._look(name)
            if not ended.killed and fired:
                self.trouble[f"{name} ended with {ended.returncode}"] += 1
            if ended.killed:
                self.fired[f"{what}, {name}"] += 1
                self.while_once += self.storing_once
            elif not fired:
                self.missed += 1
            if ended.returncode == 0 or ended.returncode == 3:
                return

    async def _one(
        self, what: str, argv: tuple[str, ...], points: list[Injected]
    ) -> tuple[str, Ended, bool]:
        children = self.ground.children
        kind = self.chance.choices(KINDS, WEIGHTS)[0]
        if kind == "named" and what == "execute":
            ended = await children.run(*argv, fault=self.chance.choice(NAMED_FAULTS))
            return "a named step", ended, ended.killed
        if kind == "random":
            ended = await children.run(*argv, kill_after=self.chance.uniform(0.02, 0.8))
            return "a random instant", ended, ended.killed
        if kind == "trouble":
            chosen = self.chance.choice(TROUBLE)
            # Not the very first: an operation whose first record fails has an end without a start.
            injected = Injected(chosen.call, self.chance.randint(15, 40), chosen.what)
            ended, _, fired = await run_traced(children, argv, self.folder, injected)
            return f"{injected.call} {injected.what}", ended, fired
        # Each once before any twice.
        injected = points.pop()
        points.insert(0, injected)
        ended, _, fired = await run_traced(children, argv, self.folder, injected)
        return f"at {injected.call}", ended, fired

    async def _look(self, name: str) -> None:
        try:
            await self.ground.after_kill()
        except PromiseBroken as broken:
            broken.add_note(f"after {name}, kill {self.kills}")
            raise


async def run_kills(chosen: argparse.Namespace) -> int:
    """Run it all; 1 where a promise was broken."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with running_place(folder) as place:
            for wrong, fault in CONTROLS:
                async with await _ground(place, folder / wrong) as made:
                    await _control(made, wrong, fault)
            async with await _ground(place, folder / "kills") as made:
                if chosen.encrypted:
                    made.encrypt()
                chance = random.Random(chosen.seed)
                until = began + chosen.seconds
                kills = Kills(made, folder, chance, chosen.kills, until, chosen.once)
                try:
                    await kills.run()
                except Enough:
                    await kills.end()
                except PromiseBroken as broken:
                    _tell(broken)
                    return 1
                finally:
                    _report(kills, time.monotonic() - began, chosen.seed)
    return 0


async def run_cuts(chosen: argparse.Namespace) -> int:
    """First what is wrong on purpose; 1 where that is not noticed, or a promise was broken."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with running_place(folder) as place:
            cuts = power.Cuts(
                place,
                folder,
                random.Random(chosen.seed),
                NAMED_FAULTS,
                chosen.power_cuts,
                began + chosen.seconds,
                chosen.once,
                chosen.encrypted,
            )
            unnoticed = [wrong for wrong in power.CONTROLS if not await cuts.control(wrong)]
            try:
                await cuts.run()
            except PromiseBroken as broken:
                _tell(broken)
                return 1
            finally:
                power.report(cuts, time.monotonic() - began, chosen.seed)
    return 1 if unnoticed else 0


def _tell(broken: PromiseBroken) -> None:
    sys.stdout.write(f"BROKEN: {broken} {getattr(broken, '__notes__', '')}\n")


async def _control(ground: Ground, wrong: str, fault: str) -> None:
    await ground.begin_round()
    ended = await ground.children.run(*ground.execution, fault=fault, wrong=wrong)
    assert ended.killed, f"did not fire: {wrong}"
    with pytest.raises(PromiseBroken) as broken:
        await ground.after_kill()
    sys.stdout.write(f"control {wrong}: {str(broken.value)[:90]}\n")


async def _ground(place: Place, folder: Path) -> AbstractAsyncContextManager[Ground]:
    return await place.ground(folder, folder / "vault")


def _report(kills: Kills, seconds: float, seed: int) -> None:
    sys.stdout.write(f"{kills.kills} kills in {seconds:.0f} s, seed {seed}\n")
    for counts in (kills.fired, kills.trouble):
        sys.stdout.writelines(f"  {count:5} {name}\n" for name, count in sorted(counts.items()))
    sys.stdout.write(f"  {kills.while_once:5} of them while equal bytes were stored once\n")
    sys.stdout.write(f"  {kills.missed:5} came to their end before the kill\n")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--power-cuts", type=int, default=0, help="these instead of kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="stop then, whatever was done")
    parser.add_argument("--encrypted", action="store_true", help="with encryption = age")
    parser.add_argument(
        "--once",
        type=_share,
        default=0.4,
        metavar="SHARE",
        help="how many of the plans store equal bytes once (0 to 1)",
    )
    chosen = parser.parse_args()
    try:
        return asyncio.run(run_cuts(chosen) if chosen.power_cuts else run_kills(chosen))
    except NoDisk as error:
        parser.error(str(error))


def _share(said: str) -> float:
    share = float(said)
    if not 0 <= share <= 1:
        raise ValueError(said)
    return share


if __name__ == "__main__":
    sys.exit(main())
