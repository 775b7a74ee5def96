"""The local SQLite files: where they may lie, who may read them, what a transaction promises."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.errors import ExitCode, NetworkFileSystem, VaultUnreachable
from s3gc_core.local_store import (
    NETWORK_FILE_SYSTEMS,
    LocalStore,
    file_system_of,
    refuse_network_file_system,
)

SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY) STRICT;"


def mount(point: str, kind: str, *, optional: str = "shared:1") -> str:
    """A line of /proc/self/mountinfo as the kernel writes it (proc(5))."""
    escaped = point.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
    fields = f"36 35 98:0 / {escaped} rw,noatime {optional}".rstrip()
    return f"{fields} - {kind} source rw,errors=continue"


ROOT = mount("/", "ext4")


@pytest.mark.parametrize(
    ("path", "mounts", "kind"),
    [
        ("/srv/vault", [ROOT], "ext4"),
        ("/", [ROOT], "ext4"),
        ("/srv/vault", [ROOT, mount("/srv", "nfs4")], "nfs4"),
        ("/srv", [ROOT, mount("/srv", "nfs4")], "nfs4"),
        ("/srvx/vault", [ROOT, mount("/srv", "nfs4")], "ext4"),
        ("/srv/vault", [mount("/srv", "nfs4"), ROOT], "nfs4"),
        ("/srv/vault/x", [ROOT, mount("/srv", "nfs4"), mount("/srv/vault", "xfs")], "xfs"),
        ("/srv/vault/x", [ROOT, mount("/srv/vault", "xfs"), mount("/srv", "nfs4")], "xfs"),
        # Mounted over: the last one is what is seen.
        ("/srv/vault", [ROOT, mount("/srv", "xfs"), mount("/srv", "nfs4")], "nfs4"),
        ("/srv/vault", [ROOT, mount("/srv", "nfs4"), mount("/srv", "xfs")], "xfs"),
        ("/srv/a b/vault", [ROOT, mount("/srv/a b", "cifs")], "cifs"),
        ("/srv/a\tb/vault", [ROOT, mount("/srv/a\tb", "cifs")], "cifs"),
        ("/srv/a\\b/vault", [ROOT, mount("/srv/a\\b", "cifs")], "cifs"),
        ("/srv/donn\u00e9es/vault", [ROOT, mount("/srv/donn\u00e9es", "nfs4")], "nfs4"),
        ("/srv/\u65e5\u672c/vault", [ROOT, mount("/srv/\u65e5\u672c", "nfs4")], "nfs4"),
        ("/srv/vault", [ROOT, mount("/srv", "fuse.sshfs", optional="")], "fuse.sshfs"),
        ("/srv/vault", [ROOT, mount("/srv", "nfs", optional="shared:1 master:2")], "nfs"),
        ("/srv/vault", [], ""),
    ],
)
def test_the_file_system_of_a_path(path: str, mounts: list[str], kind: str) -> None:
    assert file_system_of(Path(path), "\n".join([*mounts, ""])) == kind


def test_the_file_system_of_this_machine() -> None:
    table = Path("/proc/self/mountinfo").read_text()
    assert file_system_of(Path("/proc/self"), table) == "proc"
    assert file_system_of(Path("/"), table)


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that the kernel's table says is on NFS; the folder beside it is not."""
    remote = tmp_path / "remote"
    remote.mkdir()
    (tmp_path / "local").mkdir()
    table = "\n".join([ROOT, mount(str(remote), "nfs4")])
    read_text = Path.read_text

    def reading(path: Path, *args: str | None, **options: str | None) -> str:
        return table if str(path) == "/proc/self/mountinfo" else read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", reading)
    return remote


async def test_a_network_file_system_is_refused(mounted: Path) -> None:
    with pytest.raises(NetworkFileSystem, match="nfs4") as refused:
        await LocalStore.open(mounted / "x.db", SCHEMA)
    assert refused.value.exit_code == ExitCode.BLOCKED
    assert list(mounted.iterdir()) == []


async def test_a_link_to_a_network_file_system_is_refused(mounted: Path) -> None:
    link = mounted.parent / "local" / "link"
    link.symlink_to(mounted)
    with pytest.raises(NetworkFileSystem):
        refuse_network_file_system(link)
    with pytest.raises(NetworkFileSystem):
        await LocalStore.open(link / "x.db", SCHEMA)


async def test_a_local_folder_beside_it_is_not(mounted: Path) -> None:
    store = await LocalStore.open(mounted.parent / "local" / "x.db", SCHEMA)
    await store.close()


def test_the_usual_network_file_systems_are_known() -> None:
    assert {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"} <= NETWORK_FILE_SYSTEMS
    assert NETWORK_FILE_SYSTEMS.isdisjoint({"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", ""})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    opened = await LocalStore.open(tmp_path / "x.db", SCHEMA)
    yield opened
    await opened.close()


def insert(connection: sqlite3.Connection, *numbers: int) -> int:
    connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in numbers])
    return len(numbers)


def numbers(connection: sqlite3.Connection) -> set[int]:
    return {row[0] for row in connection.execute("SELECT n FROM t")}


def as_others_see_it(path: Path) -> set[int]:
    with closing(sqlite3.connect(path / "x.db")) as connection:
        return numbers(connection)


async def test_a_transaction_commits_and_returns(store: LocalStore, tmp_path: Path) -> None:
    assert await store.run(insert, 1, 2) == 2
    assert as_others_see_it(tmp_path) == {1, 2}


