"""Backup files: written, settled, read back from disk; nothing outside the vault is touched."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.errors import VaultUnreachable
from s3gc_core.vault import (
    BackupDamaged,
    BackupFiles,
    BackupNotDurable,
    BackupState,
    StoredBackup,
    backup_name,
)
from s3gc_core.vault.files import HELD_BYTES
from s3gc_core.vault.manifest import ManifestWriter
from tests.core.vault.builders import LATER, OPERATION, backed_up, names_in, noise, prose


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def whole(files: BackupFiles, backup: StoredBackup) -> bytes:
    return b"".join([chunk async for chunk in files.read(backup)])


async def test_a_backup_says_exactly_what_lies_where(vault: Path, files: BackupFiles) -> None:
    data = prose(3 << 20)
    backup = await backed_up(files, "docs/a.txt", data)
    name = backup_name("docs/a.txt", "zstd")
    frame = (vault / backup.path).read_bytes()
    assert backup == StoredBackup(
        f"backups/{OPERATION}/{name}",
        "zstd",
        len(data),
        hashlib.sha256(data).hexdigest(),
        len(frame),
        hashlib.sha256(frame).hexdigest(),
        level=3,
    )
    assert names_in(vault) == {name}
    await files.verify(backup)
    assert await whole(files, backup) == data
    assert b"".join(files.open_raw(backup)) == data


async def test_a_manifest_is_closed_after_its_thread_has_left_it(
    vault: Path, files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread would write on, into whatever file got the number of the closed one."""
    begun, go = threading.Event(), threading.Event()
    closed: list[bool] = []
    add = ManifestWriter.add

    def slow(self: ManifestWriter, states: Iterable[BackupState]) -> None:
        add(self, states)
        begun.set()
        assert go.wait(30)
        closed.append(self._descriptor < 0)

    async def none() -> AsyncIterator[list[BackupState]]:
        yield []

    await files.create_operation(OPERATION)
    monkeypatch.setattr(ManifestWriter, "add", slow)
    writing = asyncio.create_task(files.write_manifest(OPERATION, none()))
    assert await asyncio.to_thread(begun.wait, 30)
    writing.cancel()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not writing.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert closed == [False]
    assert names_in(vault) == {"manifest.jsonl.part"}


async def test_what_does_not_compress_is_stored_as_it_is(vault: Path, files: BackupFiles) -> None:
    data = noise(100_000)
    backup = await backed_up(files, "a.jpg", data)
    assert backup.codec == "raw"
    assert (vault / backup.path).read_bytes() == data
    assert backup.stored_sha256 == backup.raw_sha256


@settings(max_examples=30, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=2_000), max_size=6),
    repeat=st.sampled_from([1, 1, 30, 400]),
    level=st.sampled_from([1, 3, 19]),
)
async def test_any_bytes_come_back_identical(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], repeat: int, level: int
) -> None:
    vault = tmp_path_factory.mktemp("vault")
    files = BackupFiles(vault, packed_below=0)
    await files.create_operation(OPERATION)
    data = b"".join(pieces) * repeat
    writer = files.open_writer(OPERATION, "key", level, len(data))
    for piece in pieces * repeat:
        writer.write(piece)
    backup = writer.close()
    await files.settle(OPERATION, [backup])
    await files.verify(backup)
    assert await whole(files, backup) == data
    assert backup.raw_size == len(data)


async def test_how_the_bytes_arrive_changes_nothing(vault: Path, files: BackupFiles) -> None:
    data = noise(700_000) + prose(2 << 20)
    at_once = await backed_up(files, "k", data)
    await files.create_operation(LATER)
    writer = files.open_writer(LATER, "k", 3, None)
    for start in range(0, len(data), 9_999):
        writer.write(data[start : start + 9_999])
    piecemeal = writer.close()
    await files.settle(LATER, [piecemeal])
    await files.verify(piecemeal)
    assert (piecemeal.codec, piecemeal.raw_sha256) == (at_once.codec, at_once.raw_sha256)


