"""`s3gc demo --batch`: the whole life of objects, and nothing left behind however it ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.tui.command_line import CommandLine, Ran, Record, ended

SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Weed:
    """The demo's S3 server, as the kernel shows it."""

    pid: int
    ports: frozenset[str]

    def left_behind(self, before: set[str]) -> list[str]:
        """What should have gone with it: the process, and its sockets outside of our folder."""
        new = sockets() - before
        left = [name for name in new if re.findall(r"\d+", name)[-1] in self.ports]
        return left + ([f"process {self.pid}"] if Path(f"/proc/{self.pid}").exists() else [])


def sockets() -> set[str]:
    """weed's sockets: they are always in /tmp, whatever TMPDIR says."""
    return {path.name for path in Path("/tmp").glob("seaweedfs-*.sock")}  # noqa: S108


def weed_of(demo: asyncio.subprocess.Process) -> Weed | None:
    """The weed child of a running demo, once there is one."""
    for child in Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        if Path(words[0]).name == "weed":
            ports = {word.rpartition("=")[2] for word in words if ".port=" in word}
            grpc = {str(int(port) + 10_000) for port in ports if port != "0"}
            return Weed(int(child), frozenset(ports | grpc))
    return None


async def until_step(demo: asyncio.subprocess.Process, step: str) -> list[Record]:
    """Read the demo's lines up to this step."""
    assert demo.stdout is not None
    records: list[Record] = []
    while not records or records[-1].get("step") != step:
        line = await demo.stdout.readline()
        assert line, records
        records.append(json.loads(line))
    return records


async def interrupted(demo: asyncio.subprocess.Process) -> Ran:
    demo.send_signal(signal.SIGINT)
    return await ended(demo)


async def test_the_whole_life(alone: CommandLine) -> None:
    before = sockets()
    demo = await alone.start("demo", "--batch")
    async with asyncio.timeout(SECONDS):
        [world] = await until_step(demo, "world")
        weed = weed_of(demo)
        ran = await ended(demo)
    assert weed is not None
    assert (ran.code, ran.summary["outcome"]) == (0, "done")
    steps = [record["step"] for record in ran.of("demo")]
    assert steps == [
        *["scanned", "approved", "executed", "restored key", "restored operation", "verified"]
    ]
    said = ran.summary
    assert said["orphans"] == said["deleted"] == said["restored"] > 0
    assert said["listed"] == said["identical"] == world["objects"]
    verdicts = [record["verdict"] for record in ran.of("candidate")]
    assert verdicts.count("orphan") == said["orphans"]
    assert set(verdicts) == {"orphan", "keep"}
    assert weed.left_behind(before) == []
    assert list(alone.temporary.iterdir()) == []
    assert [path.name for path in alone.folder.iterdir()] == ["tmp"]


async def test_interrupted_in_the_middle_of_the_execution(alone: CommandLine) -> None:
    before = sockets()
    demo = await alone.start("demo", "--batch")
    async with asyncio.timeout(SECONDS):
        await until_step(demo, "approved")
        weed = weed_of(demo)
        ran = await interrupted(demo)
    assert weed is not None
    assert (ran.code, ran.summary["outcome"]) == (130, "cancelled")
    assert weed.left_behind(before) == []
    assert list(alone.temporary.iterdir()) == []


async def test_interrupted_while_the_server_starts(alone: CommandLine) -> None:
    before = sockets()
    demo = await alone.start("demo", "--batch")
    async with asyncio.timeout(SECONDS):
        while (weed := weed_of(demo)) is None:
            assert demo.returncode is None
            await asyncio.sleep(0.01)
        ran = await interrupted(demo)
    assert (ran.code, ran.summary["outcome"]) == (130, "cancelled")
    assert weed.left_behind(before) == []
    assert list(alone.temporary.iterdir()) == []


async def test_by_hand_it_needs_a_terminal(alone: CommandLine) -> None:
    ran = await alone("demo")
    assert (ran.code, ran.stdout) == (2, b"")
    assert "--batch" in ran.complaints
    assert list(alone.temporary.iterdir()) == []
