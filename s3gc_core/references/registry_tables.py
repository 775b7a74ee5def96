"""The tables of `registry.db`, their version, and what is asked of them.

Functions take the connection and run in a thread, each in one transaction. Times are ISO 8601, UTC.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from s3gc_core.databases.protocol import RowId
from s3gc_core.errors import RegistryTooNew, VaultBusy
from s3gc_core.jobs import lease_holder
from s3gc_core.references import rereads, returned, stream_tables

# One more with every change of the tables. Files of the first s3gc, which wrote none, have 0; 1 had
# no tables for streams, 2 no name of a stream's last transaction.
VERSION = 3
_SECOND_TO_THIRD: tuple[str, ...] = (
    "ALTER TABLE stream ADD COLUMN txn TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE stream DROP COLUMN valid_counter",
)

# An edge's `seen` is the number of the reading that first saw it. `form` is the hash of the key's
# folded form, with the key as it is written, where that form is none of the row's keys itself.
SCHEMA = """
CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL,
    keyed INTEGER NOT NULL, keys INTEGER NOT NULL, first_read TEXT NOT NULL, last_read TEXT NOT NULL
) STRICT;
CREATE TABLE edge (
    src INT, row, h INT, seen INT, form INT, spelling TEXT, PRIMARY KEY (src, row, h)
) WITHOUT ROWID;
CREATE TABLE chunk (
    src INT, digest BLOB, keyed INT, low, high, ids BLOB, PRIMARY KEY (src, digest)
);
CREATE TABLE reading (number INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE released (
    h INTEGER PRIMARY KEY, at TEXT NOT NULL, source TEXT, row ANY
) STRICT;
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), valid_at TEXT NOT NULL, positions TEXT NOT NULL
) STRICT;
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS edge_h ON edge (h);
CREATE INDEX IF NOT EXISTS edge_form ON edge (form) WHERE form IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What the last complete reading found in a source, and when it was read (UTC).

    Rows read, edges (`keys`), and the rows that hold at least one key (`keyed`).
    """

    name: str
    rows: int
    keys: int
    keyed: int
    first_read: datetime
    last_read: datetime


@dataclass(frozen=True, slots=True)
class Edge:
    """One reference: the source, and the row that holds it.

    `first_seen` (UTC) is the reading that first saw it; `spelling` the key as it is written there,
    where the edge was asked for by its folded form.
    """

    source: str
    row: RowId
    first_seen: datetime | None = field(default=None, compare=False)
    spelling: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Released:
    """When the last edge of a key was first seen to be gone (UTC), and which it was.

    `source` and `row` are None where an older s3gc saw it, which did not write them down.
    """

    at: datetime
    source: str | None
    row: RowId | None


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those of this version. Raises `RegistryTooNew`."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise RegistryTooNew(f"registry.db has format {version}, this s3gc knows {VERSION}")
    return bool(version == VERSION)


def make_ours(connection: sqlite3.Connection, vault_path: Path) -> None:
    """Make the tables, or bring an older version's to ours; the next reading fills them anew.

    What an older s3gc knew stays: were an edge forgotten, its going away would never be seen, and
    an object might go before its time. Raises `VaultBusy` while an operation may use the older
    tables.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return  # another process was quicker
    older = [] if version else _tables(connection)
    if (older or version) and (holder := lease_holder(vault_path)):
        raise VaultBusy(
            f"{holder.what} {holder.operation_id} may still use the registry of an older s3gc",
            why="its tables are changed for this version, which would make that operation fail",
            next_step=f"wait for process {holder.pid} to end; it goes on undisturbed",
        )
    for name in older:
        connection.execute(f'ALTER TABLE "{name}" RENAME TO "older_{name}"')
    if version == 2:
        statements = _SECOND_TO_THIRD
    else:
        schemas = ([] if version else [SCHEMA]) + [
            stream_tables.SCHEMA,
            rereads.SCHEMA,
            returned.SCHEMA,
        ]
        statements = tuple(";".join(schemas).split(";"))
    for statement in statements:
        connection.execute(statement)
    if "state" in older:  # made last: without it there is nothing in the others
        _take_over(connection)
    for name in older:
        connection.execute(f'DROP TABLE "older_{name}"')
    for statement in INDEXES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return [name for (name,) in connection.execute(query)]