async def test_files_are_for_the_owner_alone(vault: Path, files: BackupFiles) -> None:
    old = os.umask(0)
    try:
        backup = await backed_up(files, "k", b"x")
    finally:
        os.umask(old)
    assert mode_of(vault / backup.path) == 0o600
    assert mode_of(vault / "backups") == mode_of(vault / "backups" / OPERATION) == 0o700


async def test_until_settled_a_backup_has_its_temporary_name(
    vault: Path, files: BackupFiles
) -> None:
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 3, None)
    assert names_in(vault) == set()
    writer.write(noise(2 << 20))
    name = backup_name("k", "raw")
    assert names_in(vault) == {name + ".part"}
    backup = writer.close()
    assert names_in(vault) == {name + ".part"}
    with pytest.raises(BackupDamaged):
        await files.verify(backup)
    await files.settle(OPERATION, [backup])
    assert names_in(vault) == {name}


async def test_many_settle_at_once(vault: Path, files: BackupFiles) -> None:
    await files.create_operation(OPERATION)
    backups = []
    for n in range(40):
        writer = files.open_writer(OPERATION, f"k{n}", 3, 100)
        writer.write(noise(100, n))
        backups.append(writer.close())
    await files.settle(OPERATION, backups)
    assert names_in(vault) == {backup_name(f"k{n}", "raw") for n in range(40)}
    for backup in backups:
        await files.verify(backup)
    await files.settle(OPERATION, [])


@pytest.mark.parametrize("sent", [9, 11])
async def test_another_size_than_the_object_has_is_no_backup(
    vault: Path, files: BackupFiles, sent: int
) -> None:
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 3, 10)
    for _ in range(min(sent, 10)):
        writer.write(b"x")
    with pytest.raises(BackupDamaged, match="10 bytes"):
        writer.write(b"x") if sent > 10 else writer.close()
    assert names_in(vault) == set()


async def test_a_backup_is_never_replaced(vault: Path, files: BackupFiles) -> None:
    first = await backed_up(files, "k", b"first")
    with pytest.raises(BackupNotDurable, match="already there"):
        await backed_up(files, "k", b"second")
    assert await whole(files, first) == b"first"
    # Nor is a file that is still being written.
    with pytest.raises(BackupNotDurable, match="already there"):
        await backed_up(files, "k", b"third")
    assert names_in(vault) == {backup_name("k", "raw"), backup_name("k", "raw") + ".part"}


async def test_settling_what_is_not_there_fails_and_names_nothing(
    vault: Path, files: BackupFiles
) -> None:
    await files.create_operation(OPERATION)
    backups = []
    for key in ("a", "b"):
        writer = files.open_writer(OPERATION, key, 3, 1)
        writer.write(b"x")
        backups.append(writer.close())
    (vault / (backups[1].path + ".part")).unlink()
    with pytest.raises(BackupNotDurable):
        await files.settle(OPERATION, backups)
    assert names_in(vault) == {backup_name("a", "raw") + ".part"}


async def test_settle_takes_no_other_operations_backups(files: BackupFiles) -> None:
    backup = await backed_up(files, "k", b"x")
    await files.create_operation(LATER)
    with pytest.raises(ValueError, match="another operation"):
        await files.settle(LATER, [backup])


async def test_an_abandoned_backup_leaves_nothing(vault: Path, files: BackupFiles) -> None:
    await files.create_operation(OPERATION)
    closed = files.open_writer(OPERATION, "closed", 3, None)
    closed.write(b"x")
    closed.close()
    closed.abandon()
    writing = files.open_writer(OPERATION, "writing", 3, None)
    writing.write(noise(2 << 20))
    writing.abandon()
    writing.abandon()
    unused = files.open_writer(OPERATION, "unused", 3, None)
    unused.abandon()
    assert names_in(vault) == set()
    for writer in (closed, writing, unused):
        with pytest.raises(RuntimeError, match="ended"):
            writer.write(b"x")
        with pytest.raises(RuntimeError, match="ended"):
            writer.close()


