"""Restoring into a folder: every key finds a place, below the folder, and nothing is replaced."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3gc_core.clock import SystemClock
from s3gc_core.collection import FolderRestore, Selection, relative_name
from s3gc_core.collection.below import PART, Below
from s3gc_core.collection.folder import INDEX, Folder, Placed, hashed_name
from s3gc_core.errors import VaultUnreachable
from s3gc_core.jobs import JobJournal
from s3gc_core.vault import AuditLog, BackupDamaged, BackupFiles, Outcome, Restored, Result
from tests.core.collection.backups import backed_up, vault
from tests.core.jobs.journals import begun

AWKWARD = "s3gc-awkward-keys"
PLAIN = (
    "a.jpg",
    "a/b/c.jpg",
    "with space.jpg",
    " leading and trailing ",
    "M\u00fcller/\u00e9.png",
    "\u65e5\u672c/\U0001f5d1.jpg",
    "-rf",
    ".hidden",
    "...",
    "..a",
    "~",
    "$HOME/*?",
    "a:b|c<d>'\"",
    "x" * 255,
    "\u00e9" * 127,
    f"x/{AWKWARD}x",
)
NOT_PLAIN = (
    "",
    "/",
    "/etc/passwd",
    "//x",
    "a//b",
    "a/",
    ".",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "./x",
    "a/./b",
    "a\\b",
    "..\\x",
    "a\x00b",
    "a\nb",
    "a\x1b[31mb",
    "a\x7fb",
    "a\u202eb",
    "a\u2028b",
    "x" * 256,
    "\u00e9" * 128,
    f"a/{'x' * 256}/b",
    INDEX,
    f"{AWKWARD}/x",
    f"a/{INDEX}",
    AWKWARD,
    f"a/{PART}0",
)


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize("key", PLAIN)
def test_a_plain_key_is_its_own_path(key: str) -> None:
    assert relative_name(key) == key


@pytest.mark.parametrize("key", NOT_PLAIN)
def test_any_other_key_is_hashed(key: str) -> None:
    assert relative_name(key) == hashed_name(key) == f"{AWKWARD}/{sha256(key)}"


KEYS = st.text(max_size=30) | st.lists(
    st.sampled_from(["a", "..", ".", "", "/", "\\", "\x00", INDEX, AWKWARD, "x" * 300, "\n"]),
    max_size=6,
).map("/".join)


@given(key=KEYS)
@example("../" * 10)
def test_every_name_stays_below(key: str) -> None:
    name = relative_name(key)
    path = PurePosixPath(name)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert "/".join(path.parts) == name
    assert all(0 < len(part.encode()) <= 255 and part.isprintable() for part in path.parts)
    assert name != INDEX


@given(one=KEYS, two=KEYS)
def test_two_keys_never_share_a_name(one: str, two: str) -> None:
    assert (relative_name(one) == relative_name(two)) is (one == two)


@pytest.fixture
def files(tmp_path: Path) -> BackupFiles:
    return vault(tmp_path / "vault")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


def written(target: Path) -> dict[str, bytes]:
    """Every file below the folder but the index, and no link is followed."""
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != INDEX
    }


def index(target: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (target / INDEX).read_bytes().splitlines()]


async def write(
    files: BackupFiles, target: Path, keys: Iterable[str], folder: Folder | None = None
) -> dict[str, str]:
    """Restore objects, each holding its own key, in this order; key -> name."""
    made = await backed_up(files, {key: key.encode() for key in keys})
    folder = folder or Folder(target)
    return {key: (await folder.write(files, one)).name for key, one in made.items()}


async def test_every_key_is_written_and_listed(files: BackupFiles, target: Path) -> None:
    keys = [*PLAIN, *NOT_PLAIN]
    names = await write(files, target, keys)
    assert names == {key: relative_name(key) for key in keys}
    assert written(target) == {relative_name(key): key.encode() for key in keys}
    assert index(target) == [
        {
            "key": key,
            "file": relative_name(key),
            "size": len(key.encode()),
            "sha256": sha256(key),
            "headers": {"content_type": "image/jpeg", "metadata": {"for": "a test"}},
        }
        for key in keys
    ]


async def test_nothing_lands_outside(files: BackupFiles, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "etc"
    outside.mkdir()
    evil = ["../etc/a", "../../etc/a", f"{outside}/a", "x/../../etc/a", "..", "/"]
    names = await write(files, target, evil)
    assert set(names.values()) == {hashed_name(key) for key in evil}
    assert list(outside.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"etc", "out", "vault"}


@pytest.mark.parametrize("keys", [("a", "a/b", "a/b/c"), ("a/b/c", "a/b", "a")])
async def test_a_key_beside_keys_below_it(
    files: BackupFiles, target: Path, keys: tuple[str, ...]
) -> None:
    """`a` and `a/b` are two objects; no file system has both."""
    names = await write(files, target, keys)
    assert names[keys[0]] == keys[0]
    assert {names[key] for key in keys[1:]} == {hashed_name(key) for key in keys[1:]}
    assert written(target) == {names[key]: key.encode() for key in keys}


async def test_existing_files_are_never_replaced(files: BackupFiles, target: Path) -> None:
    target.mkdir()
    (target / "a").write_bytes(b"mine")
    (target / "d").mkdir()
    assert await write(files, target, ["a", "d"]) == {key: hashed_name(key) for key in ("a", "d")}
    (target / hashed_name("a")).write_bytes(b"!")
    with pytest.raises(FileExistsError):
        await write(files, target, ["a"])
    assert written(target) == {"a": b"mine", hashed_name("a"): b"!", hashed_name("d"): b"d"}


async def test_a_second_restore_finds_what_the_first_wrote(
    files: BackupFiles, target: Path
) -> None:
    keys = ["a", "a/b", "../x"]
    first = await write(files, target, keys)
    listed = index(target)
    assert await write(files, target, keys) == first
    assert index(target) == listed
    assert written(target) == {first[key]: key.encode() for key in keys}


async def test_another_object_of_the_same_key_takes_the_other_name(
    files: BackupFiles, target: Path
) -> None:
    names = []
    for body in (b"1", b"2", b"1", b"2"):
        [one] = (await backed_up(files, {"a": body})).values()
        names.append(await Folder(target).write(files, one))
    other = hashed_name("a")
    assert names == [Placed("a"), Placed(other), Placed("a", True), Placed(other, True)]
    assert written(target) == {"a": b"1", other: b"2"}
    [third] = (await backed_up(files, {"a": b"3"})).values()
    with pytest.raises(FileExistsError):
        await Folder(target).write(files, third)
    assert [line["file"] for line in index(target)] == ["a", other]


async def test_what_an_interrupted_restore_left_is_mended(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    """A part of a file, a file that is not in the index yet, and a torn line of the index."""
    made = await backed_up(files, {key: key.encode() for key in ("begun", "dir/whole", "listed")})
    await Folder(target).write(files, made["listed"])
    os.close(Below(target).begin("begun"))
    os.close(Below(target).begin("dir/whole"))
    (target / "dir" / "whole").write_bytes(b"dir/whole")
    line = (target / INDEX).read_bytes()
    (target / INDEX).write_bytes(line + line[:20])
    # One of them came too late for its own restore to remove it, and is a link by now.
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    [part] = [path for path in target.iterdir() if path.name.startswith(PART)]
    part.unlink()
    part.symlink_to(victim)

    again = Folder(target)
    assert [await again.write(files, one) for one in made.values()] == [
        Placed("begun"),
        Placed("dir/whole", already=True),
        Placed("listed", already=True),
    ]
    assert written(target) == {key: key.encode() for key in made}
    assert list(target.rglob(f"{PART}*")) == []
    assert sorted(one["key"] for one in index(target)) == sorted(made)
    assert victim.read_bytes() == b"precious"


async def test_a_file_has_its_name_only_once_it_is_whole(
    files: BackupFiles, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails at its last word: nothing has the name, and nothing is left behind."""
    [one] = (await backed_up(files, {"a": b"some bytes"})).values()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(VaultUnreachable, match="broken"):
            await Folder(target).write(files, one)
    assert list(target.iterdir()) == []
    assert await Folder(target).write(files, one) == Placed("a")


