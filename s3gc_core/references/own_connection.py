"""A connection to `registry.db` of its own, in a thread of its own, for what takes as long as
reading a database does: the registry answers meanwhile as it was.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from s3gc_core.parallel import to_the_end

P = ParamSpec("P")
T = TypeVar("T")

# KiB of pages kept in memory by the file's and by the temporary tables' cache.
_CACHE = 24 * 1024
_BUSY_SECONDS = 30
# The same for who writes all the time: edges of random keys lie all over the index.
_DURABLE_CACHE = 64 * 1024


class OwnConnection:
    """One connection with a thread of its own."""

    def __init__(self, connection: sqlite3.Connection, executor: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._executor = executor

    async def run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` in the thread."""

        def in_thread() -> T:
            return function(self._connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, in_thread)

    async def begin_to_write(self) -> None:
        """Begin a transaction, for as long as somebody else writes: a load may take minutes."""
        while not await self.run(_begin_to_write):
            pass

    @classmethod
    @asynccontextmanager
    async def reading(
        cls, path: Path, *, attach: Path | None = None
    ) -> AsyncIterator[OwnConnection]:
        """Everything is read as of one moment; only temporary tables can be written.

        The file to `attach`, likewise read only, is `attached` in queries.
        """
        async with cls._opened(path, "ro") as own:
            if attach is not None:
                await own.run(_attach, attach)
            await own.run(_begin, "BEGIN")
            yield own

    @classmethod
    @asynccontextmanager
    async def writing(cls, path: Path) -> AsyncIterator[OwnConnection]:
        """What is written counts when the block ends without an error, and then as a whole.

        Waits for as long as somebody else writes. Who commits within the block begins again.
        """
        async with cls._opened(path, "rw") as own:
            await own.begin_to_write()
            try:
                yield own
            except BaseException:
                # Nobody waits any more for what may still run, such as the making of an index.
                own._connection.interrupt()
                await to_the_end(own.run(_roll_back))
                raise
            await to_the_end(own.run(_commit))

    @classmethod
    @asynccontextmanager
    async def durable(cls, path: Path) -> AsyncIterator[OwnConnection]:
        """Its user begins and ends transactions. What was committed survives a power cut.

        Beginning to write raises `sqlite3.OperationalError` at once while others write.
        """
        async with cls._opened(path, "rw") as own:
            await own.run(_make_durable)
            yield own

    @classmethod
    @asynccontextmanager
    async def _opened(cls, path: Path, mode: str) -> AsyncIterator[OwnConnection]:
        executor = ThreadPoolExecutor(1, thread_name_prefix="s3gc-registry-own")
        try:
            loop = asyncio.get_running_loop()
            opening = loop.run_in_executor(executor, _connect, path, mode)
            own = cls(await opening, executor)
            try:
                yield own
            finally:
                await to_the_end(own.run(sqlite3.Connection.close))
        finally:
            executor.shutdown(wait=False)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA temp_store = FILE")
    for schema in ("main", "temp"):
        connection.execute(f"PRAGMA {schema}.cache_size = -{_CACHE}")
    # An index of millions of hashes is sorted by a second thread.
    connection.execute("PRAGMA threads = 1")
    return connection


def _make_durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 0")
    # Small commits by the thousand: a checkpoint after each of a few pages would double their cost.
    connection.execute("PRAGMA wal_autocheckpoint = 10000")
    connection.execute(f"PRAGMA main.cache_size = -{_DURABLE_CACHE}")


def _attach(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("ATTACH ? AS attached", (f"{path.absolute().as_uri()}?mode=ro",))
    connection.execute(f"PRAGMA attached.cache_size = -{_CACHE}")


def _begin_to_write(connection: sqlite3.Connection) -> bool:
    try:
        _begin(connection, "BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _begin(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute(statement)
    # The first read takes the snapshot.
    for schema in [row[1] for row in connection.execute("PRAGMA database_list")]:
        connection.execute(f"SELECT count(*) FROM {schema}.sqlite_schema").fetchall()


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")
    # What was loaded goes from the log into the file, unless a reader still needs it there.
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _roll_back(connection: sqlite3.Connection) -> None:
    # SQLite ends some transactions itself when it fails, such as on a full disk.
    if connection.in_transaction:
        connection.execute("ROLLBACK")
