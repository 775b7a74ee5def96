"""Reading single rows of a MySQL table again, by their identities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from s3gc_core.databases import naming
from s3gc_core.databases.mysql import MysqlDatabase
from s3gc_core.databases.mysql_catalogue import Table, check
from s3gc_core.databases.mysql_connection import Connection, fetch, limit_statements
from s3gc_core.databases.mysql_pages import Pages, condition, select
from s3gc_core.databases.mysql_rows import ResultRows
from s3gc_core.databases.protocol import Page, RowId, TableRead

# Identities of one statement.
CHUNK = 300
STATEMENT_TIMEOUT_SECONDS = 600.0
_SESSION = (
    "SET SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


async def lookup(
    database: MysqlDatabase, connection: Connection, read: TableRead, ids: Sequence[RowId]
) -> AsyncIterator[Page]:
    """The rows with these identities, in one new snapshot of a connection that is then used up.

    Raises what `Snapshot.rows` raises.
    """
    with database.reading(read):
        await limit_statements(connection, 0)
        for statement in _SESSION:
            await fetch(connection, statement)
        table = await check(connection, database.name, read)
    if table.hashed:
        raise naming.unreadable(database.name, read, "it has no primary key to find a row by")
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        with database.reading(read):
            async with asyncio.timeout(STATEMENT_TIMEOUT_SECONDS):
                found = await ResultRows.start(
                    connection, _query(database.name, table, read, chunk)
                )
                pages = Pages(database.name, table, read, found)
                # All of them: a text's collation may find more rows than there are identities.
                page = _only(pages.page(await _all(found)), frozenset(chunk))
        if page:
            yield page


def _query(name: str, table: Table, read: TableRead, ids: Sequence[RowId]) -> str:
    tests = []
    for row in ids:
        test = condition(table, row)
        if test is None:
            raise naming.unreadable(name, read, f"SQL cannot name the row {row!r}")
        tests.append(f"({test})")
    # The operator's condition may end with a comment, so that it comes last.
    plain = select(table, TableRead(read.table, read.columns))
    where = "" if read.where is None else f" AND ({read.where}\n)"
    return f"{plain} WHERE ({' OR '.join(tests)}){where}"


async def _all(found: ResultRows) -> list[list[bytes | None]]:
    columns = await found.fetch(CHUNK)
    while not found.ended:
        for column, more in zip(columns, await found.fetch(CHUNK), strict=True):
            column += more
    return columns


def _only(page: Page, wanted: frozenset[RowId]) -> Page:
    """The rows whose identity is asked for exactly: collations take other texts for equal."""
    places = [place for place, row in enumerate(page.ids) if row in wanted]
    if len(places) == len(page):
        return page
    return Page(
        [page.ids[place] for place in places],
        [[column[place] for place in places] for column in page.columns],
    )
