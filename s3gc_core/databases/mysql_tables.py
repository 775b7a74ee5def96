"""Which tables of a MySQL database have columns that may hold keys, and samples of them."""

from __future__ import annotations

from collections import defaultdict

import aiomysql

from s3gc_core.databases import naming, sampling
from s3gc_core.databases.mysql_catalogue import (
    BINARY,
    INTEGERS,
    TEXT,
    WITHOUT_KEYS,
    Table,
    quote,
)
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch, limit_statements
from s3gc_core.databases.mysql_pages import Pages, where
from s3gc_core.databases.mysql_rows import ResultRows
from s3gc_core.databases.protocol import ListedTable, Row, TableRead, TextColumn

# The type of a table with system versioning is its own, in MariaDB.
_TABLES = """
    SELECT TABLE_NAME, TABLE_SCHEMA, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_COLUMNS = """
    SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
# The statement's time is up: MariaDB's error, and MySQL's.
_TIME_UP = frozenset({1969, 3024})


async def tables(connection: Connection) -> list[ListedTable]:
    """All tables of this database with columns of any type that may hold a key, even one that we
    cannot read: then who tries to says so. Raises the driver's errors.
    """
    # Joined here: the server would compare the names without regard to letter case.
    columns: defaultdict[str, list[TextColumn]] = defaultdict(list)
    for name, column, kind, full in await fetch(connection, _COLUMNS):
        if str(kind).lower() not in WITHOUT_KEYS:
            columns[name].append(TextColumn(column, str(full)))
    found = await fetch(connection, _TABLES)
    return [
        ListedTable(
            naming.join_name(name),
            naming.join_name(schema, name),
            tuple(columns[name]),
            None if rows is None else int(rows),
            None if size is None else int(size),
        )
        for name, schema, rows, size in sorted(found, key=lambda row: row[:2])
        if columns[name]
    ]


async def sample(
    connection: Connection, name: str, table: Table, read: TableRead, limit: int
) -> list[Row]:
    """Rows from places all over an integer key; where too few have a value, the first that have.

    `name` is what errors call the database. Raises `SourceUnreadable` and the driver's errors.
    """
    kept = sampling.Sample(limit)
    await limit_statements(connection, sampling.STATEMENT_SECONDS)
    try:
        key = table.shape.primary_key
        if key and table.types[key[0]] in INTEGERS:
            await _visit(connection, name, table, read, kept)
        if kept.missing > 0:
            await _collect(connection, name, table, read, f"true LIMIT {limit}", kept)
    except aiomysql.Error as error:
        if error_code(error) not in _TIME_UP:
            raise
    finally:
        if not connection.closed:
            await limit_statements(connection, 0)
    return kept.rows


async def _visit(
    connection: Connection, name: str, table: Table, read: TableRead, kept: sampling.Sample
) -> None:
    key = f"{table.sql_name}.{quote(table.identity[0])}"
    query = f"SELECT MIN({key}), MAX({key}) FROM {table.sql_name}"
    ((least, greatest),) = await fetch(connection, query)
    if least is None:
        return
    for start in sampling.places(int(least), int(greatest)):
        query = f"SELECT {key} FROM {table.sql_name} WHERE {key} >= {start} ORDER BY {key}"
        stop = await fetch(connection, f"{query} LIMIT 1 OFFSET {sampling.PLACE_ROWS}")
        rows = f"{key} >= {start}" + "".join(f" AND {key} < {int(end)}" for (end,) in stop)
        query = f"{rows} ORDER BY {key} LIMIT {kept.at_a_place}"
        await _collect(connection, name, table, read, query, kept)
        if kept.missing <= 0:
            return


async def _collect(
    connection: Connection,
    name: str,
    table: Table,
    read: TableRead,
    which: str,
    kept: sampling.Sample,
) -> None:
    values = ", ".join(_cut(table, column) for column in read.columns)
    identity = ", ".join(map(quote, table.identity))
    tests = " OR ".join(_filled(table, column) for column in read.columns)
    query = (
        f"SELECT {identity}, {values} FROM {table.sql_name}{where(read) or ' WHERE true'}"
        f" AND ({tests}) AND {which}"
    )
    found = await ResultRows.start(connection, query)
    try:
        pages = Pages(name, table, read, found)
        size = naming.PageSize(sampling.FIRST_ROWS)
        while kept.missing > 0 and (rows := pages.page(await found.fetch(size.rows))):
            size.learn(rows)
            kept.add(rows)
        await found.drain()
    finally:
        if not found.ended:
            # Somewhere inside a result: nothing sent now would be understood.
            connection.close()


def _cut(table: Table, column: str) -> str:
    name = quote(column)
    texts = TEXT | BINARY
    return f"LEFT({name}, {sampling.LONGEST_VALUE})" if table.types[column] in texts else name


def _filled(table: Table, column: str) -> str:
    """The column has a value; of the types that lie in the row itself, an empty text is none."""
    short = table.types[column] in {"char", "varchar"}
    return f"{quote(column)} <> ''" if short else f"{quote(column)} IS NOT NULL"
