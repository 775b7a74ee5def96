"""Whether the registry holds exactly the edges that the databases do; nothing in it is trusted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum
from typing import NamedTuple

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Database, RowId, Snapshot
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.derivation import Derived, derive
from s3gc_core.references.edge_blocks import FRESH, write_blocks
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.reading import RowsRead, read_ahead, table_read
from s3gc_core.references.registry import Registry

# Edges told at once.
_PAGE = 1_000

_SCRATCH = "CREATE TEMP TABLE fresh (row, h INT, PRIMARY KEY (row, h)) WITHOUT ROWID"


class DriftKind(StrEnum):
    """`missing`: a row refers to the key and the registry does not know. `surplus`: no row does."""

    MISSING = "missing"
    SURPLUS = "surplus"


class Drift(NamedTuple):
    """One edge that only the database (`missing`, with its `key`) or the registry has."""

    kind: DriftKind
    source: str
    row: RowId
    hash: int
    key: str | None


async def find_drift(
    registry: Registry,
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    *,
    rows_read: RowsRead = lambda _: None,
) -> AsyncGenerator[list[Drift], None]:
    """Every difference between the registry and the databases as they are now, in pages.

    By source: what is missing first. Edges of sources that are not configured are surplus. The
    registry is read as of one moment and not written; beside it there is room on disk for the
    edges of one source. Raises what reading a source raises.
    """
    total = 0
    async with OwnConnection.reading(registry.path) as own:
        await own.run(sqlite3.Connection.execute, _SCRATCH)
        known = dict(await own.run(_sources))
        for database in databases:
            async with database.snapshot() as snapshot:
                for source in sources:
                    if source.database != database.name:
                        continue
                    number = known.pop(source.name, -1)
                    pages = _compare(own, snapshot, source, number, names)
                    async with aclosing(pages):
                        async for rows, drift in pages:
                            total += rows
                            rows_read(total)
                            if drift:
                                yield drift
        for name, number in sorted(known.items()):
            async with aclosing(_surplus(own, name, number)) as unknown:
                async for drift in unknown:
                    yield drift


async def _compare(
    own: OwnConnection, snapshot: Snapshot, source: SourceConfig, number: int, names: BucketNames
) -> AsyncGenerator[tuple[int, list[Drift]], None]:
    """The differences of one source, with the rows read for them."""
    async with aclosing(read_ahead(snapshot, snapshot.rows(table_read(source)))) as pages:
        async for page in pages:
            derived = await asyncio.to_thread(derive, source, page, names)
            yield len(page), await own.run(_missing, source.name, number, derived)
    async with aclosing(_surplus(own, source.name, number)) as surplus:
        async for drift in surplus:
            yield 0, drift
    await own.run(sqlite3.Connection.execute, "DELETE FROM fresh")


async def _surplus(own: OwnConnection, name: str, number: int) -> AsyncGenerator[list[Drift], None]:
    cursor = await own.run(_begin_surplus, number)
    while found := await own.run(lambda _: cursor.fetchmany(_PAGE)):
        yield [Drift(DriftKind.SURPLUS, name, row, h, None) for row, h in found]


def _sources(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT name, id FROM source").fetchall()


def _missing(
    connection: sqlite3.Connection, name: str, number: int, derived: Derived
) -> list[Drift]:
    """Those of a page's edges that the registry lacks; all are noted as fresh."""
    edges = [*zip(derived.rows, derived.hashes, derived.keys, strict=True)]
    edges += [(row, h, key) for row, h, _, key in derived.near]
    write_blocks(
        connection, FRESH, (), ([row for row, _, _ in edges], [h for _, h, _ in edges]), rest=True
    )
    query = "SELECT EXISTS (SELECT 1 FROM edge WHERE src = ? AND row = ? AND h = ?)"
    return [
        Drift(DriftKind.MISSING, name, row, h, key)
        for row, h, key in edges
        if not connection.execute(query, (number, row, h)).fetchone()[0]
    ]


def _begin_surplus(connection: sqlite3.Connection, number: int) -> sqlite3.Cursor:
    return connection.execute(
        "SELECT row, h FROM edge WHERE src = ? AND NOT EXISTS"
        " (SELECT 1 FROM fresh WHERE fresh.row = edge.row AND fresh.h = edge.h)",
        (number,),
    )
