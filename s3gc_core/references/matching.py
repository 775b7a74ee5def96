"""The reverse match: how many of a source's references name an object that is in the bucket."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from s3gc_core.databases.protocol import RowId
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.registry import Registry

# Rows told at once.
_PAGE = 1_000


class MatchCount(NamedTuple):
    """Rows of a source that hold a key, and those of them of which at least one is listed."""

    source: str
    rows: int
    matched: int


class DanglingRow(NamedTuple):
    """A row of which no key is listed, and the hashes of its keys."""

    source: str
    row: RowId
    hashes: tuple[int, ...]


class Matching:
    """The registry beside one listing, both as of one moment."""

    def __init__(self, own: OwnConnection) -> None:
        self._own = own

    async def sources(self) -> list[MatchCount]:
        """How much of each source matches, by name. Takes about a second per million edges."""
        return await self._own.run(_match)

    async def dangling(self) -> AsyncGenerator[list[DanglingRow], None]:
        """Every row of which no key is listed, by source and row, in pages and bounded memory."""
        cursor = await self._own.run(_begin_dangling)
        while found := await self._own.run(lambda _: cursor.fetchmany(_PAGE)):
            yield [
                DanglingRow(source, row, tuple(map(int, hashes.split(","))))
                for source, row, hashes in found
            ]


@asynccontextmanager
async def matching_with(registry: Registry, catalogue: Path) -> AsyncIterator[Matching]:
    """Compare the registry with a catalogue's table `listing` (column `h`, index `listing_h`).

    Neither file is written, and neither keeps anybody from writing. Whether the listing is
    complete is for the caller to know.
    """
    async with OwnConnection.reading(registry.path, attach=catalogue) as own:
        yield Matching(own)


# Without the index each edge would cost a pass over the whole listing: then it is an error.
_LISTED = "EXISTS (SELECT 1 FROM attached.listing INDEXED BY listing_h WHERE listing.h = edge.h)"


def _match(connection: sqlite3.Connection) -> list[MatchCount]:
    # A source at a time, in the order of the table's own key: nothing has to be sorted.
    query = (
        "SELECT count(*), coalesce(sum(listed), 0) FROM"
        f" (SELECT max({_LISTED}) AS listed FROM edge WHERE src = ? GROUP BY row)"
    )
    sources = connection.execute("SELECT id, name FROM source ORDER BY name").fetchall()
    return [
        MatchCount(name, *connection.execute(query, (number,)).fetchone())
        for number, name in sources
    ]


def _begin_dangling(connection: sqlite3.Connection) -> sqlite3.Cursor:
    return connection.execute(
        "SELECT source.name, edge.row, group_concat(h) FROM source CROSS JOIN edge"
        " ON edge.src = source.id GROUP BY source.name, edge.row"
        f" HAVING NOT max({_LISTED}) ORDER BY source.name, edge.row"
    )
