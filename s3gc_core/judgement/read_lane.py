"""One thread with one read-only connection: readers that never keep a writer waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from s3gc_core.errors import VaultUnreachable

P = ParamSpec("P")
T = TypeVar("T")

# Steps of SQLite's machine between two looks at whether anyone still waits: about a millisecond.
TICK = 20_000
# KiB of pages kept by a connection; the list's memory is promised to stay small.
_CACHE = 4_096


class Superseded(Exception):
    """Nobody waits for this answer any more; it stops in the lane's thread and is dropped."""


class Reading:
    """One short read: a connection within a transaction, and whether anyone still waits."""

    def __init__(self) -> None:
        self.cancelled = False
        self._ticks_left: int | None = None
        self._connection: sqlite3.Connection | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Everything from here to the end is read as of one moment."""
        self.check()
        self._connection = connection
        connection.set_progress_handler(self._tick, TICK)
        connection.execute("BEGIN")

    def execute(self, query: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run a query."""
        if self._connection is None:
            raise RuntimeError("not begun")
        return self._connection.execute(query, parameters)

    def all_within(self, ticks: int, query: str, parameters: Any) -> list[Any] | None:
        """All rows of a query, or None where it takes more than so many ticks."""
        self._ticks_left = ticks
        try:
            return self.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if not _interrupted(error) or self.cancelled:
                raise
            return None
        finally:
            self._ticks_left = None

    def check(self) -> None:
        """Raise `Superseded` where nobody waits any more."""
        if self.cancelled:
            raise Superseded

    def _tick(self) -> bool:
        if self._ticks_left is not None:
            self._ticks_left -= 1
            if self._ticks_left < 0:
                return True
        return self.cancelled


class ReadLane:
    """Runs reads one after the other; a caller that is cancelled ends its read at once."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"s3gc-{name}")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._waited_for: set[Reading] = set()

    async def run(
        self,
        function: Callable[Concatenate[Reading, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(reading, ...)` in the lane's thread.

        Raises `FileNotFoundError` where the file does not exist (yet), `VaultUnreachable` where
        it cannot be read.
        """
        reading = Reading()

        def in_transaction() -> T:
            connection = self._connected()
            try:
                reading.begin(connection)
                return function(reading, *args, **kwargs)
            except sqlite3.Error as error:
                if reading.cancelled:
                    raise Superseded from error
                raise VaultUnreachable(f"cannot read {self._path}: {error}") from error
            finally:
                connection.set_progress_handler(None, 0)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

        self._waited_for.add(reading)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, in_transaction)
        except Superseded as ended:  # by `close`
            raise asyncio.CancelledError from ended
        finally:
            reading.cancelled = True
            self._waited_for.discard(reading)

    async def close(self) -> None:
        """End what runs, close the file and end the thread."""
        for reading in self._waited_for:
            reading.cancelled = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._disconnect)
        self._executor.shutdown(wait=False)

    def _connected(self) -> sqlite3.Connection:
        status = self._path.stat()
        file = (status.st_dev, status.st_ino)
        if self._connection is None or self._file != file:
            # The catalogue may be deleted and rebuilt at any time; the old file lives on unseen.
            self._disconnect()
            self._connection = _connect(self._path)
            self._file = file
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        # Sorts of a million rows spill into a file, not into memory.
        connection.execute("PRAGMA temp_store = FILE")
    except sqlite3.Error as error:
        raise VaultUnreachable(f"cannot open {path}: {error}") from error
    return connection


def _interrupted(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
