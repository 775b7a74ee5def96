"""Which copies may stand for new backups: real files and a real log, no bucket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from s3gc_core.clock import SystemClock
from s3gc_core.collection import tidy
from s3gc_core.collection.deduplication import Deduplication, content_of, twins_of
from s3gc_core.vault import AuditLog, BackupFiles, HeldBackup, Intent, Purged, StoredBackup, links
from tests.core.collection.backups import intent
from tests.core.vault.builders import LATER, OPERATION, names_in, noise

SMALL, LARGE = noise(900), noise(200_000)
IN_A_PACK = StoredBackup("backups/a/pack-000001.tar", "raw", 3, "r" * 64, 3, "s" * 64, 1_024, "m")


@pytest.fixture
async def files(tmp_path: Path) -> BackupFiles:
    made = BackupFiles(tmp_path)
    await made.create_operation(OPERATION)
    await made.create_operation(LATER)
    return made


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = await AuditLog.open(tmp_path, SystemClock())
    yield log
    await log.close()


def looking(audit: AuditLog, files: BackupFiles) -> Deduplication:
    return Deduplication(audit, files, asyncio.Semaphore(4))


def closed(files: BackupFiles, operation_id: str, key: str, body: bytes) -> StoredBackup:
    writer = files.open_writer(operation_id, key, 3, len(body))
    writer.write(body)
    return writer.close()


def of_backup(key: str, backup: StoredBackup) -> Intent:
    return msgspec.structs.replace(intent(key), key=key, size=backup.raw_size, backup=backup)


async def recorded(files: BackupFiles, audit: AuditLog, key: str, body: bytes) -> StoredBackup:
    """A backup of the first operation."""
    [backup] = await files.settle(OPERATION, [closed(files, OPERATION, key, body)])
    await audit.append(OPERATION, [of_backup(key, backup)])
    return backup


@pytest.mark.parametrize(
    "changes",
    [{"codec": "zstd"}, {"raw_size": 4}, {"raw_sha256": "q" * 64}, {"offset": None}],
)
def test_only_the_same_content_can_stand_for_another(changes: dict[str, object]) -> None:
    other = msgspec.structs.replace(IN_A_PACK, **changes)
    assert content_of(other) != content_of(IN_A_PACK)


def test_where_and_how_it_is_stored_is_not_the_content() -> None:
    other = StoredBackup("x", "raw", 3, "r" * 64, 9, "t" * 64, 512, "n", reused=True)
    assert content_of(other) == content_of(IN_A_PACK)
    held = HeldBackup("a", "raw", 3, "r" * 64, 9, "t" * 64, key="k", data=b"")
    assert content_of(held) == content_of(IN_A_PACK)


def test_a_field_that_is_added_later_has_to_be_equal() -> None:
    """Another fidelity or encryption is another content, without a word about it here."""
    known = {"codec", "raw_size", "raw_sha256"}
    of_the_place = {"path", "offset", "member", "stored_size", "stored_sha256", "level", "reused"}
    assert set(StoredBackup.__struct_fields__) - of_the_place >= known
    assert len(content_of(IN_A_PACK)) == 2 + len(set(StoredBackup.__struct_fields__) - of_the_place)


def test_twins_follow_the_first_of_their_content() -> None:
    other = msgspec.structs.replace(IN_A_PACK, raw_sha256="q" * 64)
    given = [of_backup("a", IN_A_PACK), of_backup("b", other)]
    given += [of_backup("c", IN_A_PACK), of_backup("d", other)]
    firsts, twins = twins_of(given)
    assert [one.key for one in firsts] == ["a", "b"]
    assert [(one.key, first) for one, first in twins] == [("c", "a"), ("d", "b")]


@pytest.mark.parametrize("body", [SMALL, LARGE])
async def test_a_copy_is_read_once_and_only_a_good_one_is_used(
    tmp_path: Path,
    files: BackupFiles,
    audit: AuditLog,
    body: bytes,
) -> None:
    old = await recorded(files, audit, "old", body)
    new = closed(files, LATER, "new", body)
    copies = looking(audit, files)
    assert (await copies.old_copies([new])).proven == {content_of(new): old}
    rot(tmp_path, old)
    # Proven in this operation; the next one finds the damage, and tells it once.
    assert (await copies.old_copies([new])).proven == {content_of(new): old}
    copies = looking(audit, files)
    found = await copies.old_copies([new])
    assert found.proven == {}
    assert [(a.key, a.from_operation, a.path) for a in found.alarms.values()] == [
        ("old", OPERATION, old.path)
    ]
    again = await copies.old_copies([new])
    assert (again.proven, again.alarms) == ({}, {})


async def test_a_purged_copy_is_no_copy(files: BackupFiles, audit: AuditLog) -> None:
    old = await recorded(files, audit, "old", SMALL)
    await audit.append(LATER, [Purged("old", OPERATION, old.path, "")])
    found = await looking(audit, files).old_copies([closed(files, LATER, "new", SMALL)])
    assert (found.proven, found.alarms) == ({}, {})


async def test_hashes_that_begin_alike_are_not_taken_for_one(
    files: BackupFiles, audit: AuditLog
) -> None:
    """The index holds the first 64 bits only."""
    old = await recorded(files, audit, "old", SMALL)
    alike = old.raw_sha256[:16] + "0" * 48
    assert await audit.copies({alike}) == {alike: []}
    [state] = (await audit.copies({alike, old.raw_sha256}))[old.raw_sha256]
    assert state.intent.backup == old


async def test_a_pack_stays_for_a_record_of_another_operation(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    old = await recorded(files, audit, "old", SMALL)
    again = msgspec.structs.replace(old, reused=True)
    await audit.append(LATER, [of_backup("new", again)])
    await audit.append(LATER, [Purged("old", OPERATION, old.path, "")])
    assert await audit.backup_paths(OPERATION) == {old.path}
    assert await audit.backup_paths(LATER) == set()
    assert await tidy(audit, files, OPERATION) == 0
    assert await tidy(audit, files, LATER) == 0
    await files.verify(again)
    # All that it has lies elsewhere; its manifest says where.
    assert names_in(tmp_path, LATER) == {"manifest.jsonl"}
    assert await tidy(audit, files, LATER) == 0
    await audit.append(LATER, [Purged("new", LATER, old.path, "")])
    assert await tidy(audit, files, OPERATION) == 2
    assert await tidy(audit, files, LATER) == 1
    assert names_in(tmp_path, OPERATION) == names_in(tmp_path, LATER) == set()


async def test_a_link_without_a_record_goes_and_the_file_stays(
    tmp_path: Path, files: BackupFiles, audit: AuditLog
) -> None:
    """Died between the link and the record."""
    old = await recorded(files, audit, "old", LARGE)
    new = closed(files, LATER, "new", LARGE)
    [made] = await files.link(LATER, [(new, old)])
    assert made is not None
    assert made.reused
    assert names_in(tmp_path, LATER) == {Path(made.path).name}
    assert (tmp_path / old.path).stat().st_nlink == 2
    assert files.bytes_of(made) == files.bytes_of(old)
    assert await tidy(audit, files, LATER) == 1
    assert (tmp_path / old.path).stat().st_nlink == 1
    await files.verify(old)


async def test_a_file_with_too_many_names_gets_no_further_one(
    tmp_path: Path, files: BackupFiles, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await recorded(files, audit, "old", LARGE)
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    pairs = [(closed(files, LATER, key, LARGE), old) for key in ("a", "b")]
    linked, not_linked = await files.link(LATER, pairs)
    assert linked is not None
    assert not_linked is None
    [anew] = await files.settle(LATER, [pairs[1][0]])
    await files.verify(anew)
    assert (tmp_path / anew.path).stat().st_nlink == 1
    # Nor does one that is gone.
    (tmp_path / old.path).unlink()
    assert await files.link(LATER, [(closed(files, LATER, "c", LARGE), old)]) == [None]


def rot(vault: Path, backup: StoredBackup) -> None:
    path = vault / backup.path
    path.chmod(0o600)
    descriptor = os.open(path, os.O_RDWR)
    try:
        position = (backup.offset or 0) + backup.stored_size // 2
        [byte] = os.pread(descriptor, 1, position)
        os.pwrite(descriptor, bytes([byte ^ 1]), position)
    finally:
        os.close(descriptor)
