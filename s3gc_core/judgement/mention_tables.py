"""The catalogue's table of places all over the databases that hold keys of unreferenced objects.

Functions take the connection and run in the catalogue's thread, each in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from s3gc_core.references import Mention, MentionKind, storable

SCHEMA = """
CREATE TABLE mention (
    h INTEGER NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, row ANY NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (h, kind, place, row)
) STRICT, WITHOUT ROWID;
"""
PAGE = 20_000


def forget(connection: sqlite3.Connection) -> None:
    """Make room for what another scan finds."""
    connection.execute("DELETE FROM mention")


def unreferenced_keys(connection: sqlite3.Connection, after: int) -> list[tuple[int, str]]:
    """The next page of unreferenced objects as (id, key)."""
    query = (
        "SELECT id, key FROM unreferenced JOIN listing USING (id) WHERE id > ? ORDER BY id LIMIT ?"
    )
    return connection.execute(query, (after, PAGE)).fetchall()


def add_mentions(connection: sqlite3.Connection, mentions: Sequence[Mention]) -> None:
    """Remember places that hold the key of an unreferenced object."""
    connection.executemany(
        "INSERT OR IGNORE INTO mention VALUES (?, ?, ?, ?, ?)",
        [(m.hash, m.kind, storable(m.place), m.row, storable(m.text)) for m in mentions],
    )


def mentions(connection: sqlite3.Connection, hashes: Sequence[int]) -> list[Mention]:
    """The places that hold keys with these hashes."""
    found = connection.execute(
        "SELECT h, kind, place, row, text FROM mention WHERE h IN (SELECT value FROM json_each(?))",
        (json.dumps(hashes),),
    )
    return [Mention(h, MentionKind(kind), place, row, text) for h, kind, place, row, text in found]
