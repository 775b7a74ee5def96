"""One SQLite file of ours, one thread: whole-batch functions run there, never in the event loop."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from s3gc_core.errors import NetworkFileSystem, VaultUnreachable

P = ParamSpec("P")
T = TypeVar("T")

# SQLite's locking and fsync promises do not hold there (sqlite.org, "How To Corrupt").
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"}
    | {"fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.goofys", "davfs"}
)

# How long an open or a write waits for another process that has the file locked.
LOCK_SECONDS = 30.0

# How the kernel writes space, tab, newline and backslash in a mount point.
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_of(path: Path, mountinfo: str) -> str:
    """Type of the file system that holds `path`, from the text of /proc/self/mountinfo.

    The longest mount point that is a parent of `path` wins; the last of equals covers the others.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), left.split()[4]))
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), right.split()[0]
    return kind


def refuse_network_file_system(folder: Path) -> None:
    """Raise `NetworkFileSystem` where `folder` is not on a local disk (only Linux can tell)."""
    table = Path("/proc/self/mountinfo")
    if not table.exists():
        return
    kind = file_system_of(folder.resolve(), table.read_text(errors="surrogateescape"))
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystem(f"{folder} is on a network file system ({kind})")


class LocalStore:
    """A SQLite database used from one thread of its own, with a write-ahead log."""

    def __init__(self, connection: sqlite3.Connection, executor: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._executor = executor

    @classmethod
    async def open(cls, path: Path, schema: str = "", *, durable: bool = True) -> LocalStore:
        """Open or create `path` (0600) and bring it to `schema` (idempotent DDL).

        `durable`: a commit that returned survives a power cut. Otherwise the last ones may be
        lost, never half of one: enough for what can be rebuilt.
        """
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"s3gc-{path.stem}")
        loop = asyncio.get_running_loop()
        try:
            connection = await loop.run_in_executor(executor, _connect, path, schema, durable)
        except BaseException as error:
            executor.shutdown(wait=False)
            if isinstance(error, (OSError, sqlite3.Error)):
                raise VaultUnreachable(f"cannot open {path}: {error}") from error
            raise
        return cls(connection, executor)

    async def run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` in the store's thread, in one transaction.

        Commits when it returns, rolls back when it raises. A caller that is cancelled does not
        stop it: the transaction ends one way or the other.
        """
        return await self._in_transaction("BEGIN IMMEDIATE", function, *args, **kwargs)

    async def read(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `run`, for a function that only reads: it keeps no other process from writing."""
        return await self._in_transaction("BEGIN DEFERRED", function, *args, **kwargs)

    async def _in_transaction(
        self,
        begin: str,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def in_transaction() -> T:
            self._connection.execute(begin)
            try:
                result = function(self._connection, *args, **kwargs)
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite ends some transactions itself when it fails, such as on a full disk.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return result

        return await asyncio.get_running_loop().run_in_executor(self._executor, in_transaction)

    async def close(self) -> None:
        """Close the file and end the thread."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._connection.close)
        self._executor.shutdown(wait=False)


def _connect(path: Path, schema: str, durable: bool) -> sqlite3.Connection:
    refuse_network_file_system(path.parent)
    # Created by us first, so that SQLite's side files inherit 0600 from it.
    # Never opened by us where it is there: closing it again would end all locks that this process
    # has on it, and another process that closes it would take SQLite's log away under us.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=LOCK_SECONDS, check_same_thread=False
    )
    _write_ahead(connection)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = FILE")
    connection.executescript(schema)
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log, once nobody else is in it.

    SQLite waits for locks by itself everywhere else; the switch reads first and then asks for
    more, where waiting could be for one another, so there it fails at once.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