async def test_abandoning_a_settled_backup_takes_nothing_away(files: BackupFiles) -> None:
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 3, None)
    writer.write(b"x")
    backup = writer.close()
    await files.settle(OPERATION, [backup])
    writer.abandon()
    await files.verify(backup)


async def test_abandon_does_not_wait_for_a_thread_that_writes(
    vault: Path, files: BackupFiles
) -> None:
    """A cancelled task abandons while its thread still writes: that thread cleans up."""
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 19, None)
    # Encoding begins with what comes after the first MiB.
    writer.write(prose(1 << 20))
    writing = asyncio.create_task(asyncio.to_thread(writer.write, prose(6 << 20)))
    deadline = asyncio.get_running_loop().time() + 20
    while not names_in(vault):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)
    writer.abandon()
    assert not writing.done()
    assert len(names_in(vault)) == 1
    await writing
    assert names_in(vault) == set()


async def test_strays_are_what_no_record_knows(vault: Path, files: BackupFiles) -> None:
    assert files.strays(OPERATION, set()) == []
    kept = await backed_up(files, "kept", b"x")
    lost = await backed_up(files, "lost", b"x")
    part = files.open_writer(OPERATION, "part", 3, None)
    part.write(b"x")
    part.close()
    folder = vault / "backups" / OPERATION
    (folder / "link").symlink_to(vault)
    (folder / "inner").mkdir()
    expected = {vault / lost.path, folder / (backup_name("part", "raw") + ".part"), folder / "link"}
    strays = files.strays(OPERATION, {kept.path})
    assert set(strays) == expected
    assert len(strays) == len(expected)
    for stray in strays:
        files.remove(stray)
        files.remove(stray)
    assert names_in(vault) == {Path(kept.path).name, "inner"}
    assert vault.is_dir()


async def test_a_purged_backup_goes_and_the_others_stay(vault: Path, files: BackupFiles) -> None:
    kept, gone = await backed_up(files, "a", b"x"), await backed_up(files, "b", b"x")
    files.remove_backup(gone)
    files.remove_backup(gone)
    assert names_in(vault) == {Path(kept.path).name}


@pytest.mark.parametrize(
    "path",
    [
        "backups/../audit.db",
        "backups/OP/../../audit.db",
        "/etc/passwd",
        "backups/OP/.hidden",
        "backups/../" + backup_name("k", "raw"),
        "backups/OP/x.part",
        "other/OP/" + backup_name("k", "raw"),
        f"backups/OP/a/{backup_name('k', 'raw')}",
        "",
    ],
)
async def test_only_places_of_backups_are_opened_or_removed(
    vault: Path, files: BackupFiles, path: str
) -> None:
    (vault / "audit.db").write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    backup = StoredBackup(path, "raw", 1, digest, 1, digest)
    with pytest.raises(BackupDamaged, match="no place"):
        await files.verify(backup)
    with pytest.raises(BackupDamaged, match="no place"):
        files.remove_backup(backup)
    assert (vault / "audit.db").exists()


@pytest.mark.parametrize("operation_id", ["", "..", "a/b", ".hidden", "x" * 65, "a\0b"])
async def test_an_operation_id_is_a_plain_name(files: BackupFiles, operation_id: str) -> None:
    with pytest.raises(ValueError, match="operation id"):
        await files.create_operation(operation_id)
    with pytest.raises(ValueError, match="operation id"):
        files.open_writer(operation_id, "k", 3, None)
    with pytest.raises(ValueError, match="operation id"):
        files.strays(operation_id, set())


async def test_a_stray_outside_the_vault_is_not_removed(tmp_path: Path, files: BackupFiles) -> None:
    outside = tmp_path / "mine"
    outside.touch()
    with pytest.raises(ValueError, match="mine"):
        files.remove(outside)
    assert outside.exists()


