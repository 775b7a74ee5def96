"""The catalogue's table of sightings: since when, and how often, scans saw an object as an orphan.

Only a grant asks for them. A catalogue that is made anew begins anew, which only keeps longer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime

from s3gc_core.judgement.grants import Sighting
from s3gc_core.judgement.plans import PlanItem
from s3gc_core.judgement.scan_tables import PAGE, microseconds, time_of
from s3gc_core.references import key_hash, key_hashes

SCHEMA = """
CREATE TABLE sighting (
    h INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
    scan INTEGER NOT NULL, PRIMARY KEY (h, etag, modified)
) STRICT, WITHOUT ROWID;
"""


def note_sightings(
    connection: sqlite3.Connection, scan_id: str, at: datetime, trusted: bool
) -> None:
    """The scan's orphans were seen then (UTC), and whatever else was seen before is forgotten.

    A scan that is not `trusted`, as a guard blocked it, forgets as well, and counts for nothing.
    """
    (scan,) = connection.execute("SELECT number FROM scan WHERE scan_id = ?", (scan_id,)).fetchone()
    seen = microseconds(at)
    if trusted:
        connection.executemany(
            "INSERT INTO sighting VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET"
            " last_seen = excluded.last_seen, count = count + 1, scan = excluded.scan",
            ((*orphan, seen, seen, scan) for orphan in _orphans(connection, scan)),
        )
    else:
        connection.executemany(
            "UPDATE sighting SET scan = ? WHERE h = ? AND etag = ? AND modified = ?",
            ((scan, *orphan) for orphan in _orphans(connection, scan)),
        )
    connection.execute("DELETE FROM sighting WHERE scan <> ?", (scan,))


def _orphans(connection: sqlite3.Connection, scan: int) -> Iterator[tuple[int, str, int]]:
    cursor = connection.execute(
        "SELECT key, etag, modified FROM candidate WHERE scan = ? AND verdict = 'orphan'", (scan,)
    )
    while page := cursor.fetchmany(PAGE):
        for h, (_, etag, modified) in zip(key_hashes([row[0] for row in page]), page, strict=True):
            yield h, etag, modified


def sightings(connection: sqlite3.Connection, items: Sequence[PlanItem]) -> list[Sighting | None]:
    """How often exactly these objects were seen; None for never."""
    query = (
        "SELECT first_seen, last_seen, count FROM sighting"
        " WHERE h = ? AND etag = ? AND modified = ?"
    )
    found = (
        connection.execute(
            query, (key_hash(item.key), item.etag, microseconds(item.last_modified))
        ).fetchone()
        for item in items
    )
    return [row and Sighting(time_of(row[0]), time_of(row[1]), row[2]) for row in found]
