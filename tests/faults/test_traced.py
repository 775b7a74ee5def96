"""A small sample of `python -m tests.faults`: faults at system calls, and that they fired."""

from __future__ import annotations

from pathlib import Path

from tests.faults.ground import Ground
from tests.faults.traced import Injected, run_traced


async def test_killed_at_system_calls_and_a_disk_that_is_full(
    ground: Ground, tmp_path: Path
) -> None:
    await ground.begin_round()
    for injected in (Injected("fdatasync", 2), Injected("pwrite64", 40)):
        ended, _, fired = await run_traced(ground.children, ground.execution, tmp_path, injected)
        assert fired, f"did not fire: {injected}"
        assert ended.killed
        await ground.after_kill()
    full = Injected("mkdirat", 1, "error=ENOSPC")
    ended, calls, fired = await run_traced(ground.children, ground.execution, tmp_path, full)
    assert fired, calls
    assert not ended.killed
    assert (ended.returncode, ended.summary["outcome"]) == (3, "blocked")
    await ground.after_kill()
    await ground.finish_execution()
