"""`python -m tests.follow.child CONFIG SHIFT`: follow in a process of its own, which may be killed.

CONFIG is a file of `write_config`, SHIFT how many seconds its clock is ahead. Each event is a line
of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from s3gc_core.actions.following import FollowEvent
from s3gc_core.clock import ShiftedClock
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_tui.demo.seaweed import die_with_parent

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 120.0


def write_config(config: Config, path: Path) -> None:
    """Write a configuration as it is, for the child."""
    path.write_bytes(msgspec.json.encode(config, enc_hook=str))


def read_config(path: Path) -> Config:
    """Read it again."""

    def made(of: type[Any], value: Any) -> Any:
        return of(value)

    return msgspec.json.decode(path.read_bytes(), type=Config, dec_hook=made)


class Child:
    """A running follower. Made by `following`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[FollowEvent] = []
        self._came = asyncio.Condition()
        self._hearing = asyncio.create_task(self._hear())

    @property
    def phase(self) -> str:
        """What it told last; empty before anything."""
        return self.events[-1].event if self.events else ""

    async def until(self, *events: str, after: int = 0, seconds: float = LIMIT_SECONDS) -> None:
        """Wait until it has told one of these, after its first `after` events."""

        def told() -> bool:
            return any(e.event in events for e in self.events[after:]) or self._hearing.done()

        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(told)
        assert any(e.event in events for e in self.events[after:]), f"it ended: {self.events}"

    async def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._hearing

    async def ended(self) -> int:
        """Wait until it ends by itself; returns its exit code."""
        async with asyncio.timeout(LIMIT_SECONDS):
            code = await self._process.wait()
        await self._hearing
        return code

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._came:
                self.events.append(msgspec.json.decode(line, type=FollowEvent))
                self._came.notify_all()
        async with self._came:
            self._came.notify_all()


async def start(config: Config, folder: Path, shift: timedelta = timedelta()) -> Child:
    """Start a follower; the caller ends it."""
    path = folder / "child.json"
    write_config(config, path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.follow.child", str(path), str(shift.total_seconds())),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    return Child(process)


@asynccontextmanager
async def following(
    config: Config, folder: Path, shift: timedelta = timedelta()
) -> AsyncIterator[Child]:
    """A follower meanwhile; at the end it is killed."""
    child = await start(config, folder, shift)
    try:
        yield child
    finally:
        await child.kill()


async def _follow(config: Config, shift: float) -> None:
    def told(event: FollowEvent) -> None:
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()

    clock = ShiftedClock(timedelta(seconds=shift))
    async with Collector.open(config, clock=clock) as collector:
        await collector.follow(told)


if __name__ == "__main__":
    asyncio.run(_follow(read_config(Path(sys.argv[1])), float(sys.argv[2])))
