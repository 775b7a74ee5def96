"""Which tables of a SQLite file have text-like columns, and samples of them."""

from __future__ import annotations

import re
import sqlite3
import time
from itertools import groupby

import aiosqlite

from s3gc_core.databases import naming, sampling
from s3gc_core.databases.protocol import ListedTable, Row, TableRead, TextColumn
from s3gc_core.databases.sqlite_catalogue import Table, ask, quote
from s3gc_core.databases.sqlite_pages import page, select, where

# Declared types are only hints. Columns of these are listed where they do hold text: something that
# is neither a number nor a time. Those of any other type, or of none, are listed anyway.
_NO_TEXT = re.compile(
    r"\s*(TINY|SMALL|MEDIUM|BIG|UNSIGNED\s+BIG\s+)?INT(EGER|2|4|8)?\b"
    r"|\s*(REAL|DOUBLE|FLOAT|NUMERIC|NUMBER|DECIMAL|BOOL|BOOLEAN|DATE|DATETIME|TIME|TIMESTAMP)\b",
    re.IGNORECASE,
)
# A character that stands in no number, date or time.
_NO_NUMBER = "*[^-0-9:., +TZ]*"
# Columns that are looked at in one query: SQLite takes 2,000 results at most.
_TESTS = 500
# The module of a virtual table is not built into this SQLite.
_NO_MODULE = re.compile("no such module")
# Steps of SQLite's machine between two looks at the clock.
_STEPS = 20_000


async def tables(connection: aiosqlite.Connection) -> list[ListedTable]:
    """All tables with text-like columns, an equal part of the file's size each. Raises SQLite's
    errors.
    """
    names = await ask(
        connection,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name",
    )
    estimates = await _estimates(connection)
    size = await _bytes(connection)
    listed = []
    for (name,) in names:
        found = await _columns(connection, name)
        numbers = [column for column, kind in found if _NO_TEXT.match(kind)]
        without = set(numbers) - await _with_text(connection, name, numbers)
        columns = tuple(TextColumn(*column) for column in found if column[0] not in without)
        if columns:
            canonical = naming.join_name("main", name)
            rows = estimates.get(name)
            share = size // len(names)
            listed.append(ListedTable(naming.join_name(name), canonical, columns, rows, share))
    return listed


async def _bytes(connection: aiosqlite.Connection) -> int:
    """Of the whole file: which table takes what would only be known from reading all of it."""
    pages = await ask(connection, "SELECT page_count FROM pragma_page_count('main')")
    sizes = await ask(connection, "SELECT page_size FROM pragma_page_size('main')")
    return int(pages[0][0]) * int(sizes[0][0])


async def _columns(connection: aiosqlite.Connection, table: str) -> list[tuple[str, str]]:
    query = "SELECT name, type FROM pragma_table_xinfo(?, 'main') WHERE hidden <> 1"
    try:
        return [(name, kind) for name, kind in await ask(connection, query, table)]
    except sqlite3.OperationalError as error:
        if not _NO_MODULE.search(str(error)):
            raise
        # What such a virtual table stores lies in ordinary tables, which are listed.
        return []


async def _with_text(connection: aiosqlite.Connection, table: str, columns: list[str]) -> set[str]:
    """Those of the columns with a value that is text after all, in one pass of the table."""
    found: set[str] = set()
    for start in range(0, len(columns), _TESTS):
        some = columns[start : start + _TESTS]
        tests = (
            f"max(typeof({name}) = 'blob'"
            f" OR typeof({name}) = 'text' AND {name} GLOB '{_NO_NUMBER}')"
            for name in map(quote, some)
        )
        [told] = await ask(connection, f"SELECT {', '.join(tests)} FROM main.{quote(table)}")
        found |= {name for name, is_text in zip(some, told, strict=True) if is_text}
    return found


async def _estimates(connection: aiosqlite.Connection) -> dict[str, int]:
    """What the last ANALYZE counted: the first number of each index, the greatest of a table."""
    query = "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_stat1'"
    if not await ask(connection, query):
        return {}
    found = await ask(connection, "SELECT tbl, stat FROM main.sqlite_stat1 ORDER BY tbl")
    return {
        table: max(int(str(stat).split()[0]) for _, stat in stats)
        for table, stats in groupby(found, key=lambda row: str(row[0]))
    }


async def sample(
    connection: aiosqlite.Connection, table: Table, read: TableRead, limit: int
) -> list[Row]:
    """Rows from places all over the rowids; where too few have a value, the first that have.

    Nothing else may use the connection meanwhile. Raises SQLite's errors.
    """
    kept = sampling.Sample(limit)
    end = time.monotonic() + sampling.STATEMENT_SECONDS
    await connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
    try:
        if table.rowid is not None:
            await _visit(connection, table, read, kept)
        if kept.missing > 0:
            await _collect(connection, table, read, f"LIMIT {limit}", kept)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_INTERRUPT:
            raise
        # The time is up: what was found until then is the sample.
    finally:
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
    return kept.rows


async def _visit(
    connection: aiosqlite.Connection, table: Table, read: TableRead, kept: sampling.Sample
) -> None:
    rowid, source = table.rowid, table.sql_name
    # Each alone is a look at one end; both in one query are a scan.
    ends = f"SELECT (SELECT min({rowid}) FROM {source}), (SELECT max({rowid}) FROM {source})"
    ((least, greatest),) = await ask(connection, ends)
    if least is None:
        return
    for start in sampling.places(least, greatest):
        query = f"SELECT {rowid} FROM {source} WHERE {rowid} >= {start} ORDER BY {rowid}"
        stop = await ask(connection, f"{query} LIMIT 1 OFFSET {sampling.PLACE_ROWS}")
        rows = f"AND {rowid} >= {start}" + "".join(f" AND {rowid} < {end}" for (end,) in stop)
        which = f"{rows} ORDER BY {rowid} LIMIT {kept.at_a_place}"
        await _collect(connection, table, read, which, kept)
        if kept.missing <= 0:
            return


async def _collect(
    connection: aiosqlite.Connection,
    table: Table,
    read: TableRead,
    which: str,
    kept: sampling.Sample,
) -> None:
    # An empty text is no value; and `substr` leaves bytes bytes.
    tests = " OR ".join(f"{quote(column)} <> ''" for column in read.columns)
    cut = [f"substr({quote(column)}, 1, {sampling.LONGEST_VALUE})" for column in read.columns]
    query = f"{select(table, cut)}{where(read) or ' WHERE true'} AND ({tests}) {which}"
    size = naming.PageSize(sampling.FIRST_ROWS)
    async with connection.execute(query) as cursor:
        while kept.missing > 0 and (found := list(await cursor.fetchmany(size.rows))):
            rows = page(found, table)
            size.learn(rows)
            kept.add(rows)
