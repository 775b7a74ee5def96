"""What the catalogue of MySQL or MariaDB says about a table, and what the server lets us read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiomysql

from s3gc_core.databases import naming
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch
from s3gc_core.databases.protocol import TableRead, TableShape

CATALOGUE_TIMEOUT_SECONDS = 60.0

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json"})
_NUMBERS = INTEGERS | {"bit", "decimal", "float", "double"}
_TIMES = frozenset({"date", "time", "datetime", "timestamp", "year"})
_SHAPES = frozenset({"geometry", "point", "linestring", "polygon", "multipoint"}) | {
    *("multilinestring", "multipolygon", "geometrycollection", "geomcollection", "vector")
}
# In no value of these can a key stand. Of a type that nobody here knows it may.
WITHOUT_KEYS = _NUMBERS | _TIMES | _SHAPES
_WITH_TEXT = TEXT | BINARY | _NUMBERS | _TIMES | {"enum", "set", "uuid", "inet4", "inet6"}

# Server error numbers (MySQL manual, "Server Error Message Reference").
NO_RIGHT = frozenset({1044, 1142, 1143, 1227, 1345, 1370})
_MISSING = frozenset({1049, 1051, 1109, 1146})
_UNKNOWN_COLUMN = 1054


@dataclass(frozen=True, slots=True)
class Table:
    """A checked table: SQL name, the columns that identify a row (all of them: `hashed`), types."""

    shape: TableShape
    sql_name: str
    identity: tuple[str, ...]
    hashed: bool
    types: dict[str, str]


async def check(connection: Connection, name: str, read: TableRead) -> Table:
    """Look up what `read` names in the database called `name`.

    Raises `SourceMissing`, `RightMissing`, `SourceUnreadable`, and the driver's errors.
    """
    async with asyncio.timeout(CATALOGUE_TIMEOUT_SECONDS):
        schema, table, engine = await _find(connection, name, read)
        types, full_types, key = await _columns(connection, schema, table)
        sql_name = f"{quote(schema)}.{quote(table)}"
        identity = key or tuple(types)
        await _probe(connection, name, read, sql_name, (*read.columns, *identity), types)
        for column in read.columns:
            if column not in types:  # the server ignores letter case, a source's name does not
                raise naming.missing_column(name, read, column, types)
            if types[column] not in _WITH_TEXT:
                raise naming.unfaithful(name, read, column, full_types[column])
        if engine is not None and not await _is_transactional(connection, engine):
            detail = f"its storage engine {engine} has no consistent snapshot; InnoDB has"
            raise naming.unreadable(name, read, detail)
    words = f"primary key {', '.join(key)}" if key else "SHA-256 of the whole row (no primary key)"
    shape = TableShape(read.table, naming.join_name(schema, table), full_types, key, words)
    return Table(shape, sql_name, identity, not key, types)


async def _find(connection: Connection, name: str, read: TableRead) -> tuple[str, str, str | None]:
    """Schema, table and storage engine (None for a view)."""
    parts = naming.split_name(read.table)
    wanted = parts[-1]
    schema = parts[0] if len(parts) > 1 else (await fetch(connection, "SELECT DATABASE()"))[0][0]
    query = "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
    if len(parts) < 3:
        for table, engine in await fetch(
            connection, f"{query} AND TABLE_NAME = %s", schema, wanted
        ):
            return schema, table, engine
        # A table on which we have no right at all is not in the catalogue.
        await _probe(connection, name, read, f"{quote(schema)}.{quote(wanted)}", (), ())
    existing = [table for table, _ in await fetch(connection, f"{query} LIMIT 5000", schema)]
    if len(parts) > 1:
        existing = [f"{schema}.{table}" for table in existing]
    raise naming.missing_table(name, read, existing)


async def _columns(
    connection: Connection, schema: str, table: str
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Plain types, full types, and the primary key's columns in their order."""
    columns = await fetch(
        connection,
        "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        schema,
        table,
    )
    key = await fetch(
        connection,
        "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
        schema,
        table,
    )
    types = {column: str(kind).lower() for column, kind, _ in columns}
    return types, {column: full for column, _, full in columns}, tuple(c for (c,) in key)


async def _probe(
    connection: Connection,
    name: str,
    read: TableRead,
    sql_name: str,
    columns: tuple[str, ...],
    known: Iterable[str],
) -> None:
    """Ask the server itself whether we may read; it alone knows roles and column rights.

    All columns at once; where that fails, one by one, so that the error can name the column.
    """
    try:
        wanted = ", ".join(quote(column) for column in columns) or "1"
        await fetch(connection, f"SELECT {wanted} FROM {sql_name} LIMIT 0")
    except aiomysql.Error as error:
        code, detail = error_code(error), str(error.args[-1])
        if len(columns) > 1:
            for column in columns:
                await _probe(connection, name, read, sql_name, (column,), known)
        only = columns[0] if len(columns) == 1 else None
        if code in NO_RIGHT:
            raise naming.right_missing(name, read, "SELECT", column=only, detail=detail) from error
        if code == _UNKNOWN_COLUMN and only is not None:
            raise naming.missing_column(name, read, only, known) from error
        if code not in _MISSING:
            raise


async def _is_transactional(connection: Connection, engine: str) -> bool:
    query = "SELECT TRANSACTIONS FROM information_schema.ENGINES WHERE ENGINE = %s"
    return any(answer == "YES" for (answer,) in await fetch(connection, query, engine))


def quote(name: str) -> str:
    """A name between backticks."""
    return "`" + name.replace("`", "``") + "`"
