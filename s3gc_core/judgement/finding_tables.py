"""The catalogue's table of what was last seen in each column, and lookups in the listing.

Functions take the connection and run in the catalogue's thread, each in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from s3gc_core.references import ColumnId, Finding

SCHEMA = """
CREATE TABLE listed (
    one INTEGER PRIMARY KEY CHECK (one = 1), began_at TEXT NOT NULL, objects INTEGER NOT NULL,
    guessed INTEGER NOT NULL
) STRICT;
CREATE TABLE explained (h INTEGER PRIMARY KEY) STRICT;
CREATE TABLE finding (
    database TEXT NOT NULL, tbl TEXT NOT NULL, col TEXT NOT NULL, listing TEXT NOT NULL,
    rows INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (database, tbl, col)
) STRICT, WITHOUT ROWID;
"""
PAGE = 5_000

_encoder = msgspec.json.Encoder()
_finding = msgspec.json.Decoder(Finding)


class Listing(msgspec.Struct, frozen=True):
    """The complete listing that the catalogue holds. `began_at` is UTC."""

    began_at: datetime
    objects: int


def forget_listing(connection: sqlite3.Connection) -> None:
    """The listing goes, or is about to be made anew."""
    connection.execute("DELETE FROM listed")
    connection.execute("DELETE FROM explained")
    # An index is built faster afterwards than row by row.
    connection.execute("DROP INDEX IF EXISTS listing_h")
    connection.execute("DELETE FROM listing")


def complete_listing(connection: sqlite3.Connection, began_at: datetime) -> Listing:
    """The listing is whole: from now on keys can be looked up in it."""
    connection.execute("CREATE INDEX IF NOT EXISTS listing_h ON listing (h)")
    connection.execute(
        "INSERT OR REPLACE INTO listed SELECT 1, ?, count(*), 0 FROM listing",
        (began_at.astimezone(UTC).isoformat(),),
    )
    objects = connection.execute("SELECT objects FROM listed").fetchone()[0]
    return Listing(began_at, objects)


def listing(connection: sqlite3.Connection) -> Listing | None:
    """The complete listing there is, if any."""
    row = connection.execute("SELECT began_at, objects FROM listed").fetchone()
    return Listing(datetime.fromisoformat(row[0]), row[1]) if row else None


def listed(connection: sqlite3.Connection, hashes: Sequence[int]) -> set[int]:
    """Those of the hashes that objects of the listing have."""
    query = (
        "SELECT value FROM json_each(?)"
        " WHERE EXISTS (SELECT 1 FROM listing WHERE listing.h = value)"
    )
    return {row[0] for row in connection.execute(query, (json.dumps(list(hashes)),))}


def keys_page(
    connection: sqlite3.Connection, after: int, unexplained: bool
) -> list[tuple[int, str]]:
    """The next page of the listing as (id, key); `unexplained`: without what columns were found to
    spell out.
    """
    condition = "AND NOT EXISTS (SELECT 1 FROM explained WHERE explained.h = listing.h)"
    return connection.execute(
        f"SELECT id, key FROM listing WHERE id > ? {condition if unexplained else ''}"
        " ORDER BY id LIMIT ?",
        (after, PAGE),
    ).fetchall()


def explain(connection: sqlite3.Connection, hashes: Sequence[int]) -> None:
    """Remember that columns spell out the keys with these hashes."""
    connection.executemany("INSERT OR IGNORE INTO explained VALUES (?)", ((h,) for h in hashes))


def guessed(connection: sqlite3.Connection) -> int:
    """In samples of how many rows templates were looked for with the present listing."""
    row = connection.execute("SELECT guessed FROM listed").fetchone()
    return int(row[0]) if row else 0


def set_guessed(connection: sqlite3.Connection, rows: int) -> None:
    """Templates were looked for in samples of so many rows of every table."""
    connection.execute("UPDATE listed SET guessed = ?", (rows,))


def add_findings(connection: sqlite3.Connection, seen: Sequence[Finding], rows: int) -> None:
    """Keep what was seen in columns, in samples of `rows` rows.

    A smaller sample takes no finding away: doubt keeps.
    """
    found = listing(connection)
    stamp = found.began_at.isoformat() if found else ""
    before = {old.id: old for old in findings(connection)}
    connection.executemany(
        "INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?, ?, ?)",
        [
            (f.id.database, f.id.table, f.id.column, stamp, rows, _encoder.encode(f))
            for f in seen
            if not ((old := before.get(f.id)) and _says_more(old, f))
        ],
    )


def _says_more(old: Finding, new: Finding) -> bool:
    return old.holds_keys and new.sampled < old.sampled


def findings(connection: sqlite3.Connection) -> list[Finding]:
    """What was last seen in every column that was looked at."""
    return [_finding.decode(body) for (body,) in connection.execute("SELECT body FROM finding")]


def examined(connection: sqlite3.Connection, rows: int) -> set[ColumnId]:
    """Columns looked at with the present listing, in a sample of at least so many rows."""
    query = (
        "SELECT database, tbl, col FROM finding JOIN listed ON listing = began_at WHERE rows >= ?"
    )
    return {ColumnId(*row) for row in connection.execute(query, (rows,))}
