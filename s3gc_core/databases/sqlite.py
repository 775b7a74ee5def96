"""SQLite as an application database: the file opened read-only, never created, never written.

In WAL mode a read does not hinder the application. In the older rollback-journal mode SQLite lets
nobody commit while somebody reads, so the application's writes wait until a snapshot is closed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.protocol import Row, RowId, TableRead, TableShape, Value

# How long to wait for a writer that holds the file.
BUSY_TIMEOUT_SECONDS = 10.0
# Primary result codes that are about the statement; all others are about the file or the disk.
_STATEMENT_CODES = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})
# Strings, and names in double quotes: SQLite reads an unknown name as a string, silently.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?P<name>(?:[^"]|"")*)\"""")


@dataclass(frozen=True, slots=True)
class _Table:
    """A checked table: SQL name, key columns, the name that gives its rowid, all its columns."""

    shape: TableShape
    sql_name: str
    rowid: str | None


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
        with self._reaching():
            connection = await aiosqlite.connect(
                uri,
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                factory=_Connection,
            )
        try:
            with self._reaching():
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
    def _reaching(self) -> Iterator[None]:
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
        self.text_factory = _text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class SqliteSnapshot:
    """One read transaction's picture of the file."""

    def __init__(self, database: SqliteDatabase, connection: aiosqlite.Connection) -> None:
        self._database = database
        self._connection = connection

    async def describe(self, read: TableRead) -> TableShape:
        """Check table and columns. Raises `SourceMissing`, `SourceUnreadable`."""
        with self._database.reading(read):
            return (await self._check(read)).shape

    async def rows(self, read: TableRead) -> AsyncGenerator[Sequence[Row], None]:
        """Stream the table in pages.

        Raises `SourceMissing`, `SourceUnreadable`, `DatabaseUnreachable`.
        """
        with self._database.reading(read):
            table = await self._check(read)
            rowid = [table.rowid] if table.rowid is not None else []
            key = table.shape.primary_key
            identity = list(key) if key or rowid else list(table.shape.columns)
            names = [*rowid, *(_quote(column) for column in [*identity, *read.columns])]
            query = f"SELECT {', '.join(names)} FROM {table.sql_name}"
            if read.where is not None:
                # The line break keeps a trailing comment from swallowing the bracket.
                query += f" WHERE ({read.where}\n)"
            cursor = await self._connection.execute(query)
        size = naming.PageSize()
        try:
            while True:
                with self._database.reading(read):
                    found = list(await cursor.fetchmany(size.rows))
                if not found:
                    return
                page = [_row(tuple(row), len(rowid), len(identity), bool(key)) for row in found]
                size.learn(page)
                yield page
        finally:
            await cursor.close()

    async def _check(self, read: TableRead) -> _Table:
        database = self._database.name
        schema, name, is_view = await self._find(read)
        found = await self._ask(
            "SELECT name, type, pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1", name, schema
        )
        columns = {column: kind for column, kind, _ in found}
        for column in read.columns:
            if column not in columns:
                raise naming.missing_column(database, read, column, columns)
        key = tuple(c for _, c in sorted((place, column) for column, _, place in found if place))
        sql_name = f"{_quote(schema)}.{_quote(name)}"
        rowid = None if is_view else await self._rowid(sql_name, columns)
        if read.where is not None:
            self._check_quotes(read, {*columns, name, schema})
        if key:
            words = f"primary key {', '.join(key)}"
        else:
            words = "rowid" if rowid else "SHA-256 of the whole row"
            words += " (no primary key)"
        return _Table(TableShape(read.table, columns, key, words), sql_name, rowid)

    async def _find(self, read: TableRead) -> tuple[str, str, bool]:
        """Schema, table, and whether it is a view."""
        parts = naming.split_name(read.table)
        schema = parts[0] if len(parts) > 1 else "main"
        known = [row[0] for row in await self._ask("SELECT name FROM pragma_database_list")]
        if len(parts) > 2 or schema not in known:
            raise naming.missing_table(self._database.name, read, ())
        tables = await self._ask(
            f"SELECT name, type FROM {_quote(schema)}.sqlite_master WHERE type IN ('table', 'view')"
        )
        for name, kind in tables:
            if name == parts[-1]:
                return schema, name, kind == "view"
        prefix = f"{schema}." if len(parts) > 1 else ""
        raise naming.missing_table(
            self._database.name, read, [f"{prefix}{name}" for name, _ in tables]
        )

    async def _rowid(self, sql_name: str, columns: dict[str, str]) -> str | None:
        """The name of the table's rowid that no column hides; None where it has no rowid."""
        taken = {column.lower() for column in columns}
        for name in ("rowid", "_rowid_", "oid"):
            if name in taken:
                continue
            try:
                await self._ask(f"SELECT {name} FROM {sql_name} LIMIT 0")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                    raise
                return None  # WITHOUT ROWID
            return name
        return None

    def _check_quotes(self, read: TableRead, known: set[str]) -> None:
        """Refuse a misspelt "column" in `where`: SQLite would compare with its name instead."""
        lower = {name.lower() for name in known}
        for match in _QUOTED.finditer(read.where or ""):
            name = match["name"]
            if name is not None and name.replace('""', '"').lower() not in lower:
                detail = f'"{name}" is no column of it, and SQLite would take it for a text'
                raise naming.unreadable(self._database.name, read, detail)

    async def _ask(self, query: str, *arguments: str) -> list[Any]:
        return list(await self._connection.execute_fetchall(query, arguments))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(row: tuple[Any, ...], rowids: int, identities: int, keyed: bool) -> Row:
    key = row[rowids : rowids + identities]
    values = tuple(_value(value) for value in row[rowids + identities :])
    identity: RowId
    if keyed and None not in key:
        identity = naming.row_id([_key_part(part) for part in key])
    elif keyed and rowids:
        # SQLite lets a primary key be NULL, in several rows at once.
        identity = f"rowid:{row[0]}"
    elif rowids:
        identity = row[0]
    else:
        identity = naming.row_hash(key)
    return Row(identity, values)


def _value(value: Any) -> Value:
    """SQLite types each value, not the column: numbers become their text."""
    if value is None or isinstance(value, str | bytes):
        return value
    return repr(value)


def _key_part(part: Any) -> RowId:
    if isinstance(part, int):
        return part
    if isinstance(part, bytes):
        return f"x'{part.hex()}'"
    # A row's name is shown and stored as UTF-8, so bytes that are not become visible escapes.
    return str(part).encode("utf-8", "backslashreplace").decode()