def _take_over(connection: sqlite3.Connection) -> None:
    """Edges and releases of version 0. Not its `state`: until it is read anew, nothing is true."""
    for statement in (
        "DROP INDEX IF EXISTS edge_h",
        "INSERT INTO reading SELECT 1, valid_at FROM older_state",
        "INSERT INTO source SELECT id, name, rows, 0, keys, at, at FROM older_source, reading",
        "INSERT INTO edge (src, row, h, seen) SELECT src, row, h, 1 FROM older_edge",
        "INSERT INTO released (h, at) SELECT h, at FROM older_released",
    ):
        connection.execute(statement)


def valid_at(connection: sqlite3.Connection) -> datetime | None:
    """The moment for which the registry is true, of all databases the earliest."""
    row = connection.execute("SELECT valid_at FROM state").fetchone()
    moments = stream_tables.valid_since(connection)
    query = "SELECT EXISTS (SELECT 1 FROM source WHERE name NOT IN (SELECT source FROM followed))"
    if not moments or connection.execute(query).fetchone()[0]:
        moments.append(datetime.fromisoformat(row[0]) if row else None)
    return min((m for m in moments if m is not None), default=None) if all(moments) else None


def stats(connection: sqlite3.Connection) -> list[SourceStats]:
    """What the last reading found, by source name."""
    query = "SELECT name, rows, keys, keyed, first_read, last_read FROM source ORDER BY name"
    return [
        SourceStats(
            name, rows, keys, keyed, datetime.fromisoformat(first), datetime.fromisoformat(last)
        )
        for name, rows, keys, keyed, first, last in connection.execute(query)
    ]


# Hashes bound to one statement: a fifth faster than as JSON, for a size that is always the same.
_BLOCK = 1_000
_BOUND = f"WITH given(value) AS (VALUES {', '.join(['(?)'] * _BLOCK)})"
_KNOWN = "WHERE EXISTS (SELECT 1 FROM edge WHERE h = value)"


def members(connection: sqlite3.Connection, hashes: Sequence[int]) -> set[int]:
    """Those of the hashes that have an edge."""
    rest = len(hashes) % _BLOCK
    found = set(
        connection.execute(f"SELECT value FROM json_each(?) {_KNOWN}", (json.dumps(hashes[:rest]),))
    )
    for first in range(rest, len(hashes), _BLOCK):
        block = hashes[first : first + _BLOCK]
        found.update(connection.execute(f"{_BOUND} SELECT value FROM given {_KNOWN}", block))
    return {h for (h,) in found}


def near_members(connection: sqlite3.Connection, hashes: str) -> set[int]:
    """Those of the hashes (of folded forms) under which an edge is written."""
    query = (
        "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM edge WHERE h = value)"
        " OR EXISTS (SELECT 1 FROM edge WHERE form = value)"
    )
    return {row[0] for row in connection.execute(query, (hashes,))}


def released(connection: sqlite3.Connection, hashes: str) -> dict[int, Released]:
    """How the last edge of each of the hashes (a JSON list) went away."""
    query = "SELECT h, at, source, row FROM released WHERE h IN (SELECT value FROM json_each(?))"
    return {
        h: Released(datetime.fromisoformat(at), *last)
        for h, at, *last in connection.execute(query, (hashes,))
    }


_EDGES = (
    "SELECT source.name, edge.row, reading.at, spelling FROM edge"
    " JOIN source ON source.id = edge.src LEFT JOIN reading ON reading.number = edge.seen"
)


def edges_of(connection: sqlite3.Connection, h: int) -> list[Edge]:
    """Every edge with the hash, by source and row."""
    query = f"{_EDGES} WHERE h = ? ORDER BY source.name, edge.row"
    return [Edge(e.source, e.row, e.first_seen) for e in _edges(connection, query, (h,))]


def edges_near(connection: sqlite3.Connection, h: int, folded: str) -> list[Edge]:
    """Every edge whose folded form has the hash: those written so first, then by source and row."""
    # An edge that has a `form` of its own is not written in the folded one; a hash may collide.
    query = f"{_EDGES} WHERE h = ?1 UNION ALL {_EDGES} WHERE form = ?1 AND h <> ?1 ORDER BY 1, 2"
    found = _edges(connection, query, (h,))
    return sorted(
        (Edge(e.source, e.row, e.first_seen, e.spelling or folded) for e in found),
        key=lambda edge: edge.spelling != folded,
    )


def _edges(connection: sqlite3.Connection, query: str, arguments: tuple[int, ...]) -> list[Edge]:
    return [
        Edge(source, row, datetime.fromisoformat(at) if at else None, spelling)
        for source, row, at, spelling in connection.execute(query, arguments)
    ]


def size(connection: sqlite3.Connection) -> int:
    """Bytes of the file."""
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * page_bytes)