@pytest.mark.parametrize("linked", ["backups", f"backups/{OPERATION}"])
async def test_no_link_leads_out_of_the_vault(
    tmp_path: Path, vault: Path, files: BackupFiles, linked: str
) -> None:
    backup = await backed_up(files, "k", b"x")
    outside = tmp_path / "outside"
    (vault / linked).rename(outside)
    (vault / linked).symlink_to(outside)
    writer = files.open_writer(OPERATION, "other", 3, None)
    writer.write(b"x")
    with pytest.raises(VaultUnreachable):
        writer.close()
    with pytest.raises(VaultUnreachable):
        files.strays(OPERATION, set())
    with pytest.raises(BackupDamaged):
        await files.verify(backup)
    with pytest.raises(VaultUnreachable):
        files.remove_backup(backup)
    with pytest.raises(VaultUnreachable):
        await files.create_operation(OPERATION)
    assert [path.name for path in outside.rglob("*.bin")] == [Path(backup.path).name]


async def test_a_link_in_place_of_a_backup_is_damage(
    tmp_path: Path, vault: Path, files: BackupFiles
) -> None:
    backup = await backed_up(files, "k", b"x")
    outside = tmp_path / "outside"
    (vault / backup.path).rename(outside)
    (vault / backup.path).symlink_to(outside)
    with pytest.raises(BackupDamaged):
        await files.verify(backup)


async def test_the_vault_folder_itself_may_be_a_link(tmp_path: Path, vault: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(vault)
    files = BackupFiles(link, packed_below=0)
    await files.verify(await backed_up(files, "k", b"x"))


async def test_the_free_space_is_what_the_disk_says(vault: Path, files: BackupFiles) -> None:
    disk = os.statvfs(vault)
    assert 0 < files.free_space() <= disk.f_blocks * disk.f_frsize
    with pytest.raises(VaultUnreachable):
        BackupFiles(vault / "missing").free_space()


async def test_reading_can_stop_anywhere(files: BackupFiles) -> None:
    backup = await backed_up(files, "k", prose(5 << 20))
    chunks = files.read(backup)
    assert len(await anext(chunks)) == 1 << 20
    await chunks.aclose()  # type: ignore[attr-defined]


async def test_a_backup_without_its_file_is_damaged(vault: Path, files: BackupFiles) -> None:
    backup = await backed_up(files, "k", b"x")
    (vault / backup.path).unlink()
    with pytest.raises(BackupDamaged, match="No such file"):
        await files.verify(backup)
    for kind in ("folder", "fifo"):
        path = vault / backup.path
        path.mkdir() if kind == "folder" else os.mkfifo(path)
        with pytest.raises(BackupDamaged, match="no file"):
            await files.verify(backup)
        path.rmdir() if kind == "folder" else path.unlink()


async def test_each_recorded_value_is_compared(files: BackupFiles) -> None:
    for data in (prose(50_000), noise(50_000)):
        backup = await backed_up(files, f"k{data[:1]!r}", data)
        wrong: dict[str, object] = {
            "raw_size": len(data) + 1,
            "stored_size": backup.stored_size - 1,
            "raw_sha256": "0" * 64,
            "stored_sha256": "0" * 64,
            "codec": "raw" if backup.codec == "zstd" else "zstd",
        }
        for name, value in wrong.items():
            with pytest.raises(BackupDamaged):
                await files.verify(msgspec.structs.replace(backup, **{name: value}))
        await files.verify(backup)


@pytest.mark.parametrize("size", [0, 1, HELD_BYTES, HELD_BYTES + 1])
async def test_no_byte_comes_before_all_are_proven(
    vault: Path, files: BackupFiles, size: int
) -> None:
    data = noise(size)
    backup = await backed_up(files, "a.jpg", data)
    assert b"".join([chunk async for chunk in await files.proven(backup)]) == data
    path = vault / backup.path
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(BackupDamaged):
        await files.proven(backup)
