"""A bit that flips in an index of the audit log hides a record: nothing is cleared away by that."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.clock import SystemClock
from s3gc_core.collection import tidy
from s3gc_core.collector import Collector
from s3gc_core.config import Mode
from s3gc_core.errors import AuditBroken, AuditIndexDamaged, ExitCode
from s3gc_core.vault import AuditLog, BackupFiles
from tests.core.judgement.controlled import rows
from tests.world import World

KEY = "gone.bin"


@pytest.fixture
async def deleted(sqlite_world: World) -> World:
    """One object was backed up and deleted."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("used", KEY):
        await world.put(key)
    world.days(10)
    await world.collect()
    world.change(mode=Mode.EXECUTE)
    return world


def flip(vault: Path, index: str, word: bytes) -> None:
    """Flip a bit of a word in the first page of an index, as a disk may."""
    file = vault / "audit.db"
    with closing(sqlite3.connect(file)) as log:
        log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        [(page,)] = log.execute(query, (index,))
        [(size,)] = log.execute("PRAGMA page_size")
    data = bytearray(file.read_bytes())
    at = data.index(word, (page - 1) * size, page * size)
    data[at + len(word) - 1] ^= 1
    file.write_bytes(data)


def backups(vault: Path) -> set[Path]:
    return {path for path in (vault / "backups").rglob("*") if path.suffix in {".tar", ".bin"}}


@pytest.mark.parametrize("index", ["audit_by_folder", "audit_by_key"])
async def test_nothing_is_cleared_away_by_a_damaged_index(deleted: World, index: str) -> None:
    world, vault = deleted, deleted.config.vault_path
    kept = backups(vault)
    assert kept
    [operation] = (path.name for path in (vault / "backups").iterdir())
    flip(vault, index, operation.encode() if index == "audit_by_folder" else KEY.encode())
    async with world.collector() as collector:
        with pytest.raises(AuditIndexDamaged, match=index) as refused:
            await collector.purge(older_than_days=9999, dry_run=False)
        assert refused.value.exit_code is ExitCode.BLOCKED
        assert "vault audit reindex" in refused.value.next_step
        with pytest.raises(AuditIndexDamaged):
            await collector.audit.verify()
        assert backups(vault) == kept
    assert await Collector.remake_log_indexes(world.config, clock=world.clock) > 5
    done = await world.restore(KEY)
    assert (done.outcome, done.counts) == ("done", {"restored": 1})
    async with world.collector() as collector:
        assert await collector.audit.verify() > 5
        await collector.purge(older_than_days=9999, dry_run=False)
    assert backups(vault) == kept


async def test_tidying_after_a_crash_looks_at_the_indexes_first(deleted: World) -> None:
    world, vault = deleted, deleted.config.vault_path
    kept = backups(vault)
    [operation] = (path.name for path in (vault / "backups").iterdir())
    flip(vault, "audit_by_folder", operation.encode())
    async with world.collector() as collector:
        with pytest.raises(AuditIndexDamaged):
            await tidy(collector.audit, BackupFiles(vault), operation)
    assert backups(vault) == kept


async def test_a_log_whose_records_are_broken_is_not_mended_by_its_indexes(
    deleted: World, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(deleted.config.vault_path, copy)
    audit = await AuditLog.open(copy, SystemClock())
    await audit.close()
    flip(copy, "audit", KEY.encode())
    deleted.change(vault_path=copy)
    with pytest.raises((AuditBroken, AuditIndexDamaged)):
        await Collector.remake_log_indexes(deleted.config, clock=deleted.clock)
