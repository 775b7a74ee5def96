"""The parts of the power cuts that need no root; `python -m tests.faults --power-cuts N` does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults import power
from tests.faults.disk import NoDisk, contents, mounted, until_all_stopped
from tests.faults.failpoints import WRONGS, Fault
from tests.faults.ground import Ground
from tests.faults.test_execution_killed import NAMED


def test_without_root_there_is_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and nothing is run without the file system that the cuts are about."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NoDisk, match="root"), mounted(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_contents_differ_by_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a", "below/b", "audit.db-shm"):
        (tmp_path / name).write_bytes(b"bytes")
    before = contents(tmp_path)
    assert set(before) == {"a", "below/b"}
    # A size that reached the disk before its bytes did.
    (tmp_path / "a").write_bytes(bytes(5))
    assert {name for name, of in contents(tmp_path).items() if before[name] != of} == {"a"}
    (tmp_path / "a").unlink()
    assert set(contents(tmp_path)) == {"below/b"}


def test_every_control_and_every_step_is_there() -> None:
    assert set(power.CONTROLS) < set(WRONGS)
    for fault in (*power.OF_RESTORE, *(chain[0] for chain in NAMED)):
        assert Fault(f"{fault}:SIGSTOP").signal is signal.SIGSTOP


async def test_a_process_is_stopped_as_a_whole_or_has_ended(ground: Ground) -> None:
    fault = "audit-append:before:2:SIGSTOP"
    running, ending = await ground.children.begin("scan", fault=fault)
    assert await until_all_stopped(running, ending)
    assert not ending.done()
    running.send(signal.SIGCONT)
    assert not await until_all_stopped(running, ending)
    assert (await ending).returncode == 0
