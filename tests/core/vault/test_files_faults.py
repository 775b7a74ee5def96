"""Faults: rot, full disks, failing syncs; and the order of system calls that durability needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from s3gc_core.vault import BackupDamaged, BackupFiles, backup_name
from tests.core.vault.builders import OPERATION, backed_up, names_in, noise, prose
from tests.core.vault.fresh import run_fresh, strace_with

CALLS = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")


def calls_in(trace: Path) -> list[tuple[str, str]]:
    """Name and arguments of the system calls, in the order they ended."""
    text = re.sub(r"/\S*?/vault\b", "VAULT", trace.read_text())
    # Calls of several threads may be told in two parts.
    begun: dict[str, str] = {}
    calls = []
    for line in text.splitlines():
        thread = line.split()[0]
        if "<unfinished" in line:
            begun[thread] = line.split(" <unfinished")[0]
            continue
        if "resumed>" in line:
            line = begun.pop(thread) + line.split("resumed>")[1]
        if match := CALLS.match(line):
            calls.append((match[1], match[2]))
    return calls


@pytest.mark.parametrize("codec", ["zstd", "raw"])
async def test_one_flipped_bit_anywhere_is_damage(
    vault: Path, files: BackupFiles, codec: str
) -> None:
    data = prose(60_000) + noise(2_000) if codec == "zstd" else noise(4_000)
    backup = await backed_up(files, "k", data, level=1)
    assert backup.codec == codec
    path = vault / backup.path
    good = path.read_bytes()
    every = {*range(30), *range(0, len(good), 101), *range(len(good) - 30, len(good))}
    for position in sorted(every):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        path.write_bytes(bad)
        with pytest.raises(BackupDamaged):
            await files.verify(backup)
        with pytest.raises(BackupDamaged):
            list(files.open_raw(backup))
    for bad_file in (good[:-1], good + b"\0", b"", good + good):
        path.write_bytes(bad_file)
        with pytest.raises(BackupDamaged):
            await files.verify(backup)
    path.write_bytes(good)
    await files.verify(backup)


async def test_a_full_disk_is_told_and_nothing_half_written_stays(vault: Path) -> None:
    """The process's file size limit stands for the full disk: the kernel refuses the write."""
    out = run_fresh(
        """
        import resource
        from s3gc_core.errors import VaultFull
        await files.create_operation(OPERATION)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, resource.RLIM_INFINITY))
        writer = files.open_writer(OPERATION, "k", 3, None)
        for n in range(3):
            writer.write(noise(1 << 20))
        print(len(names_in(vault)))
        try:
            writer.write(noise(1 << 20))
        except VaultFull as error:
            print(error.name, names_in(vault), error.what)
        """,
        vault,
    )
    first, second = out.splitlines()
    assert first == "1"
    assert second.startswith("vault-full set() vault-space")


@pytest.mark.parametrize("failing", ["a file", "the folder"])
async def test_a_failed_sync_is_told_and_not_tried_again(
    vault: Path, files: BackupFiles, tmp_path: Path, failing: str
) -> None:
    await files.create_operation(OPERATION)
    folder, names = vault / "backups" / OPERATION, [backup_name(k, "raw") for k in "abc"]
    path = folder / (names[1] + ".part") if failing == "a file" else folder
    trace = tmp_path / "trace"
    out = run_fresh(
        """
        backups = []
        for key in "abc":
            writer = files.open_writer(OPERATION, key, 3, 1)
            writer.write(b"x")
            backups.append(writer.close())
        try:
            await files.settle(OPERATION, backups)
        except BackupNotDurable as error:
            print(error.name)
        """,
        vault,
        strace=strace_with(
            trace, "-P", str(path), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO"
        ),
    )
    fired = re.findall(r"EIO .*\(INJECTED\)", trace.read_text())
    assert len(fired) == 1
    assert out == "backup-not-durable\n"
    # Where a file failed, not one of the batch gets the name that makes it count.
    end = ".part" if failing == "a file" else ""
    assert names_in(vault) == {name + end for name in names}


async def test_everything_is_synced_in_the_order_that_durability_needs(
    vault: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    run_fresh(
        """
        await files.create_operation(OPERATION)
        backups = []
        for key in ("a", "b"):
            writer = files.open_writer(OPERATION, key, 3, 1)
            writer.write(b"x")
            backups.append(writer.close())
        await files.settle(OPERATION, backups)
        await files.verify(backups[0])
        """,
        vault,
        strace=strace_with(trace, "-e", "trace=mkdirat,fsync,renameat,renameat2,fadvise64"),
    )
    steps = [(name, arguments) for name, arguments in calls_in(trace) if "VAULT" in arguments]
    folder = f"VAULT/backups/{OPERATION}"
    assert [name for name, _ in steps[:5]] == ["mkdirat", "fsync", "mkdirat", "fsync", "fsync"]
    synced = [re.sub(r"^\d+", "", arguments) for name, arguments in steps if name == "fsync"]
    assert synced[:3] == ["<VAULT>", "<VAULT/backups>", f"<{folder}>"]
    kinds = [name for name, _ in steps[5:]]
    assert kinds == ["fsync", "fsync", "renameat", "renameat", "fsync", "fadvise64"]
    assert all(part.endswith(".part>") for part in synced[3:5])
    assert len(set(synced[3:5])) == 2
    assert synced[5] == f"<{folder}>"
    assert "POSIX_FADV_DONTNEED" in steps[-1][1]
    assert ".bin>" in steps[-1][1]
    assert len(names_in(vault)) == 2
