"""The reverse match: which of a source's references name an object that is in the bucket."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.registry import Registry


class MatchCount(NamedTuple):
    """Rows of a source that hold a key, and those of them of which at least one is listed."""

    source: str
    rows: int
    matched: int


class ListedReference(NamedTuple):
    """A source that refers to a listed object, and the object's id in the listing."""

    source: str
    listing_id: int


# So many are taken from either end of a source.
_SAMPLED = 5


async def listed_references(registry: Registry, catalogue: Path) -> list[ListedReference]:
    """Some listed objects of each source that refers to any, of its first and its last rows.

    Costs next to nothing, but of a source whose keys are not listed about what `match_counts` does.
    """
    async with OwnConnection.reading(registry.path, attach=catalogue) as own:
        return await own.run(_sample)


async def match_counts(registry: Registry, catalogue: Path) -> list[MatchCount]:
    """How much of each source matches a catalogue's table `listing` (column `h`, index
    `listing_h`), by name. Takes about a second per million edges.

    Neither file is written, and neither keeps anybody from writing. Whether the listing is
    complete is for the caller to know.
    """
    async with OwnConnection.reading(registry.path, attach=catalogue) as own:
        return await own.run(_match)


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


def _sample(connection: sqlite3.Connection) -> list[ListedReference]:
    found: dict[ListedReference, None] = {}
    for number, name in connection.execute("SELECT id, name FROM source ORDER BY name").fetchall():
        for direction in ("ASC", "DESC"):
            # CROSS JOIN keeps the order: the source's rows first, each looked up in the listing.
            query = (
                "SELECT listing.id FROM edge CROSS JOIN attached.listing INDEXED BY listing_h"
                f" ON listing.h = edge.h WHERE src = ? ORDER BY row {direction} LIMIT ?"
            )
            for (listing_id,) in connection.execute(query, (number, _SAMPLED)):
                found[ListedReference(name, listing_id)] = None
    return list(found)
