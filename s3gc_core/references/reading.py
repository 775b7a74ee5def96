"""Reading the sources: one consistent snapshot per database, page by page, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Database, Row, RowId, TableRead
from s3gc_core.references.codecs import BucketNames, broad_keys_of_row, keys_of_row
from s3gc_core.references.registry import EdgeRow, Registry
from s3gc_core.references.spellings import fold, key_hash

# Asks which of some key hashes are wanted; answers with a subset.
Wanted = Callable[[list[int]], Awaitable[set[int]]]
# Tells how many rows were read so far.
RowsRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A reference found by asking a database: the wanted hash, and the row that holds it.

    With `near` the row holds a key whose folded form has that hash (see `spellings.fold`).
    """

    hash: int
    source: str
    row: RowId
    near: bool = False


def table_read(source: SourceConfig) -> TableRead:
    """What has to be read for a source."""
    return TableRead(source.table, source.columns, source.where)


async def refresh(
    registry: Registry,
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    *,
    began_at: datetime,
    rows_read: RowsRead = lambda _: None,
) -> None:
    """Load all sources anew and bring the registry to them by difference.

    Each database is read in one snapshot. If any page cannot be read, the error goes on to the
    caller and the registry stays as it was: a partial reading is never taken for a whole one.
    """
    numbers = await registry.begin([source.name for source in sources])
    rows: dict[int, int] = dict.fromkeys(numbers.values(), 0)
    total = 0
    async for source, page in _pages(databases, sources):
        number = numbers[source.name]
        edges, near = await asyncio.to_thread(_edges_of_page, source, number, page, names)
        await registry.stage(edges, near)
        rows[number] += len(page)
        total += len(page)
        rows_read(total)
    positions = {database.name: began_at.isoformat() for database in databases}
    await registry.complete(rows, valid_at=began_at, positions=positions)


async def find_references(
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    wanted: Wanted,
    *,
    near: bool = False,
    rows_read: RowsRead = lambda _: None,
) -> AsyncIterator[list[Found]]:
    """Ask the databases themselves: every row of a tracked source that holds a wanted key.

    Each value is read with the declared codec and with `auto`, in every spelling. The scan and
    the last judgement before a delete both ask through this function. With `near`, rows whose
    key's folded form is wanted are found as well.
    """
    total = 0
    async for source, page in _pages(databases, sources):
        exact, folded = await asyncio.to_thread(_holders_of_page, source, page, names, near)
        hits = await wanted([*exact, *folded])
        if hits:
            yield [
                Found(h, source.name, row, is_near)
                for holders, is_near in ((exact, False), (folded, True))
                for h in hits
                for row in holders.get(h, ())
            ]
        total += len(page)
        rows_read(total)


async def _pages(
    databases: Sequence[Database], sources: Sequence[SourceConfig]
) -> AsyncIterator[tuple[SourceConfig, Sequence[Row]]]:
    for database in databases:
        async with database.snapshot() as snapshot:
            for source in sources:
                if source.database == database.name:
                    async for page in snapshot.rows(table_read(source)):
                        yield source, page


def _edges_of_page(
    source: SourceConfig, number: int, page: Sequence[Row], names: BucketNames
) -> tuple[list[EdgeRow], list[EdgeRow]]:
    edges: list[EdgeRow] = []
    near: list[EdgeRow] = []
    for row in page:
        keys = keys_of_row(source, row.values, names)
        edges.extend((number, row.id, key_hash(key)) for key in keys)
        near.extend((number, row.id, key_hash(form)) for form in {fold(k) for k in keys} - keys)
    return edges, near


def _holders_of_page(
    source: SourceConfig, page: Sequence[Row], names: BucketNames, near: bool
) -> tuple[dict[int, list[RowId]], dict[int, list[RowId]]]:
    """Rows by the hashes of the keys they hold, and, if asked for, of those keys' folded forms."""
    exact: defaultdict[int, list[RowId]] = defaultdict(list)
    folded: defaultdict[int, list[RowId]] = defaultdict(list)
    for row in page:
        for key in broad_keys_of_row(source, row.values, names):
            exact[key_hash(key)].append(row.id)
        if near:
            for form in {fold(key) for key in keys_of_row(source, row.values, names)}:
                folded[key_hash(form)].append(row.id)
    return exact, folded
