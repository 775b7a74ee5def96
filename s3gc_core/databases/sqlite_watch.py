"""Whether a SQLite file is what it was, at the price of some microseconds."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.following import FileVersion
from s3gc_core.databases.naming import unreachable


class SqliteWatch:
    """See `FileWatch`. `PRAGMA data_version` changes with what other connections commit."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._path = Path(url.database).absolute()
        self._address = url.redacted
        self._connection: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None

    async def version(self) -> FileVersion:
        """See `FileWatch`. A file that was put in the place of another has another inode."""
        try:
            stat = await asyncio.to_thread(os.stat, self._path)
            if self._file != (stat.st_dev, stat.st_ino):
                # The connection would go on to look at the file that was there before.
                await self.close()
                self._connection = await aiosqlite.connect(
                    f"{self._path.as_uri()}?mode=ro", uri=True
                )
                self._file = stat.st_dev, stat.st_ino
            assert self._connection is not None  # noqa: S101 - opened with the first file seen
            async with self._connection.execute("PRAGMA data_version") as cursor:
                [version] = await cursor.fetchone() or (0,)
        except (sqlite3.Error, OSError) as error:
            raise unreachable(self._address, error) from error
        return FileVersion(int(version), *self._file)

    async def close(self) -> None:
        """Look no more."""
        connection, self._connection, self._file = self._connection, None, None
        if connection is not None:
            await connection.close()


@asynccontextmanager
async def watch(url: DatabaseUrl) -> AsyncIterator[SqliteWatch]:
    """Look at a file until the block ends."""
    watching = SqliteWatch(url)
    try:
        yield watching
    finally:
        await watching.close()