async def test_a_file_system_without_hard_links(
    files: BackupFiles, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT and some network mounts: a name is taken first, and never one that is taken."""

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    assert await write(files, target, ["a", "d/e"]) == {"a": "a", "d/e": "d/e"}
    below = Below(target)
    os.close(below.begin("a"))
    with pytest.raises(FileExistsError):
        below.publish("a")
    below.drop("a")
    assert written(target) == {"a": b"a", "d/e": b"d/e"}


async def test_links_in_the_folder_are_not_followed(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"precious")
    target.mkdir()
    (target / "folder").symlink_to(outside)
    (target / "file").symlink_to(outside / "victim")
    (target / "dangling").symlink_to(outside / "new")
    (target / "deep").mkdir()
    (target / "deep" / "er").symlink_to(outside)
    keys = ["folder/x", "folder/victim", "file", "dangling", "dangling/x", "deep/er/x", "deep/ok"]
    names = await write(files, target, keys)
    assert names == {key: hashed_name(key) for key in keys} | {"deep/ok": "deep/ok"}
    assert written(outside) == {"victim": b"precious"}
    assert written(target) == {names[key]: key.encode() for key in keys}


async def test_a_link_in_place_of_the_index_is_not_followed(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    target.mkdir()
    (target / INDEX).symlink_to(victim)
    # Refusing is as good as finding another way.
    with suppress(VaultUnreachable):
        await write(files, target, ["a"])
    assert victim.read_bytes() == b"precious"


async def test_a_link_in_place_of_the_awkward_folder_is_not_followed(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.mkdir()
    (target / AWKWARD).symlink_to(outside)
    with pytest.raises((FileExistsError, VaultUnreachable)):
        await write(files, target, ["../x"])
    assert list(outside.iterdir()) == []
    assert written(target) == {}


async def test_the_folder_itself_may_be_a_link(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    """It is what the operator named."""
    real = tmp_path / "real"
    real.mkdir()
    target.symlink_to(real)
    assert await write(files, target, ["a/b"]) == {"a/b": "a/b"}
    assert written(real) == {"a/b": b"a/b"}


async def test_a_folder_that_cannot_be_made(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VaultUnreachable):
        await write(files, tmp_path / "file" / "below", ["a"])
    with pytest.raises(VaultUnreachable):
        await write(files, tmp_path / "file", ["a"])
    assert (tmp_path / "file").read_bytes() == b""


async def test_restored_files_are_for_their_owner_only(files: BackupFiles, target: Path) -> None:
    """They may hold anything that the bucket kept from others, and the index says what."""
    before = os.umask(0)
    try:
        await write(files, target, ["a", "../b"])
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (target / "a", target / hashed_name("../b"), target / INDEX)
    }
    assert set(modes.values()) == {0o600}, modes


async def test_a_damaged_backup_is_not_written(
    files: BackupFiles, target: Path, tmp_path: Path
) -> None:
    [one] = (await backed_up(files, {"a": b"some bytes"})).values()
    stored = tmp_path / "vault" / one.intent.backup.path
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(BackupDamaged):
        await Folder(target).write(files, one)
    assert not target.exists() or written(target) == {}


@pytest.fixture
async def audit(files: BackupFiles, tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = await AuditLog.open(tmp_path / "vault", SystemClock())
    yield log
    await log.close()


async def test_one_object_s_failure_does_not_stop_the_others(
    files: BackupFiles, audit: AuditLog, target: Path, tmp_path: Path
) -> None:
    keys = ["../up", "a", "a/b", "damaged", "ok.jpg", "taken"]
    made = await backed_up(files, {key: key.encode() for key in keys})
    operation_id = made["a"].operation_id
    await audit.append(operation_id, [one.intent for one in made.values()])
    await audit.append(operation_id, [Result(key, Outcome.DELETED) for key in keys])
    (tmp_path / "vault" / made["damaged"].intent.backup.path).write_bytes(b"")
    target.mkdir()
    (target / "taken").write_bytes(b"mine")
    (target / AWKWARD).mkdir()
    (target / hashed_name("taken")).write_bytes(b"mine too")
    told: list[int] = []

    def watcher(phase: str, done: int, total: int | None = None) -> None:
        told.append(done)

    async with JobJournal.open(tmp_path / "vault", begun("RESTORE"), watcher) as journal:
        restore = FolderRestore(audit, files, journal, "RESTORE", target, concurrency=4)
        await restore.run(Selection(operation_id=operation_id))
    assert dict(restore.counts) == {"exported": 4, "failed": 2}
    assert told == [6]
    assert written(target) == {
        hashed_name("../up"): b"../up",
        "a": b"a",
        hashed_name("a/b"): b"a/b",
        "ok.jpg": b"ok.jpg",
        "taken": b"mine",
        hashed_name("taken"): b"mine too",
    }
    recorded = {
        entry.record.key: entry.record
        async for page in audit.entries(operation_id="RESTORE")
        for entry in page
        if isinstance(entry.record, Restored)
    }
    assert {key: one.outcome.value for key, one in recorded.items()} == {
        "../up": "exported",
        "a": "exported",
        "a/b": "exported",
        "damaged": "failed",
        "ok.jpg": "exported",
        "taken": "failed",
    }
    assert recorded["ok.jpg"].reason == "written to ok.jpg"
    assert all(one.from_operation == operation_id for one in recorded.values())
    assert recorded["damaged"].reason
    assert "already there" in recorded["taken"].reason
