"""Keys that were deleted, with a backup in the vault, and are referred to again.

`vaulted` holds what the audit log says was deleted, up to the record `upto`; `returned` those of
these keys that got an edge since, with the first row that was seen to hold it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from s3gc_core.databases.protocol import RowId
from s3gc_core.references.spellings import key_hashes

SCHEMA = """
CREATE TABLE vaulted (h INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;
CREATE TABLE vaulted_upto (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
CREATE TABLE returned (
    h INTEGER PRIMARY KEY, source TEXT NOT NULL, row ANY, at TEXT NOT NULL, told INTEGER NOT NULL
) STRICT;
"""
_RETURN = "INSERT OR IGNORE INTO returned (h, source, row, at, told)"


@dataclass(frozen=True, slots=True)
class Returned:
    """A deleted key that a row refers to again, since `at` (UTC). `told`: an alarm was raised.

    `lossy`: the vault holds no more than a compact copy of it, where somebody looked.
    """

    key: str
    source: str
    row: RowId
    at: datetime
    told: bool
    lossy: bool = False


def vaulted_upto(connection: sqlite3.Connection) -> int:
    """The number of the last record of the audit log that was looked at."""
    row = connection.execute("SELECT seq FROM vaulted_upto").fetchone()
    return int(row[0]) if row else 0


def add_vaulted(connection: sqlite3.Connection, keys: Sequence[str], upto: int, stamp: str) -> None:
    """These keys were deleted, by the records up to that one. Edges may have come since."""
    hashes = key_hashes(keys)
    connection.executemany(
        "INSERT OR REPLACE INTO vaulted VALUES (?, ?)", zip(hashes, keys, strict=True)
    )
    for h in hashes:
        _return(connection, "edge.h = ?", stamp, h)
    connection.execute("INSERT OR REPLACE INTO vaulted_upto VALUES (1, ?)", (upto,))


def note_fresh(connection: sqlite3.Connection, source: str, stamp: str) -> None:
    """Rows of the source have edges now (table `fresh`): which are of deleted keys?"""
    if connection.execute("SELECT 1 FROM vaulted LIMIT 1").fetchone():
        connection.execute(
            f"{_RETURN} SELECT h, ?, row, ?, 0 FROM fresh WHERE h IN (SELECT h FROM vaulted)",
            (source, stamp),
        )


def note_all(connection: sqlite3.Connection, stamp: str) -> None:
    """After a load: which deleted keys have an edge?"""
    _return(connection, "edge.h IN (SELECT h FROM vaulted)", stamp)


def _return(connection: sqlite3.Connection, condition: str, stamp: str, *values: object) -> None:
    connection.execute(
        f"{_RETURN} SELECT edge.h, source.name, edge.row, ?, 0 FROM edge"
        f" JOIN source ON source.id = edge.src WHERE {condition}",
        (stamp, *values),
    )


def any_returned(connection: sqlite3.Connection) -> bool:
    """Whether a deleted key got an edge, which it may have lost again."""
    return connection.execute("SELECT 1 FROM returned LIMIT 1").fetchone() is not None


def returned(connection: sqlite3.Connection) -> list[Returned]:
    """The deleted keys that are referred to now; those whose edges went again are forgotten."""
    connection.execute(
        "DELETE FROM returned WHERE NOT EXISTS (SELECT 1 FROM edge WHERE edge.h = returned.h)"
    )
    rows = connection.execute(
        "SELECT key, source, row, at, told FROM returned JOIN vaulted USING (h) ORDER BY key"
    )
    return [
        Returned(key, source, row, datetime.fromisoformat(at), bool(told))
        for key, source, row, at, told in rows
    ]


def note_told(connection: sqlite3.Connection, keys: Collection[str]) -> None:
    """An alarm was raised for these."""
    connection.executemany(
        "UPDATE returned SET told = 1 WHERE h = ?", ((h,) for h in key_hashes(list(keys)))
    )


def forget_returned(connection: sqlite3.Connection, keys: Collection[str], upto: int) -> bool:
    """The objects of these keys are back. What is deleted once more is vaulted once more.

    Forgets nothing, and returns False, where the audit log was looked at beyond `upto` since: then
    they may have been deleted after they were seen to be there.
    """
    if vaulted_upto(connection) != upto:
        return False
    for table in ("returned", "vaulted"):
        connection.executemany(
            f"DELETE FROM {table} WHERE h = ?", ((h,) for h in key_hashes(list(keys)))
        )
    return True
