"""The catalogue's table of canaries: objects of which it is known how they must be judged.

Functions take the connection and run in the catalogue's thread, each in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from s3gc_core.bucket import ListedObject
from s3gc_core.judgement.canaries import DEAD, Canary
from s3gc_core.judgement.scan_tables import hits_on, listed_object, microseconds
from s3gc_core.references import Found, ListedReference, key_hashes, near_forms

_OBJECT = "key, size, etag, modified, storage_class"
SCHEMA = """
CREATE TABLE canary (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, h INTEGER NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
    storage_class TEXT NOT NULL
) STRICT;
CREATE INDEX canary_h ON canary (h);
"""


def add_canaries(
    connection: sqlite3.Connection, live: Sequence[ListedReference], dead: ListedObject
) -> None:
    """Add listed objects that sources refer to, and one that is nowhere. Those there were go."""
    connection.execute("DELETE FROM canary")
    connection.executemany(
        f"INSERT INTO canary (source, h, {_OBJECT}) SELECT ?, h, {_OBJECT} FROM listing"
        " WHERE id = ?",
        live,
    )
    connection.execute(
        f"INSERT INTO canary (source, h, {_OBJECT}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            DEAD,
            key_hashes([dead.key])[0],
            dead.key,
            dead.size,
            dead.etag,
            microseconds(dead.last_modified),
            dead.storage_class,
        ),
    )
    # Asked for as those of every candidate are.
    forms = key_hashes(list(near_forms(dead.key)))
    connection.executemany("INSERT OR IGNORE INTO near_form VALUES (?)", zip(forms))


def canaries(connection: sqlite3.Connection) -> tuple[list[Canary], list[Found]]:
    """All of them, and where the databases hold their keys."""
    rows = connection.execute(f"SELECT source, h, {_OBJECT} FROM canary ORDER BY id").fetchall()
    found = [Canary(source, h, listed_object(*rest)) for source, h, *rest in rows]
    return found, hits_on(connection, [canary.object for canary in found])