async def test_a_transaction_that_raises_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    await store.run(insert, 1)

    def half(connection: sqlite3.Connection) -> None:
        insert(connection, 2)
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await store.run(half)
        with pytest.raises(sqlite3.IntegrityError):
            await store.run(insert, 3, 1)
    assert as_others_see_it(tmp_path) == {1}
    # The store goes on working.
    await store.run(insert, 2)
    assert as_others_see_it(tmp_path) == {1, 2}


async def test_a_cancelled_caller_does_not_cut_a_transaction(
    store: LocalStore, tmp_path: Path
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        insert(connection, 1)
        inside.set()
        go_on.wait(30)
        insert(connection, 2)

    task = asyncio.ensure_future(store.run(slow))
    await asyncio.to_thread(inside.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert as_others_see_it(tmp_path) == set()
    go_on.set()
    assert await store.run(numbers) == {1, 2}


async def test_transactions_come_one_after_the_other(store: LocalStore) -> None:
    def read_and_write(connection: sqlite3.Connection) -> None:
        insert(connection, len(numbers(connection)))

    await asyncio.gather(*[store.run(read_and_write) for _ in range(50)])
    assert await store.run(numbers) == set(range(50))


async def test_the_event_loop_is_not_blocked(store: LocalStore) -> None:
    here = threading.get_ident()
    assert await store.run(lambda _: threading.get_ident()) != here


async def test_files_are_for_their_owner_only(store: LocalStore, tmp_path: Path) -> None:
    await store.run(insert, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600}


async def test_a_commit_survives_a_power_cut(store: LocalStore) -> None:
    """What SQLite promises with these settings (sqlite.org, "Write-Ahead Logging")."""

    def settings(connection: sqlite3.Connection) -> tuple[object, object]:
        [journal] = connection.execute("PRAGMA journal_mode").fetchone()
        [synchronous] = connection.execute("PRAGMA synchronous").fetchone()
        return journal, synchronous

    assert await store.run(settings) == ("wal", 2)


async def test_opening_again_keeps_everything(tmp_path: Path) -> None:
    for n in range(3):
        store = await LocalStore.open(tmp_path / "x.db", SCHEMA)
        await store.run(insert, n)
        await store.close()
    assert as_others_see_it(tmp_path) == {0, 1, 2}


@pytest.mark.parametrize("what", ["missing folder", "a folder", "no database"])
async def test_what_cannot_be_opened(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.db"
    if what == "missing folder":
        path = tmp_path / "missing" / "x.db"
    elif what == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is no database " * 100)
    with pytest.raises(VaultUnreachable, match="cannot open"):
        await LocalStore.open(path, SCHEMA)
    # Its thread ends as well.
    left = [thread for thread in threading.enumerate() if thread.name.startswith("s3gc-x")]
    for thread in left:
        await asyncio.to_thread(thread.join, 30)
    assert [thread for thread in left if thread.is_alive()] == []


# What a process sees that takes SQLite's log away when it closes the file, if nobody has a lock.
ANOTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print([n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")])
connection.close()
"""


async def test_opening_it_twice_keeps_the_locks_of_the_first(
    store: LocalStore, tmp_path: Path
) -> None:
    """Closing any descriptor of a file ends all locks that a process has on it (POSIX, fcntl)."""
    path = tmp_path / "x.db"
    second = await LocalStore.open(path, SCHEMA)
    for number in (1, 2, 3):
        await store.run(insert, number)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ANOTHER, str(path)), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert told.decode().strip() == str(list(range(1, number + 1)))
    await second.close()


async def test_reading_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """A dashboard that looks must not make an operation wait for it."""
    reader = await LocalStore.open(tmp_path / "a.db", SCHEMA)
    reading, may_end = threading.Event(), threading.Event()

    def slowly(connection: sqlite3.Connection) -> list[int]:
        first = [row[0] for row in connection.execute("SELECT n FROM t")]
        reading.set()
        assert may_end.wait(30)
        # One transaction, one picture: what was written meanwhile is not in it.
        assert first == [row[0] for row in connection.execute("SELECT n FROM t")]
        return first

    task = asyncio.create_task(reader.read(slowly))
    assert await asyncio.to_thread(reading.wait, 30)
    with closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as writer:
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()
    may_end.set()
    assert await task == []
    assert await reader.read(lambda c: c.execute("SELECT n FROM t").fetchall()) == [(1,)]
    await reader.close()


@pytest.fixture
def half_made(tmp_path: Path) -> Path:
    """A file as another process has it that is about to make its tables: no log of writes yet."""
    path = tmp_path / "half.db"
    with closing(sqlite3.connect(path)) as first:
        first.execute("CREATE TABLE other (n INTEGER)")
    return path


async def test_an_open_waits_for_another_that_makes_the_file(half_made: Path) -> None:
    with closing(sqlite3.connect(half_made, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(LocalStore.open(half_made, SCHEMA))
        # SQLite's own waiting does not cover this one: without ours it has failed by then.
        await asyncio.wait({opening}, timeout=0.5)
        assert not opening.done()
        first.execute("COMMIT")
    store = await opening
    await store.close()


async def test_an_open_does_not_wait_for_ever(
    half_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.local_store.LOCK_SECONDS", 0.1)
    with closing(sqlite3.connect(half_made, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(VaultUnreachable, match="locked"):
            await LocalStore.open(half_made, SCHEMA)
