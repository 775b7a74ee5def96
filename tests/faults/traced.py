"""Faults at system calls: strace on a child that waits for it, and proof that they fired.

What strace 6.1 does (notes on the vault, section 5): `when=N` counts for each thread by itself, a
kill lands before the call, and with --seccomp-bpf signals are silently not injected.
"""

from __future__ import annotations

import asyncio
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.faults.children import Children, Ended, until_stopped

# The calls by which anything reaches the disk, or a name on it.
CALLS = (
    *("write", "pwrite64", "fdatasync", "fsync", "rename", "renameat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "openat", "ftruncate", "fchmod", "writev"),
)
LIMIT_SECONDS = 60
_FIRED = re.compile(r"\(INJECTED\)")


@dataclass(frozen=True, slots=True)
class Injected:
    """What `strace -e inject=` is told: of which call which one, and what becomes of it."""

    call: str
    number: int
    what: str = "signal=KILL"

    def __str__(self) -> str:
        return f"{self.call}:{self.what}:when={self.number}"


async def run_traced(
    children: Children, argv: tuple[str, ...], folder: Path, injected: Injected | None
) -> tuple[Ended, Counter[str], bool]:
    """Run a job under strace: how it ended, its calls by name, and whether the fault fired."""
    running, ending = await children.begin(*argv, fault="audit-append:before:1:SIGSTOP")
    await until_stopped(running.pid)
    log = folder / "strace.log"
    log.unlink(missing_ok=True)
    chosen = ("-e", f"inject={injected}") if injected else ()
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *chosen),
        *("-p", str(running.pid)),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        await _until_traced(running.pid)
        running.send(signal.SIGCONT)
        async with asyncio.timeout(LIMIT_SECONDS):
            ended = await ending
            await tracer.communicate()
    finally:
        if tracer.returncode is None:
            tracer.kill()
            await tracer.wait()
    told = log.read_text(errors="replace")
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", told, re.MULTILINE))
    return ended, calls, ended.killed or bool(_FIRED.search(told))


async def _until_traced(pid: int) -> None:
    """Poll until the tracer has the process, and all its threads with it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LIMIT_SECONDS
    while True:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        if all("TracerPid:\t0" not in status for status in tasks):
            return
        assert loop.time() < deadline, "strace did not attach"
        await asyncio.sleep(0.005)
