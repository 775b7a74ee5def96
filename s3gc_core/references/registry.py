"""The registry: which row holds which key, as edges with identity, in `registry.db`.

An edge is (source, row, 64-bit key hash): replaying or re-reading a row changes nothing twice,
where a bare counter drifts (notes on the predecessors, sections 2 and 7). `near` holds the folded
forms that differ from every exact form, for near misses. The file can be deleted and rebuilt.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core.databases.protocol import RowId
from s3gc_core.local_store import LocalStore
from s3gc_core.references.spellings import key_hash

SCHEMA = """
CREATE TABLE IF NOT EXISTS source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, keys INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS edge (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS near (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS edge_h ON edge (h);
CREATE INDEX IF NOT EXISTS near_h ON near (h);
CREATE TABLE IF NOT EXISTS released (h INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1), valid_at TEXT NOT NULL, positions TEXT NOT NULL
) STRICT;
"""

# One fresh reading of all sources, invisible to everybody until it is complete.
STAGING = """
DROP TABLE IF EXISTS temp.fresh_edge;
DROP TABLE IF EXISTS temp.fresh_near;
DROP TABLE IF EXISTS temp.fresh_source;
CREATE TEMP TABLE fresh_source (name TEXT, id INT);
CREATE TEMP TABLE fresh_edge (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
CREATE TEMP TABLE fresh_near (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What the last complete reading found in a source: rows read, and keys (edges) in them."""

    name: str
    rows: int
    keys: int


@dataclass(frozen=True, slots=True)
class Edge:
    """One reference: the source, and the row that holds it."""

    source: str
    row: RowId


EdgeRow = tuple[int, RowId, int]


class Registry:
    """The door to `registry.db`. Every call is one batch in the store's thread."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    @classmethod
    async def open(cls, vault_path: Path) -> Registry:
        """Open or create `registry.db` in the vault folder."""
        return cls(await LocalStore.open(vault_path / "registry.db", SCHEMA, durable=False))

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    async def begin(self, sources: Sequence[str]) -> dict[str, int]:
        """Start a fresh reading; returns the number by which each source goes in it."""
        return await self._store.run(_begin, sources)

    async def stage(self, edges: Sequence[EdgeRow], near: Sequence[EdgeRow]) -> None:
        """Add a page of the fresh reading."""
        await self._store.run(_stage, edges, near)

    async def complete(
        self, rows: dict[int, int], *, valid_at: datetime, positions: dict[str, str]
    ) -> None:
        """Make the fresh reading the registry's truth, by difference, in one transaction.

        `rows` counts the rows read per source; `valid_at` (UTC) is when the reading began.
        Hashes whose last edge went away are remembered with `valid_at` as their release.
        """
        await self._store.run(_complete, rows, valid_at, positions)

    async def valid_at(self) -> datetime | None:
        """The moment (UTC) for which the registry is true; None before the first reading."""
        return await self._store.read(_valid_at)

    async def stats(self) -> list[SourceStats]:
        """Rows and keys per source, of the last complete reading, by name."""
        return await self._store.read(_stats)

    async def referenced(self, hashes: Iterable[int]) -> set[int]:
        """Those of `hashes` that have at least one edge."""
        return await self._store.read(_members, "edge", json.dumps(list(hashes)))

    async def near(self, hashes: Iterable[int]) -> set[int]:
        """Those of `hashes` (of folded forms) under which some reference is written."""
        wanted = json.dumps(list(hashes))
        exact = await self._store.read(_members, "edge", wanted)
        return exact | await self._store.read(_members, "near", wanted)

    async def released(self, hashes: Iterable[int]) -> dict[int, datetime]:
        """When the last edge of each hash was first seen to be gone (UTC)."""
        return await self._store.read(_released, json.dumps(list(hashes)))

    async def edges_of(self, key: str) -> list[Edge]:
        """Every reference to `key`, by source and row."""
        return await self._store.read(_edges_of, "edge", key_hash(key))

    async def edges_near(self, folded: str) -> list[Edge]:
        """Every reference whose folded form is `folded`."""
        h = key_hash(folded)
        exact = await self._store.read(_edges_of, "edge", h)
        return exact or await self._store.read(_edges_of, "near", h)


def _begin(connection: sqlite3.Connection, sources: Sequence[str]) -> dict[str, int]:
    for statement in STAGING.split(";"):
        connection.execute(statement)
    known = dict(connection.execute("SELECT name, id FROM source"))
    unused = max(known.values(), default=0)
    for name in sources:
        if name not in known:
            known[name] = unused = unused + 1
    numbers = {name: known[name] for name in sources}
    connection.executemany("INSERT INTO temp.fresh_source VALUES (?, ?)", numbers.items())
    return numbers


def _stage(
    connection: sqlite3.Connection, edges: Sequence[EdgeRow], near: Sequence[EdgeRow]
) -> None:
    connection.executemany("INSERT OR IGNORE INTO temp.fresh_edge VALUES (?, ?, ?)", edges)
    connection.executemany("INSERT OR IGNORE INTO temp.fresh_near VALUES (?, ?, ?)", near)


def _complete(
    connection: sqlite3.Connection,
    rows: dict[int, int],
    valid_at: datetime,
    positions: dict[str, str],
) -> None:
    stamp = valid_at.astimezone(UTC).isoformat()
    connection.execute("DROP TABLE IF EXISTS temp.gone")
    connection.execute(
        "CREATE TEMP TABLE gone AS SELECT DISTINCT h FROM edge AS old WHERE NOT EXISTS"
        " (SELECT 1 FROM temp.fresh_edge AS f"
        " WHERE f.src = old.src AND f.row = old.row AND f.h = old.h)"
    )
    for table in ("edge", "near"):
        _replace_by_difference(connection, table)
    connection.execute(
        "INSERT OR REPLACE INTO released SELECT h, ? FROM temp.gone"
        " WHERE NOT EXISTS (SELECT 1 FROM edge WHERE edge.h = gone.h)",
        (stamp,),
    )
    connection.execute(
        "DELETE FROM released WHERE EXISTS (SELECT 1 FROM edge WHERE edge.h = released.h)"
    )
    connection.execute("INSERT OR IGNORE INTO source SELECT id, name, 0, 0 FROM temp.fresh_source")
    keys = dict(connection.execute("SELECT src, count(*) FROM temp.fresh_edge GROUP BY src"))
    connection.executemany(
        "UPDATE source SET rows = ?, keys = ? WHERE id = ?",
        [(read, keys.get(src, 0), src) for src, read in rows.items()],
    )
    marks = ",".join("?" * len(rows))
    connection.execute(f"DELETE FROM source WHERE id NOT IN ({marks})", list(rows))
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (stamp, json.dumps(positions))
    )
    for table in ("gone", "fresh_edge", "fresh_near", "fresh_source"):
        connection.execute(f"DROP TABLE temp.{table}")


def _replace_by_difference(connection: sqlite3.Connection, table: str) -> None:
    """Bring `table` to its fresh reading; rows that did not change are not written."""
    same = "n.src = o.src AND n.row = o.row AND n.h = o.h"
    connection.execute(
        f"DELETE FROM {table} AS o WHERE NOT EXISTS"
        f" (SELECT 1 FROM temp.fresh_{table} AS n WHERE {same})"
    )
    empty = connection.execute(f"SELECT NOT EXISTS (SELECT 1 FROM {table})").fetchone()[0]
    if empty:
        # Building the index after the load is a quarter faster (notes on CDC, section 2).
        connection.execute(f"DROP INDEX {table}_h")
    connection.execute(
        f"INSERT INTO {table} SELECT src, row, h FROM temp.fresh_{table} AS n WHERE NOT EXISTS"
        f" (SELECT 1 FROM {table} AS o WHERE {same})"
    )
    if empty:
        connection.execute(f"CREATE INDEX {table}_h ON {table} (h)")


def _valid_at(connection: sqlite3.Connection) -> datetime | None:
    row = connection.execute("SELECT valid_at FROM state").fetchone()
    return datetime.fromisoformat(row[0]) if row else None


def _stats(connection: sqlite3.Connection) -> list[SourceStats]:
    query = "SELECT name, rows, keys FROM source ORDER BY name"
    return [SourceStats(*row) for row in connection.execute(query)]


def _members(connection: sqlite3.Connection, table: str, wanted: str) -> set[int]:
    query = (
        "SELECT value FROM json_each(?)"
        f" WHERE EXISTS (SELECT 1 FROM {table} WHERE {table}.h = value)"
    )
    return {row[0] for row in connection.execute(query, (wanted,))}


def _released(connection: sqlite3.Connection, wanted: str) -> dict[int, datetime]:
    query = "SELECT h, at FROM released WHERE h IN (SELECT value FROM json_each(?))"
    return {h: datetime.fromisoformat(at) for h, at in connection.execute(query, (wanted,))}


def _edges_of(connection: sqlite3.Connection, table: str, h: int) -> list[Edge]:
    query = (
        f"SELECT source.name, {table}.row FROM {table} JOIN source ON source.id = {table}.src"
        f" WHERE {table}.h = ? ORDER BY source.name, {table}.row"
    )
    return [Edge(*row) for row in connection.execute(query, (h,))]
