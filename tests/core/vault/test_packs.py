"""Packs: plain tar files that hold small backups; one sync a batch; nothing torn is relied on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
import zstandard

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.vault import BackupDamaged, BackupFiles, BackupNotDurable, StoredBackup, backup_name
from s3gc_core.vault import packs as packs_module
from s3gc_core.vault.packs import PACKED_BELOW, BatchLine
from tests.core.vault.builders import LATER, OPERATION, names_in, noise, prose
from tests.core.vault.fresh import run_fresh, strace_with
from tests.core.vault.test_files_faults import calls_in

ODD = {
    "a/../../etc/passwd": noise(700),
    "größe 1 & more\n.txt": prose(5_000),
    "x" * 1_024: b"",
    "trailing/": noise(512),
    "trailing": noise(513),
}
FIRST, SECOND = f"backups/{OPERATION}/pack-000001.tar", f"backups/{OPERATION}/pack-000002.tar"
HEADERS = ObjectHeaders(content_type="image/jpeg", metadata={"owner": "x"})


@pytest.fixture
async def files(vault: Path) -> BackupFiles:
    made = BackupFiles(vault)
    await made.create_operation(OPERATION)
    return made


async def settled(
    files: BackupFiles, bodies: Mapping[str, bytes], operation_id: str = OPERATION
) -> dict[str, StoredBackup]:
    """One batch of backups."""
    written = []
    for key, body in bodies.items():
        writer = files.open_writer(operation_id, key, 3, len(body), HEADERS)
        for start in range(0, len(body), 1 << 20):
            writer.write(body[start : start + (1 << 20)])
        written.append(writer.close())
    return dict(zip(bodies, await files.settle(operation_id, written), strict=True))


def tar(*arguments: str | Path) -> bytes:
    """What the command `tar` says, without complaint."""
    ended = subprocess.run(["tar", *arguments], capture_output=True, check=True)
    assert ended.stderr == b""
    return ended.stdout


def end_of(backup: StoredBackup) -> int:
    assert backup.offset is not None
    return backup.offset + -(-backup.stored_size // 512) * 512


async def test_small_backups_share_a_pack_and_come_back(vault: Path, files: BackupFiles) -> None:
    first = await settled(files, ODD)
    assert names_in(vault) == {"pack-000001.tar"}
    second = await settled(files, {"later": b"x"})
    assert {backup.path for backup in (first | second).values()} == {FIRST}
    assert names_in(vault) == {"pack-000001.tar"}
    for key, backup in (first | second).items():
        body = (ODD | {"later": b"x"})[key]
        assert backup.raw_sha256 == hashlib.sha256(body).hexdigest()
        assert b"".join(files.open_raw(backup)) == body
        await files.verify(backup)
        assert files.is_present(backup)
    assert await files.verify_packed([*first.values(), *second.values()]) == [None] * 6
    assert (vault / FIRST).stat().st_mode & 0o777 == 0o600
    # Written, not yet ended: the end of the last backup is the end of the file.
    assert (vault / FIRST).stat().st_size == end_of(second["later"])


@pytest.mark.parametrize("ended", [False, True])
async def test_a_pack_is_read_with_tar_and_zstd_alone(
    vault: Path, files: BackupFiles, ended: bool
) -> None:
    made = await settled(files, ODD)
    if ended:
        files.end_pack(FIRST, max(map(end_of, made.values())))
    listed = tar("tf", vault / FIRST)
    names = {key: backup_name(key, backup.codec) for key, backup in made.items()}
    assert listed.decode().split() == ["_batch/000001.jsonl", *names.values()]
    assert {key: backup.member for key, backup in made.items()} == names
    assert {backup.codec for backup in made.values()} == {"raw", "zstd"}
    for key, backup in made.items():
        data = tar("xOf", vault / FIRST, names[key])
        assert hashlib.sha256(data).hexdigest() == backup.stored_sha256
        if backup.codec == "zstd":
            data = zstandard.ZstdDecompressor().decompress(data)
        assert data == ODD[key]
    index = tar("xOf", vault / FIRST, "_batch/000001.jsonl")
    lines = [msgspec.json.decode(line, type=BatchLine) for line in index.splitlines()]
    assert lines == [
        BatchLine(
            key,
            names[key],
            b.codec,
            b.raw_size,
            b.raw_sha256,
            b.stored_size,
            b.stored_sha256,
            HEADERS,
        )
        for key, b in made.items()
    ]


async def test_the_stored_size_decides(vault: Path, files: BackupFiles) -> None:
    made = await settled(
        files,
        {
            "below": noise(PACKED_BELOW - 1),
            "at": noise(PACKED_BELOW),
            "large, but it squeezes": b"x" * (4 << 20),
            "large": noise(3 << 20),
        },
    )
    assert {key for key, b in made.items() if b.offset is not None} == {
        "below",
        "large, but it squeezes",
    }
    loose = {backup_name("at", "raw"), backup_name("large", "raw")}
    assert names_in(vault) == {"pack-000001.tar", *loose}
    for backup in made.values():
        await files.verify(backup)


async def test_a_full_pack_gets_a_successor(
    vault: Path, files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs_module, "SEALED_AT", 4_000)
    paths = [(await settled(files, {f"k{n}": noise(1_000)}))[f"k{n}"].path for n in range(4)]
    assert paths == [FIRST, FIRST, SECOND, SECOND]
    assert names_in(vault) == {"pack-000001.tar", "pack-000002.tar"}


async def test_each_operation_has_its_own(files: BackupFiles) -> None:
    await files.create_operation(LATER)
    assert (await settled(files, {"k": b"x"}))["k"].path == FIRST
    assert (await settled(files, {"k": b"x"}, LATER))["k"].path == FIRST.replace(OPERATION, LATER)
    writer = files.open_writer(OPERATION, "k", 3, None)
    with pytest.raises(ValueError, match="another operation"):
        await files.settle(LATER, [writer.close()])


async def test_a_pack_that_is_there_is_never_written_over(vault: Path, files: BackupFiles) -> None:
    (vault / FIRST).write_bytes(b"not ours")
    assert (await settled(files, {"k": b"x"}))["k"].path == SECOND
    # Nor one that somebody else wrote to.
    with (vault / SECOND).open("ab") as pack:
        pack.write(b"!")
    assert (await settled(files, {"l": b"x"}))["l"].path == SECOND.replace("2.tar", "3.tar")
    assert (vault / FIRST).read_bytes() == b"not ours"


async def test_one_flipped_bit_damages_its_backup_alone(vault: Path, files: BackupFiles) -> None:
    made = await settled(files, {"a": prose(9_000), "b": noise(900), "c": noise(900, 2)})
    path = vault / FIRST
    good = path.read_bytes()
    for key, backup in made.items():
        assert backup.offset is not None
        for position in (0, backup.stored_size // 2, backup.stored_size - 1):
            bad = bytearray(good)
            bad[backup.offset + position] ^= 4
            path.write_bytes(bad)
            found = await files.verify_packed(list(made.values()))
            assert {k for k, damage in zip(made, found, strict=True) if damage} == {key}
            with pytest.raises(BackupDamaged):
                await files.verify(backup)
    path.write_bytes(good[: end_of(made["b"])])
    found = await files.verify_packed(list(made.values()))
    assert {k for k, damage in zip(made, found, strict=True) if damage} == {"c"}
    assert [files.is_present(b) for b in made.values()] == [True, True, False]
    path.unlink()
    assert all(await files.verify_packed(list(made.values())))
    assert not any(files.is_present(b) for b in made.values())


async def test_after_damage_the_pack_gets_nothing_more(vault: Path, files: BackupFiles) -> None:
    made = await settled(files, {"a": noise(900)})
    bad = bytearray((vault / FIRST).read_bytes())
    bad[-600] ^= 1
    (vault / FIRST).write_bytes(bad)
    assert any(await files.verify_packed(list(made.values())))
    assert (await settled(files, {"b": b"x"}))["b"].path == SECOND


@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync"])
async def test_a_pack_the_disk_refused_is_not_tried_again(
    vault: Path, files: BackupFiles, tmp_path: Path, call: str
) -> None:
    folder = vault / "backups" / OPERATION
    path = folder if call == "fsync" else folder / "pack-000001.tar"
    trace = tmp_path / "trace"
    out = run_fresh(
        """
        files = BackupFiles(vault)
        for key in "ab":
            writer = files.open_writer(OPERATION, key, 3, 1)
            writer.write(b"x")
            try:
                (backup,) = await files.settle(OPERATION, [writer.close()])
            except BackupNotDurable as error:
                print(error.name)
            else:
                print(backup.path)
        """,
        vault,
        strace=strace_with(
            *(trace, "-P", str(path), "-e", f"trace={call}"),
            *("-e", f"inject={call}:error=EIO:when=1"),
        ),
    )
    assert len(re.findall(r"EIO .*\(INJECTED\)", trace.read_text())) >= 1
    assert out.splitlines() == ["backup-not-durable", SECOND]


async def test_a_batch_costs_one_sync_before_it_is_read_back(
    vault: Path, files: BackupFiles, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    run_fresh(
        """
        files = BackupFiles(vault)
        for batch in range(2):
            written = []
            for n in range(50):
                writer = files.open_writer(OPERATION, f"{batch}/{n}", 3, 100)
                writer.write(noise(100, n))
                written.append(writer.close())
            await files.verify_packed(await files.settle(OPERATION, written))
        """,
        vault,
        strace=strace_with(trace, "-e", "trace=write,fdatasync,fsync,fadvise64,renameat"),
    )
    calls = [
        name for name, arguments in calls_in(trace) if f"VAULT/backups/{OPERATION}" in arguments
    ]
    batch = ["write", "fdatasync", "fadvise64"]
    # The folder once, for the new pack.
    assert calls == ["write", "fdatasync", "fsync", "fadvise64", *batch]


async def test_the_end_is_cut_to_what_is_recorded_and_sealed(
    vault: Path, files: BackupFiles
) -> None:
    made = await settled(files, {"a": noise(900)})
    await settled(files, {"lost": noise(900, 2)})
    path, end = vault / FIRST, end_of(made["a"])
    for torn in (b"", b"torn", noise(5_000)):
        with path.open("ab") as pack:
            pack.write(torn)
        path.chmod(0o600)
        files.end_pack(FIRST, end)
        assert path.stat().st_size == end + 1_024
        assert path.read_bytes()[end:] == bytes(1_024)
        assert path.stat().st_mode & 0o777 == 0o400
        await files.verify(made["a"])
        with tarfile.open(path) as pack_file:
            assert pack_file.getnames() == ["_batch/000001.jsonl", made["a"].member]
    # Sealed, it stays as it is; gone, or shorter than recorded, it is for `verify` to tell.
    before = path.read_bytes()
    files.end_pack(FIRST, 512)
    assert path.read_bytes() == before
    path.chmod(0o600)
    os.truncate(path, 600)
    files.end_pack(FIRST, end)
    assert path.stat().st_size == 600
    path.unlink()
    files.end_pack(FIRST, end)
    assert names_in(vault) == set()


async def test_a_link_in_place_of_a_pack_is_not_followed(
    tmp_path: Path, vault: Path, files: BackupFiles
) -> None:
    made = await settled(files, {"a": noise(900)})
    outside = tmp_path / "outside"
    (vault / FIRST).rename(outside)
    (vault / FIRST).symlink_to(outside)
    before = outside.read_bytes()
    with pytest.raises(BackupDamaged):
        await files.verify(made["a"])
    files.end_pack(FIRST, 512)
    assert outside.read_bytes() == before
    with pytest.raises(BackupNotDurable):
        await settled(files, {"b": b"x"})
    assert outside.read_bytes() == before


async def test_only_packs_are_packs(vault: Path, files: BackupFiles) -> None:
    made = (await settled(files, {"a": noise(900)}))["a"]
    name = backup_name("a", "raw")
    wrong: list[dict[str, object]] = [
        {"offset": None},
        {"offset": 0},
        {"offset": -512},
        {"offset": made.offset + 1 if made.offset else None},
        {"path": FIRST + ".part"},
        {"path": FIRST.replace("000001", "1")},
        {"path": f"backups/{OPERATION}/{name}"},
        {"path": f"backups/../{Path(FIRST).name}"},
        {"path": f"backups/{OPERATION}/manifest.jsonl"},
    ]
    for changes in wrong:
        with pytest.raises(BackupDamaged, match="no place"):
            await files.verify(msgspec.structs.replace(made, **changes))
    files.remove_backup(made)
    await files.verify(made)
    with pytest.raises(BackupDamaged, match="no place"):
        files.end_pack(f"backups/{OPERATION}/{name}", 0)


def test_records_of_old_are_read_as_they_were() -> None:
    old = (
        b'{"path":"backups/O/x.bin","codec":"raw","raw_size":1,"raw_sha256":"r",'
        b'"stored_size":1,"stored_sha256":"s"}'
    )
    backup = msgspec.json.decode(old, type=StoredBackup)
    assert (backup.offset, backup.member) == (None, None)
    assert msgspec.json.encode(backup) == old


async def test_a_cancelled_batch_is_written_to_its_end(
    vault: Path, files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the pack would be cut and sealed while a thread still writes to it."""
    begun, go_on = threading.Event(), threading.Event()
    fdatasync = os.fdatasync

    def slow(descriptor: int) -> None:
        begun.set()
        assert go_on.wait(20)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    settling = asyncio.create_task(settled(files, {"a": b"x"}))
    assert await asyncio.to_thread(begun.wait, 20)
    settling.cancel()
    await asyncio.wait([settling], timeout=0.1)
    assert not settling.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert (vault / FIRST).stat().st_size > 0


async def test_an_operation_that_ended_is_forgotten(files: BackupFiles) -> None:
    """A service runs for months. What comes after all the same goes to a new pack."""
    first = await settled(files, {"a": b"1"})
    files.end_operation(OPERATION)
    assert not files._packs
    second = await settled(files, {"b": b"2"})
    assert first["a"].path != second["b"].path
    for backup in (first["a"], second["b"]):
        await files.verify(backup)
