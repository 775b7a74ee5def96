"""Samples the tables of the application's databases, and looks for keys in what it read.

The load is bounded: a sample of each table, each from a short transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TypeAlias

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Database, ListedTable, Row, TableRead, Value
from s3gc_core.errors import RightMissing, SourceMissing, SourceUnreadable
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.discovery import (
    CODECS,
    ColumnId,
    Finding,
    best_codec,
    explained_share,
    hashes_of,
    read_values,
    samples_of,
)

# Asks which of some key hashes objects of the bucket have; answers with a subset.
Listed = Callable[[list[int]], Awaitable[set[int]]]
# Tables, each with its database.
Tables: TypeAlias = Sequence[tuple[Database, ListedTable]]
# Characters of one column that are read.
_BYTES = 2 << 20
# Hashes looked up at once.
_LOOKED_UP = 20_000


@dataclass(frozen=True, slots=True)
class TableSample:
    """Some rows of a table: `columns` are those that were read. `problem`: why there are none."""

    database: str
    table: ListedTable
    columns: tuple[str, ...]
    id_column: str | None
    rows: Sequence[Row]
    problem: str = ""

    def id_of(self, column: str) -> ColumnId:
        """The name of one of the table's columns."""
        return ColumnId(self.database, self.table.canonical, column)


def _fitting(values: Sequence[Value]) -> list[Value]:
    """As many values as are read in a few seconds, whatever their length."""
    sizes = accumulate(len(value or "") for value in values)
    return [value for value, size in zip(values, sizes, strict=True) if size <= _BYTES] or [
        *values[:1]
    ]


async def all_tables(databases: Sequence[Database]) -> list[tuple[Database, ListedTable]]:
    """Every table of every database that has text-like columns. Raises `DatabaseUnreachable`."""
    found = []
    for database in databases:
        async with database.snapshot() as snapshot:
            found.extend([(database, table) for table in await snapshot.tables()])
    return found


async def tracked_columns(
    databases: Sequence[Database], sources: Sequence[SourceConfig]
) -> set[ColumnId]:
    """The columns that the sources read, by their tables' canonical names.

    Raises `SourceMissing`, `RightMissing`, `DatabaseUnreachable`.
    """
    tracked = set()
    for database in databases:
        mine = [source for source in sources if source.database == database.name]
        if not mine:
            continue
        async with database.snapshot() as snapshot:
            for source in mine:
                read = TableRead(source.table, source.columns, source.where)
                table = (await snapshot.describe(read)).canonical
                tracked |= {ColumnId(database.name, table, column) for column in source.columns}
    return tracked


async def sampled(
    tables: Tables,
    rows: int,
    wanted: Callable[[ColumnId], bool] = lambda _: True,
) -> AsyncIterator[TableSample]:
    """Samples of `rows` rows of each table, of its text-like columns that are wanted.

    A table that may not be read gives its problem. Raises `DatabaseUnreachable`.
    """
    for database, table in tables:
        columns = tuple(
            column.name
            for column in table.columns
            if wanted(ColumnId(database.name, table.canonical, column.name))
        )
        if not columns:
            continue
        sample = await _sample(database, table, columns, rows)
        if not sample.problem or len(columns) == 1:
            yield sample
            continue
        # One column that cannot be read (bytea[], say) must not hide the others.
        for column in columns:
            yield await _sample(database, table, (column,), rows)


async def _sample(
    database: Database, table: ListedTable, columns: tuple[str, ...], rows: int
) -> TableSample:
    read = TableRead(table.table, columns)
    try:
        async with database.snapshot() as snapshot:
            key = (await snapshot.describe(read)).primary_key
            found = await snapshot.sample(read, rows)
    except (RightMissing, SourceMissing, SourceUnreadable) as error:
        # Gone since it was listed, or not ours to read: it was not searched, and that is said.
        return TableSample(database.name, table, columns, None, (), error.what)
    return TableSample(database.name, table, columns, key[0] if len(key) == 1 else None, found)


async def examine(
    sample: TableSample,
    names: BucketNames,
    listed: Listed,
    *,
    objects: int,
    now: datetime,
    codecs: Collection[Codec] = CODECS,
) -> tuple[list[Finding], set[int]]:
    """What each column of a sample says, and the hashes of the listed keys that they spell out.

    `objects` is the number of objects in the bucket.
    """
    findings = []
    explained: set[int] = set()
    types = {column.name: column.type for column in sample.table.columns}
    for place, column in enumerate(sample.columns):
        values = _fitting([row.values[place] for row in sample.rows if row.values[place]])
        reading = await asyncio.to_thread(read_values, values, names, codecs)
        known: set[int] = set()
        hashes = list(hashes_of(reading))
        for start in range(0, len(hashes), _LOOKED_UP):
            known |= await listed(hashes[start : start + _LOOKED_UP])
        score = best_codec(values, reading, known)
        resolved = score.resolved if score else ()
        count = len(score.objects) if score else 0
        explained |= score.objects if score else set()
        findings.append(
            Finding(
                sample.id_of(column),
                sample.table.table,
                types[column],
                now,
                rows=sample.table.rows,
                sampled=len(sample.rows),
                values=len(values),
                resolved=len(resolved),
                objects=count,
                explained=explained_share(count, len(sample.rows), sample.table.rows, objects),
                codec=score.codec if score else None,
                samples=samples_of(values, resolved),
                problem=sample.problem,
            )
        )
    return findings, explained
