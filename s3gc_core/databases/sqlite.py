"""SQLite as an application database: the file opened read-only, never created, never written.

In WAL mode a read does not hinder the application. In the older rollback-journal mode SQLite lets
nobody commit while somebody reads, so the application's writes wait until a snapshot is closed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.protocol import ListedTable, Row, RowId, TableRead, TableShape
from s3gc_core.databases.sqlite_catalogue import Table, ask, check, quote
from s3gc_core.databases.sqlite_pages import page, query_for, select, where
from s3gc_core.databases.sqlite_tables import sample, tables

# How long to wait for a writer that holds the file.
BUSY_TIMEOUT_SECONDS = 10.0
# Primary result codes that are about the statement; all others are about the file or the disk.
_STATEMENT_CODES = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})


class SqliteDatabase:
    """One SQLite file. Every snapshot is a connection of its own, in a thread of its own."""

    def __init__(self, url: DatabaseUrl, name: str) -> None:
        self.name = name
        self._url = url

    @property
    def address(self) -> str:
        """The file's URL."""
        return self._url.redacted

    async def identity(self) -> str:
        """The file's path with all links resolved. Raises `DatabaseUnreachable`."""
        async with self.snapshot():
            return f"sqlite:{Path(self._url.database).resolve()}"

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteSnapshot]:
        """A new read-only connection in one read transaction. Raises `DatabaseUnreachable`."""
        uri = f"{Path(self._url.database).absolute().as_uri()}?mode=ro"
        with self.reaching():
            connection = await aiosqlite.connect(
                uri,
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                factory=_Connection,
            )
        try:
            with self.reaching():
                await connection.execute("PRAGMA query_only = ON")
                await connection.execute("BEGIN")
                # The first read takes the snapshot.
                async with connection.execute("SELECT count(*) FROM sqlite_master") as cursor:
                    await cursor.fetchone()
            yield SqliteSnapshot(self, connection)
        finally:
            # A cancelled read may still run in the connection's thread.
            await connection.interrupt()
            await connection.close()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn SQLite's errors into `DatabaseUnreachable`."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise naming.unreachable(self.address, error) from error

    @contextmanager
    def reading(self, read: TableRead) -> Iterator[None]:
        """Turn SQLite's errors into ours, naming what was read."""
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", -1) & 0xFF in _STATEMENT_CODES:
                raise naming.unreadable(self.name, read, str(error)) from error
            raise naming.unreachable(self.address, error) from error


class _Connection(sqlite3.Connection):
    """A connection whose texts survive as they are, be they UTF-8 or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")


class SqliteSnapshot:
    """One read transaction's picture of the file."""

    def __init__(self, database: SqliteDatabase, connection: aiosqlite.Connection) -> None:
        self._database = database
        self._connection = connection
        self._turn = asyncio.Lock()

    async def describe(self, read: TableRead) -> TableShape:
        """Check table and columns. Raises `SourceMissing`, `SourceUnreadable`."""
        return (await self._check(read)).shape

    async def rows(self, read: TableRead) -> AsyncGenerator[Sequence[Row], None]:
        """Stream the table in pages.

        Raises `SourceMissing`, `SourceUnreadable`, `DatabaseUnreachable`.
        """
        table = await self._check(read)
        with self._database.reading(read):
            async with self._turn:
                cursor = await self._connection.execute(await self._query(table, read))
        size = naming.PageSize()
        try:
            while True:
                with self._database.reading(read):
                    async with self._turn:
                        found = list(await cursor.fetchmany(size.rows))
                if not found:
                    return
                rows = page(found, table)
                size.learn(rows)
                yield rows
        finally:
            await cursor.close()

    async def tables(self) -> list[ListedTable]:
        """The tables with columns that may hold text. Raises `DatabaseUnreachable`."""
        with self._database.reaching():
            async with self._turn:
                return await tables(self._connection)

    async def sample(self, read: TableRead, limit: int) -> list[Row]:
        """Rows with a value, from places all over the table. Raises what `rows` raises."""
        table = await self._check(read)
        with self._database.reading(read):
            async with self._turn:
                return await sample(self._connection, table, read, limit)

    async def query_for(self, read: TableRead, row: RowId) -> str:
        """The SQL that shows one row. Raises what `describe` raises."""
        return query_for(await self._check(read), read, row)

    async def _check(self, read: TableRead) -> Table:
        with self._database.reading(read):
            async with self._turn:
                return await check(self._connection, self._database.name, read)

    async def _query(self, table: Table, read: TableRead) -> str:
        """In the order of the key where the rows lie so, and not by way of an index or a sort."""
        plain = select(table, [quote(column) for column in read.columns]) + where(read)
        if not table.shape.primary_key:
            return plain
        key = [f"{table.sql_name}.{quote(column)}" for column in table.shape.primary_key]
        ordered = f"{plain} ORDER BY {', '.join(key)}"
        plan = await ask(self._connection, f"EXPLAIN QUERY PLAN {ordered}")
        is_direct = not any(" USING INDEX " in step or "TEMP B-TREE" in step for *_, step in plan)
        return ordered if is_direct else plain
