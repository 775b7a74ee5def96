"""A log that is made anew takes its place as a whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.clock import SystemClock
from s3gc_core.errors import AuditIndexDamaged, VaultUnreachable
from s3gc_core.vault import AuditLog, PlanDecided
from s3gc_core.vault.log_rebuilding import LogRebuilding

RECORDS = 50


async def rebuilding(tmp_path: Path) -> tuple[Path, LogRebuilding]:
    source, vault = tmp_path / "source", tmp_path / "vault"
    source.mkdir()
    vault.mkdir()
    audit = await AuditLog.open(source, SystemClock())
    decided = [PlanDecided(str(n), "x" * 64, True, "me", "why") for n in range(RECORDS)]
    await audit.append("01OP", decided)
    rows = await audit.rows(0, 2 * RECORDS)
    await audit.close()
    log = LogRebuilding(vault)
    await log.begin()
    await log.add(rows)
    return vault, log


async def test_it_takes_its_place_as_a_whole(tmp_path: Path) -> None:
    vault, log = await rebuilding(tmp_path)
    await log.take_place()
    audit = await AuditLog.open(vault, SystemClock())
    assert await audit.verify() == RECORDS
    await audit.close()


async def test_what_sqlite_has_not_put_in_its_place_is_missed(tmp_path: Path) -> None:
    vault, log = await rebuilding(tmp_path)
    await log.close()
    # As a disk leaves it that became full while the file was closed.
    (vault / "audit.db.rebuilding-wal").write_bytes(b"\0" * 4096)
    with pytest.raises(VaultUnreachable, match="4096 bytes of the log"):
        await log.take_place()
    assert not (vault / "audit.db").exists()


async def test_a_torn_file_does_not_become_the_log(tmp_path: Path) -> None:
    vault, log = await rebuilding(tmp_path)
    await log.close()
    file = vault / "audit.db.rebuilding"
    file.write_bytes(file.read_bytes()[:-4096])
    with pytest.raises(AuditIndexDamaged):
        await log.take_place()
    assert not (vault / "audit.db").exists()
