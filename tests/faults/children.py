"""Processes that work and die: each job in a fresh one, forked from a parent that only imports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from s3gc_tui.demo.seaweed import die_with_parent

ROOT = Path(__file__).parents[2]
# Far more than any job takes: a child that hangs is a failure of its own.
LIMIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its return code, its lines, and seconds from its start to its end."""

    returncode: int
    lines: list[dict[str, object]]
    diagnostics: str
    seconds: float = 0.0

    @property
    def killed(self) -> bool:
        return self.returncode == -signal.SIGKILL

    @property
    def summary(self) -> dict[str, object]:
        assert self.lines, self.diagnostics
        assert [line["type"] for line in self.lines].count("summary") == 1, self.lines
        assert self.lines[-1]["type"] == "summary", self.lines
        return self.lines[-1]


class Running:
    """A child at work. Its handle (a pidfd) means this process and no later one of the same id."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def send(self, sent: signal.Signals) -> None:
        """Send it a signal; one that has ended takes no notice."""
        try:
            signal.pidfd_send_signal(self._handle, sent)
        except ProcessLookupError:
            return

    def forget(self) -> None:
        os.close(self._handle)


class Nursery:
    """The parent of the children: `async with running_nursery(folder) as nursery`."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._number = 0
        self._last: tuple[Running, asyncio.Task[Ended]] | None = None

    async def begin(
        self,
        argv: tuple[str, ...],
        *,
        batch_objects: int,
        fault: str | None = None,
        wrong: str | None = None,
    ) -> tuple[Running, asyncio.Task[Ended]]:
        """Start a job in a fresh process; the task tells how it ended. One at a time."""
        await self._end_last()
        self._number += 1
        output = self._folder / f"{self._number}.out"
        diagnostics = self._folder / f"{self._number}.err"
        job = {
            "argv": argv,
            "env": dict(os.environ),
            "fault": fault,
            "wrong": wrong,
            "batch_objects": batch_objects,
            "output": str(output),
            "diagnostics": str(diagnostics),
        }
        await self._say(json.dumps(job))
        running = Running(int(await self.hear()))
        began = asyncio.get_running_loop().time()
        await self._say("")

        async def ended() -> Ended:
            try:
                returncode = int(await self.hear())
            except TimeoutError:
                running.send(signal.SIGKILL)
                raise
            finally:
                running.forget()
            seconds = asyncio.get_running_loop().time() - began
            return Ended(
                returncode, lines_of(output.read_bytes()), diagnostics.read_text(), seconds
            )

        self._last = running, asyncio.ensure_future(ended())
        return self._last

    async def _end_last(self) -> None:
        """A test that failed may have left its child behind."""
        last, self._last = self._last, None
        if last is not None and not last[1].done():
            last[0].send(signal.SIGKILL)
            await last[1]

    async def hear(self) -> str:
        """The nursery's next answer."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            answer = await self._process.stdout.readline()
        assert answer, "the parent of the children has died"
        return answer.decode().strip()

    async def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def running_nursery(folder: Path) -> AsyncIterator[Nursery]:
    """Start the parent; its children's output goes to files in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.child"),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        nursery = Nursery(process, folder)
        assert await nursery.hear() == "ready"
        yield nursery
    finally:
        process.kill()
        await process.communicate()


class Children:
    """The children of one test: one configuration, small batches."""

    def __init__(self, nursery: Nursery, config: Path, batch_objects: int) -> None:
        self._nursery = nursery
        self._config = config
        self._batch_objects = batch_objects

    async def begin(
        self, *argv: str, fault: str | None = None, wrong: str | None = None
    ) -> tuple[Running, asyncio.Task[Ended]]:
        """Start a job; see `Nursery.begin`."""
        where = ("--config", str(self._config), *argv)
        return await self._nursery.begin(
            where, batch_objects=self._batch_objects, fault=fault, wrong=wrong
        )

    async def run(
        self,
        *argv: str,
        fault: str | None = None,
        wrong: str | None = None,
        kill_after: float | None = None,
    ) -> Ended:
        """Run a job; with `kill_after` (seconds) it is killed unless it has ended before."""
        running, ending = await self.begin(*argv, fault=fault, wrong=wrong)
        if kill_after is not None:
            await asyncio.wait([ending], timeout=kill_after)
            if not ending.done():
                running.send(signal.SIGKILL)
        return await ending


async def until_stopped(pid: int) -> None:
    """Poll until a process has stopped itself."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LIMIT_SECONDS
    stat = Path(f"/proc/{pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        assert loop.time() < deadline, "the process did not stop itself"
        await asyncio.sleep(0.01)


async def run_s3gc(*argv: str, config: Path) -> Ended:
    """The command line as it is, with the real clock."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "s3gc_tui", "--batch", "--config", str(config), *argv),
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            output, diagnostics = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, lines_of(output), diagnostics.decode())


def lines_of(output: bytes) -> list[dict[str, object]]:
    """What was said; a line that a kill cut short is none."""
    whole = output[: output.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]
