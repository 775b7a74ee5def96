"""What the schema of a SQLite file says about a table."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

import aiosqlite

from s3gc_core.databases import naming
from s3gc_core.databases.protocol import TableRead, TableShape

# Strings, and names in double quotes: SQLite reads an unknown name as a string, silently.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?P<name>(?:[^"]|"")*)\"""")


@dataclass(frozen=True, slots=True)
class Table:
    """A checked table: SQL name, and the name that gives its rowid (None: it has none).

    `is_by_rowid`: the rowid is what identifies a row, by itself or as the primary key.
    """

    shape: TableShape
    sql_name: str
    rowid: str | None
    is_by_rowid: bool

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify a row, beside the rowid: the key's, or else all of them."""
        key = self.shape.primary_key
        return key if key or self.rowid else tuple(self.shape.columns)


async def check(connection: aiosqlite.Connection, database: str, read: TableRead) -> Table:
    """Look up what `read` names in the database called `database`.

    Raises `SourceMissing`, `SourceUnreadable`, and SQLite's errors.
    """
    schema, name, is_view = await _find(connection, database, read)
    found = await ask(
        connection,
        "SELECT name, type, pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1",
        name,
        schema,
    )
    columns = {column: kind for column, kind, _ in found}
    for column in read.columns:
        if column not in columns:
            raise naming.missing_column(database, read, column, columns)
    key = tuple(c for _, c in sorted((place, column) for column, _, place in found if place))
    sql_name = f"{quote(schema)}.{quote(name)}"
    rowid = None if is_view else await _rowid(connection, sql_name, columns)
    if read.where is not None:
        _check_quotes(database, read, {*columns, name, schema})
    if key:
        words = f"primary key {', '.join(key)}"
    else:
        words = "rowid" if rowid else "SHA-256 of the whole row"
        words += " (no primary key)"
    shape = TableShape(read.table, naming.join_name(schema, name), columns, key, words)
    is_by_rowid = rowid is not None and not (key and await _has_key_index(connection, schema, name))
    return Table(shape, sql_name, rowid, is_by_rowid)


async def _find(
    connection: aiosqlite.Connection, database: str, read: TableRead
) -> tuple[str, str, bool]:
    """Schema, table, and whether it is a view."""
    parts = naming.split_name(read.table)
    schema = parts[0] if len(parts) > 1 else "main"
    known = [row[0] for row in await ask(connection, "SELECT name FROM pragma_database_list")]
    if len(parts) > 2 or schema not in known:
        raise naming.missing_table(database, read, ())
    tables = await ask(
        connection,
        f"SELECT name, type FROM {quote(schema)}.sqlite_master WHERE type IN ('table', 'view')",
    )
    for name, kind in tables:
        if name == parts[-1]:
            return schema, name, kind == "view"
    prefix = f"{schema}." if len(parts) > 1 else ""
    raise naming.missing_table(database, read, [f"{prefix}{name}" for name, _ in tables])


async def _rowid(
    connection: aiosqlite.Connection, sql_name: str, columns: dict[str, str]
) -> str | None:
    """The name of the table's rowid that no column hides; None where it has no rowid."""
    taken = {column.lower() for column in columns}
    for name in ("rowid", "_rowid_", "oid"):
        if name in taken:
            continue
        try:
            await ask(connection, f"SELECT {name} FROM {sql_name} LIMIT 0")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return None  # WITHOUT ROWID
        return name
    return None


async def _has_key_index(connection: aiosqlite.Connection, schema: str, name: str) -> bool:
    """Whether the primary key has an index; it has none where it is the rowid (SQLite manual)."""
    found = await ask(
        connection, "SELECT 1 FROM pragma_index_list(?, ?) WHERE origin = 'pk'", name, schema
    )
    return bool(found)


def _check_quotes(database: str, read: TableRead, known: set[str]) -> None:
    """Refuse a misspelt "column" in `where`: SQLite would compare with its name instead."""
    lower = {name.lower() for name in known}
    for match in _QUOTED.finditer(read.where or ""):
        name = match["name"]
        if name is not None and name.replace('""', '"').lower() not in lower:
            detail = f'"{name}" is no column of it, and SQLite would take it for a text'
            raise naming.unreadable(database, read, detail)


async def ask(connection: aiosqlite.Connection, query: str, *arguments: str) -> list[Any]:
    """All rows of one small query. Raises SQLite's errors."""
    return list(await connection.execute_fetchall(query, arguments))


def quote(name: str) -> str:
    """A name between quotes."""
    return '"' + name.replace('"', '""') + '"'
