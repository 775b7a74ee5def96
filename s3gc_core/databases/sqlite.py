"""SQLite as an application database: the file opened read-only, never created, never written.

In WAL mode a read does not hinder the application. In the older rollback-journal mode SQLite lets
nobody commit while somebody reads, so the application's writes wait until a snapshot is closed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.protocol import (
    ListedTable,
    Page,
    Role,
    Row,
    RowId,
    TableRead,
    TableShape,
)
from s3gc_core.databases.sqlite_catalogue import Table, ask, check, quote
from s3gc_core.databases.sqlite_packed import PackedPages, Unpackable
from s3gc_core.databases.sqlite_pages import page, query_for, select, where
from s3gc_core.databases.sqlite_tables import sample, tables

T = TypeVar("T")

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

    async def role(self) -> Role:
        """A file has no other server that is written first."""
        return Role()

    async def oldest_transaction(self) -> datetime | None:
        """None: a file tells nobody of a writer that has not committed."""
        return None

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
            try:
                with self.reaching():
                    # What an error still holds of a read would keep the file locked.
                    await connection.rollback()
            finally:
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


_ANY_TEXT = partial(str, encoding="utf-8", errors="surrogateescape")


class _Connection(sqlite3.Connection):
    """A connection whose texts survive as they are, be they UTF-8 or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text_factory = _ANY_TEXT

    def execute(self, *asked: Any) -> Any:
        """Ask with a cursor that is quick where all texts are UTF-8."""
        return self.cursor(_Cursor).execute(*asked)


class _Cursor(sqlite3.Cursor):
    """Reads texts as UTF-8 in C, a third of the time; from the first that is none on, in Python.

    SQLite's answer is lost then, so it is asked again and what was given already is passed over:
    within one read transaction the same statement gives the same rows in the same order.
    """

    _asked: tuple[Any, ...] = ()
    _given = 0
    _is_utf8 = True

    def execute(self, *asked: Any) -> Any:
        """Remember what was asked, too."""
        self._asked, self._given, self._is_utf8 = asked, 0, True
        return super().execute(*asked)

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """The next rows."""
        found = self._utf8_rows(size) if self._is_utf8 else None
        if found is None:
            found = super().fetchmany(size)
        self._given += len(found)
        return found

    def _utf8_rows(self, size: int | None) -> list[Any] | None:
        """The next rows, or None where a text in them is not UTF-8; then they come next."""
        self.connection.text_factory = str
        try:
            return super().fetchmany(size)
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        finally:
            self.connection.text_factory = _ANY_TEXT
        self._is_utf8 = False
        super().execute(*self._asked)
        for passed in range(0, self._given, naming.PAGE_ROWS):
            super().fetchmany(min(naming.PAGE_ROWS, self._given - passed))
        return None


class SqliteSnapshot:
    """One read transaction's picture of the file."""

    is_remote = False
    lets_go = True
    probes = None

    def __init__(self, database: SqliteDatabase, connection: aiosqlite.Connection) -> None:
        self._database = database
        self._connection = connection
        self._turn = asyncio.Lock()

    async def role(self) -> Role:
        """A file has no other server that is written first."""
        return Role()

    async def describe(self, read: TableRead) -> TableShape:
        """Check table and columns. Raises `SourceMissing`, `SourceUnreadable`."""
        return (await self._check(read)).shape

    async def rows(self, read: TableRead) -> AsyncGenerator[Page, None]:
        """Stream the table in pages.

        Raises `SourceMissing`, `SourceUnreadable`, `DatabaseUnreachable`.
        """
        table = await self._check(read)
        size = naming.PageSize()
        first: int | None = None
        packed = await self._asked(read, partial(PackedPages.of, self._connection, table, read))
        if packed is not None:
            try:
                while rows := await self._asked(read, partial(packed.next, size.rows)):
                    size.learn(rows)
                    yield rows
                return
            except Unpackable:
                first = packed.first
        cursor = await self._asked(read, partial(self._cursor, table, read, first))
        try:
            while found := list(await self._asked(read, partial(cursor.fetchmany, size.rows))):
                rows = page(found, table)
                size.learn(rows)
                yield rows
        finally:
            await cursor.close()

    async def _asked(self, read: TableRead, question: Callable[[], Awaitable[T]]) -> T:
        with self._database.reading(read):
            async with self._turn:
                return await question()

    def lines(self, read: TableRead) -> AsyncGenerator[Page, None]:
        """As `rows`: nothing here comes as lines."""
        return self.rows(read)

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

    async def _cursor(self, table: Table, read: TableRead, first: int | None) -> aiosqlite.Cursor:
        """All rows, or with `first` those from that rowid on."""
        return await self._connection.execute(await self._query(table, read, first))

    async def _query(self, table: Table, read: TableRead, first: int | None) -> str:
        """In the order of the key where the rows lie so, and not by way of an index or a sort."""
        plain = select(table, [quote(column) for column in read.columns]) + where(read)
        if first is not None:
            plain += f"{' AND' if read.where is not None else ' WHERE'} {table.rowid} >= {first}"
        if not table.shape.primary_key:
            return plain
        key = [f"{table.sql_name}.{quote(column)}" for column in table.shape.primary_key]
        ordered = f"{plain} ORDER BY {', '.join(key)}"
        plan = await ask(self._connection, f"EXPLAIN QUERY PLAN {ordered}")
        is_direct = not any(" USING INDEX " in step or "TEMP B-TREE" in step for *_, step in plan)
        return ordered if is_direct else plain
