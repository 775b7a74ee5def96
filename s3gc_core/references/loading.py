"""Writing references: one reading on its way into the registry. Nothing else writes there.

All of it is one transaction, or begins with some that only add. Of a source that has edges, the
fresh edges of new chunks are added, and of the rows of vanished chunks those edges go that are not
fresh.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import edge_difference, returned, stream_tables
from s3gc_core.references.chunks import pack_ids, unpack_ids
from s3gc_core.references.derivation import Derived
from s3gc_core.references.edge_blocks import EDGE, NEAR, write_blocks
from s3gc_core.references.registry_tables import INDEXES
from s3gc_core.references.stream_tables import FollowedSource

# So many new edges, in a registry with fewer than four times as many: indexes are made afterwards.
_MANY = 200_000
# After so many edges what was added may be kept, whatever becomes of the reading.
KEPT_EDGES = 100_000


@dataclass(frozen=True, slots=True)
class FreshChunk:
    """A chunk that the registry does not know, with the edges of its rows."""

    digest: bytes
    derived: Derived


@dataclass(slots=True)
class _Source:
    """The source being read. `direct`: it has no edges yet. `whole`: all its edges are compared.
    `is_counted`: the number of its edges is known, other than after a reading that did not end.

    `known`: the chunks of the reading before, unless `whole`. The lists are columns of edges that
    wait to be written together.
    """

    id: int
    name: str
    direct: bool
    whole: bool
    known: Mapping[bytes, int]
    is_counted: bool
    edges: tuple[list[RowId], list[int]] = field(default_factory=lambda: ([], []))
    fresh: tuple[list[RowId], list[int]] = field(default_factory=lambda: ([], []))
    near: tuple[list[Any], ...] = field(default_factory=lambda: ([], [], [], []))
    added: int = 0
    removed: int = 0


class Loading:
    """One reading. All methods run in the thread of its connection, within its transaction."""

    def __init__(self, connection: sqlite3.Connection, began_at: datetime, trust: bool) -> None:
        self._connection = connection
        self._stamp = began_at.astimezone(UTC).isoformat()
        self._trust = trust
        self._source: _Source
        self._read: list[int] = []
        # By source: edges that came, and edges that went.
        self.changes: dict[str, tuple[int, int]] = {}
        self._added = 0
        # How many of these would be lost with the transaction.
        self._unkept = 0
        self._is_numbered = False
        # Whether edges came without a look at what is said to be released.
        self._any_new = False
        edge_difference.make_scratch(connection)
        self._number = self._one("SELECT coalesce(max(number), 0) + 1 FROM reading")
        self._before = self._one("SELECT coalesce(sum(keys), 0) FROM source")
        self._indexed = True
        if self._one("SELECT NOT EXISTS (SELECT 1 FROM edge)"):
            self._drop_indexes()

    def begin_source(self, name: str) -> dict[bytes, int]:
        """Go on to a source; returns its known chunks, each with its number of rows with keys."""
        self._execute(
            "INSERT INTO source (name, rows, keyed, keys, first_read, last_read)"
            " VALUES (?1, 0, 0, 0, ?2, ?2) ON CONFLICT (name) DO NOTHING",
            name,
            self._stamp,
        )
        [id_, keys] = self._execute("SELECT id, keys FROM source WHERE name = ?", name).fetchone()
        direct = bool(self._one("SELECT NOT EXISTS (SELECT 1 FROM edge WHERE src = ?)", id_))
        known: dict[bytes, int] = {}
        if self._trust:
            known.update(self._execute("SELECT digest, keyed FROM chunk WHERE src = ?", id_))
        if not self._trust or (direct and any(known.values())):
            self._execute("DELETE FROM chunk WHERE src = ?", id_)
            known = {}
        # Without chunks nothing says which rows are gone, such as of an older s3gc's edges.
        self._source = _Source(id_, name, direct, not known, known, is_counted=bool(keys))
        self._any_new |= direct or not keys
        return dict(known)

    def add(self, chunks: Sequence[FreshChunk]) -> None:
        """Take chunks that are not known."""
        source = self._source
        for chunk in chunks:
            derived = chunk.derived
            self._add_chunk(source, chunk.digest, derived.keyed)
            self._unkept += len(derived.rows) + len(derived.near)
            near = list(zip(*derived.near, strict=True))
            _extend(source.edges, derived.rows, derived.hashes)
            _extend(source.near, *near)
            if not source.direct:
                _extend(source.fresh, derived.rows, derived.hashes)
                _extend(source.fresh, *near[:2])
        self._flush(rest=False)

    @property
    def may_keep(self) -> bool:
        """Whether it is time for `keep_so_far`, and right.

        A source without edges from before only gets more of them, each with the chunk that tells
        the next reading that they are there. Of any other one the reading has to come to its end.
        """
        return self._source.direct and self._unkept >= KEPT_EDGES

    def keep_so_far(self) -> None:
        """Commit what was added. Another transaction has to begin before anything else."""
        self._flush(rest=True)
        self._number_it()
        # The index may be missing until the reading, or the next one, ends: questions take longer.
        self._execute("COMMIT")
        self._unkept = 0

    def end_source(self, rows: int, keyed: int, seen: Collection[bytes]) -> None:
        """The source is read to its end: so many rows, so many with keys, in these chunks."""
        source = self._source
        self._flush(rest=True)
        vanished = source.known.keys() - seen
        for digest in vanished:
            self._touch(source, digest)
            self._execute("DELETE FROM chunk WHERE src = ? AND digest = ?", source.id, digest)
        if not source.direct:
            self._replace(source, source.known.keys() - vanished)
        if source.added or source.removed or not source.is_counted:
            self._execute(
                "UPDATE source SET keys = (SELECT count(*) FROM edge WHERE src = ?1) WHERE id = ?1",
                source.id,
            )
        self._execute(
            "UPDATE source SET rows = ?, keyed = ?, last_read = ? WHERE id = ?",
            *(rows, keyed, self._stamp, source.id),
        )
        self._read.append(source.id)
        self.changes[source.name] = (source.added, source.removed)

    def finish(self, positions: Mapping[str, str] | None, keep: Collection[str] | None) -> None:
        """All sources are read: what else there was goes, but for the sources to `keep` (None: all
        others). With `positions` the registry is true from now on, as far as nothing follows.
        """
        left = []
        for id_, name, keys in self._execute("SELECT id, name, keys FROM source").fetchall():
            if keep is not None and id_ not in self._read and name not in keep:
                self.changes[name] = (0, keys)
                left.append((id_,))
        many = self._connection.executemany
        many("INSERT OR IGNORE INTO gone SELECT src, row, h FROM edge WHERE src = ?", left)
        for table in ("edge", "chunk", "reread", "leaving"):
            many(f"DELETE FROM {table} WHERE src = ?", left)
        for statement in INDEXES.split(";"):
            self._execute(statement)
        edge_difference.release(self._connection, self._stamp)
        if self._any_new:
            self._execute(
                "DELETE FROM released WHERE EXISTS (SELECT 1 FROM edge WHERE edge.h = released.h)"
            )
        many("DELETE FROM source WHERE id = ?", left)
        returned.note_all(self._connection, self._stamp)
        self._number_it()
        if positions is not None:
            self._execute(
                "INSERT OR REPLACE INTO state VALUES (1, ?, ?)", self._stamp, json.dumps(positions)
            )

    def follow(self, database: str, sources: Sequence[FollowedSource]) -> None:
        """From here on a stream keeps these sources, which were just read, true."""
        stream_tables.follow_sources(self._connection, database, sources)

    def _number_it(self) -> None:
        """Remember when the edges were first seen that this reading added, if there are any."""
        if self._added and not self._is_numbered:
            self._execute("INSERT INTO reading VALUES (?, ?)", self._number, self._stamp)
            self._is_numbered = True

    def _add_chunk(self, source: _Source, digest: bytes, keyed: Sequence[RowId]) -> None:
        low, high = _range(keyed)
        self._execute(
            "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?)",
            *(source.id, digest, len(keyed), low, high, pack_ids(keyed) if keyed else None),
        )

    def _flush(self, *, rest: bool) -> None:
        source = self._source
        fixed = (source.id, self._number)
        written = write_blocks(self._connection, EDGE, fixed, source.edges, rest=rest)
        written += write_blocks(self._connection, NEAR, fixed, source.near, rest=rest)
        edge_difference.note_fresh(self._connection, source.fresh, rest=rest)
        source.added += written
        self._added += written
        if self._indexed and self._added > max(_MANY, self._before // 4):
            self._drop_indexes()

    def _replace(self, source: _Source, kept: Collection[bytes]) -> None:
        """Take away what the touched rows no longer refer to."""
        if source.whole:
            edge_difference.find_gone_of_all(self._connection, source.id)
        else:
            self._spare(source, kept)
            edge_difference.find_gone_of_touched(self._connection, source.id)
        source.removed = edge_difference.remove_gone(self._connection, source.id)
        edge_difference.forget_rows(self._connection)

    def _touch(self, source: _Source, digest: bytes) -> None:
        query = "SELECT ids FROM chunk WHERE src = ? AND digest = ? AND ids IS NOT NULL"
        for (packed,) in self._execute(query, source.id, digest).fetchall():
            edge_difference.touch(self._connection, unpack_ids(packed))

    def _spare(self, source: _Source, kept: Collection[bytes]) -> None:
        """Two rows may have one identity. Where the other one's chunk was not read anew, the edges
        of both stay, and all chunks are forgotten: the next reading tells them apart.
        """
        query = (
            "SELECT digest, ids FROM chunk WHERE src = ? AND EXISTS"
            " (SELECT 1 FROM touched WHERE touched.row BETWEEN chunk.low AND chunk.high)"
        )
        shared = 0
        for digest, packed in self._execute(query, source.id):
            if digest in kept:
                shared += self._connection.executemany(
                    "DELETE FROM touched WHERE row = ?", ((row,) for row in unpack_ids(packed))
                ).rowcount
        if shared:
            self._execute("DELETE FROM chunk WHERE src = ?", source.id)

    def _drop_indexes(self) -> None:
        """Made after a load they take a fifth of the time that they take during it."""
        for name in ("edge_h", "edge_form"):
            self._execute(f"DROP INDEX IF EXISTS {name}")
        self._indexed = False

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _one(self, query: str, *values: object) -> int:
        return int(self._execute(query, *values).fetchone()[0])


def _extend(columns: Sequence[list[Any]], *more: Sequence[Any]) -> None:
    for column, values in zip(columns, more, strict=False):
        column.extend(values)


def _range(ids: Sequence[RowId]) -> tuple[RowId | None, RowId | None]:
    """The lowest and the highest, as SQLite orders them: numbers before texts."""
    if len(set(map(type, ids))) == 1:
        return min(ids), max(ids)
    numbers = [row for row in ids if isinstance(row, int)]
    texts = [row for row in ids if isinstance(row, str)]
    ends = [bound(of) for of in (numbers, texts) if of for bound in (min, max)]
    return (ends[0], ends[-1]) if ends else (None, None)
