"""The folder of an operation after its end: what is recorded stays, and nothing else does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from s3gc_core.clock import SystemClock
from s3gc_core.collection import tidy
from s3gc_core.errors import VaultFull
from s3gc_core.vault import AuditLog, BackupFiles, Intent, Purged, StoredBackup, packs
from s3gc_core.vault.places import write_all
from tests.core.collection.backups import intent
from tests.core.collection.test_refusals import approved_plan
from tests.world import World

OPERATION = "01K0000000000000000000000A"


@pytest.fixture
async def files(tmp_path: Path) -> BackupFiles:
    made = BackupFiles(tmp_path)
    await made.create_operation(OPERATION)
    return made


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = await AuditLog.open(tmp_path, SystemClock())
    yield log
    await log.close()


async def settled(files: BackupFiles, *keys: str, size: int = 900) -> list[Intent]:
    """Backups that are durable and not yet recorded."""
    written = []
    for key in keys:
        writer = files.open_writer(OPERATION, key, 3, size)
        writer.write(os.urandom(size))
        written.append(writer.close())
    found = await files.settle(OPERATION, written)
    return [with_backup(key, backup) for key, backup in zip(keys, found, strict=True)]


def with_backup(key: str, backup: StoredBackup) -> Intent:
    made = intent(key)
    return Intent(key, made.etag, None, backup.raw_size, made.last_modified, made.headers, backup)


def sizes(vault: Path) -> dict[str, int]:
    """Files of backups, the manifest left out."""
    found = (vault / "backups" / OPERATION).iterdir()
    return {p.name: p.stat().st_size for p in found if p.name != "manifest.jsonl"}


def listed(vault: Path) -> list[dict[str, Any]]:
    text = (vault / "backups" / OPERATION / "manifest.jsonl").read_bytes()
    return [msgspec.json.decode(line) for line in text.splitlines()]


def end_of(one: Intent) -> int:
    assert one.backup.offset is not None
    return one.backup.offset + -(-one.backup.stored_size // 512) * 512


async def test_what_no_record_names_goes(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    recorded = await settled(files, "a", "b")
    (large,) = await settled(files, "large", size=200_000)
    await audit.append(OPERATION, [*recorded, large])
    await settled(files, "lost", "and lost too")
    await settled(files, "large and lost", size=200_000)
    with (tmp_path / recorded[0].backup.path).open("ab") as pack:
        pack.write(b"torn")
    assert await tidy(audit, files, OPERATION) == 1
    whole = {
        "pack-000001.tar": end_of(recorded[1]) + 1_024,
        Path(large.backup.path).name: 200_000,
    }
    assert sizes(tmp_path) == whole
    for one in (*recorded, large):
        await files.verify(one.backup)
    # Once more changes nothing.
    assert await tidy(audit, files, OPERATION) == 0
    assert sizes(tmp_path) == whole


async def test_the_manifest_lists_what_is_recorded(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    recorded = await settled(files, "a", "größe", size=200)
    recorded += await settled(files, "large", size=200_000)
    await audit.append(OPERATION, recorded)
    await settled(files, "lost")
    folder = tmp_path / "backups" / OPERATION
    (folder / "manifest.jsonl.part").write_bytes(b"half of ")
    assert await tidy(audit, files, OPERATION) == 1
    lines = {line["key"]: line for line in listed(tmp_path)}
    assert lines.keys() == {"a", "größe", "large"}
    assert len(listed(tmp_path)) == 3
    for one in recorded:
        expected = msgspec.to_builtins(one)
        place = msgspec.structs.asdict(one.backup)
        line = lines[one.key]
        assert {name: line[name] for name in place} == place
        assert line["headers"] == expected["headers"]
        assert (line["etag"], line["version_id"]) == (one.etag, None)
    assert (folder / "manifest.jsonl").stat().st_mode & 0o777 == 0o600
    assert not (folder / "manifest.jsonl.part").exists()
    # Written once; again only where it is missing, or no longer right.
    (folder / "manifest.jsonl").write_bytes(b"")
    await tidy(audit, files, OPERATION)
    assert listed(tmp_path) == []
    await audit.append(OPERATION, [Purged("a", OPERATION, recorded[0].backup.path, "", 200)])
    await tidy(audit, files, OPERATION, changed=True)
    assert [line["key"] for line in listed(tmp_path)] == ["größe", "large"]
    (folder / "manifest.jsonl").unlink()
    await tidy(audit, files, OPERATION)
    assert [line["key"] for line in listed(tmp_path)] == ["größe", "large"]


async def test_a_pack_without_a_record_goes(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    await settled(files, "lost")
    assert await tidy(audit, files, OPERATION) == 1
    assert sizes(tmp_path) == {}


async def test_a_pack_stays_as_long_as_one_record_needs_it(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    recorded = await settled(files, "a", "b", "c")
    await audit.append(OPERATION, recorded)
    size = end_of(recorded[-1]) + 1_024
    for one in (recorded[2], recorded[0]):
        await audit.append(OPERATION, [Purged(one.key, OPERATION, one.backup.path, "", 900)])
        assert await tidy(audit, files, OPERATION) == 0
        assert sizes(tmp_path) == {"pack-000001.tar": size}
        await files.verify(recorded[1].backup)
    last = recorded[1]
    await audit.append(OPERATION, [Purged(last.key, OPERATION, last.backup.path, "", 900)])
    assert await tidy(audit, files, OPERATION) == 2  # the pack and the manifest
    assert list((tmp_path / "backups" / OPERATION).iterdir()) == []


async def test_what_the_disk_kept_wrongly_is_not_deleted(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the read-back can see it: every write and sync was confirmed."""
    plan_id = await approved_plan(sqlite_world)
    # Each has bytes of its own in the pack, of which only the first ones rot.
    sqlite_world.change(deduplicate=False)

    def rotten(descriptor: int, data: bytes) -> None:
        bad = bytearray(data)
        if (body := data.find(b"some bytes")) >= 0:
            bad[body] ^= 1
        write_all(descriptor, bytes(bad))

    monkeypatch.setattr(packs, "write_all", rotten)
    executed = await sqlite_world.execute(plan_id)
    assert executed.counts == {"deleted": 1, "failed": 1}
    assert await sqlite_world.keys() == {"a"}
    assert (await sqlite_world.restore("b")).counts == {"restored": 1}


async def test_a_folder_that_a_full_disk_left_untidy_is_tidied_by_the_next_operation(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation said how it ended, so it is none that died without a word."""
    plan_id = await approved_plan(sqlite_world)

    async def full(*_: object) -> None:
        await asyncio.sleep(0)
        raise VaultFull("no room for the manifest")

    with monkeypatch.context() as patch:
        patch.setattr(BackupFiles, "write_manifest", full)
        with pytest.raises(VaultFull, match="no room for the manifest"):
            await sqlite_world.execute(plan_id)
    [folder] = (sqlite_world.config.vault_path / "backups").iterdir()
    assert not (folder / "manifest.jsonl").exists()
    await sqlite_world.scan()
    lines = (folder / "manifest.jsonl").read_bytes().splitlines()
    assert {msgspec.json.decode(line)["key"] for line in lines} == {"a", "b"}
