"""Short ways for these tests to read a database through the product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import Database, Row, Snapshot, TableRead, TableShape, open_database


def opened(url: str) -> Database:
    """The database as the product opens it."""
    return open_database(DatabaseConfig(url=url))


def read(table: str, *columns: str, where: str | None = None) -> TableRead:
    """What to read."""
    return TableRead(table, columns, where)


async def pages(snapshot: Snapshot, wanted: TableRead) -> list[list[Row]]:
    """All pages of a table."""
    return [list(page) async for page in snapshot.rows(wanted)]


async def all_rows(url: str, table: str, *columns: str, where: str | None = None) -> list[Row]:
    """All rows of a table, in a snapshot of their own."""
    async with opened(url).snapshot() as snapshot:
        found = await pages(snapshot, read(table, *columns, where=where))
    return [row for page in found for row in page]


async def values(url: str, table: str, column: str, where: str | None = None) -> list[object]:
    """The values of one column, in the order of the rows' identities."""
    rows = await all_rows(url, table, column, where=where)
    return [row.values[0] for row in sorted(rows, key=lambda row: (str(type(row.id)), row.id))]


async def shape(url: str, table: str, *columns: str) -> TableShape:
    """What `describe` says."""
    async with opened(url).snapshot() as snapshot:
        return await snapshot.describe(read(table, *columns))


async def rest(stream: AsyncIterator[Sequence[Row]]) -> int:
    """Read a stream to its end; how many rows were left."""
    return sum([len(page) async for page in stream])
