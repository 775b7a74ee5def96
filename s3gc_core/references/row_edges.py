"""The edges of single rows in the registry: replaced, copied, added and taken away.

Within the transaction of a connection whose temporary tables `edge_difference` made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from s3gc_core.config import SourceConfig
from s3gc_core.databases.changes import Untold
from s3gc_core.databases.protocol import Page, RowId, Value
from s3gc_core.references import edge_difference, returned
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.derivation import Derived, derive
from s3gc_core.references.edge_blocks import EDGE, NEAR, write_blocks
from s3gc_core.references.row_changes import RowMoved, RowsNow, Told

# A source with the places of its columns among the values told of its table.
Placed = tuple[SourceConfig, tuple[int, ...]]


class RowEdges:
    """Writes for the sources of one database. Every edge that goes is remembered as released."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sources: Mapping[str, Sequence[Placed]],
        names: BucketNames,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._names = names
        self._number = 0
        self._ids: dict[str, int] = {}
        self.serial = 0

    def begin(self, number: int) -> None:
        """A transaction begins; edges written in it are first seen by that reading."""
        self._number = number
        [self.serial] = self._execute("SELECT coalesce(max(serial), 0) + 1 FROM reread").fetchone()
        self._ids = dict(self._connection.execute("SELECT name, id FROM source"))

    def replace(self, now: RowsNow, queued: int, stamp: str) -> None:
        """The rows hold what they hold now. What was not told is to be read, since that beat."""
        for source, places in self._sources.get(now.table, ()):
            told, untold = _split(source, places, now.rows)
            self._queue(source, untold, queued)
            self._replace(source, told, now.gone, stamp)
            if source.where is None and now.more:
                self._execute(
                    "UPDATE source SET rows = max(rows + ?, 0) WHERE id = ?",
                    *(now.more, self._ids[source.name]),
                )

    def move(self, moved: RowMoved, queued: int, stamp: str) -> None:
        """A row has another identity, and there refers to what it did, until it is read again."""
        for source, _ in self._sources.get(moved.table, ()):
            id_ = self._ids[source.name]
            edge_difference.touch(self._connection, [moved.after])
            held = self._held(id_)
            copied = self._execute(
                "INSERT INTO edge (src, row, h, seen, form, spelling)"
                " SELECT src, ?, h, seen, form, spelling FROM edge WHERE src = ? AND row = ?"
                " ON CONFLICT DO NOTHING",
                *(moved.after, id_, moved.before),
            ).rowcount
            self._count(id_, copied, self._held(id_) - held)
            edge_difference.forget_rows(self._connection)
            self._queue(source, [moved.after], queued)
        now = RowsNow(moved.table, {moved.before}, {moved.after: moved.values})
        self.replace(now, queued, stamp)

    def empty(self, table: str, stamp: str) -> None:
        """The table has no rows any more."""
        for source, _ in self._sources.get(table, ()):
            id_ = self._ids[source.name]
            for pending in ("reread", "leaving"):
                self._execute(f"DELETE FROM {pending} WHERE src = ?", id_)
            edge_difference.find_gone_of_all(self._connection, id_)
            edge_difference.remove_gone(self._connection, id_)
            edge_difference.release(self._connection, stamp)
            self._execute("UPDATE source SET rows = 0, keyed = 0, keys = 0 WHERE id = ?", id_)

    def add_read(
        self, source: SourceConfig, asked: Sequence[RowId], found: Page, after: int, stamp: str
    ) -> None:
        """Rows as they were read before the beat `after`. What they hold no more leaves with it."""
        id_ = self._ids[source.name]
        edge_difference.touch(self._connection, asked)
        held = self._held(id_)
        added = self._add(id_, derive(source, found, self._names))
        returned.note_fresh(self._connection, source.name, stamp)
        edge_difference.find_gone_of_touched(self._connection, id_)
        for statement in (
            "DELETE FROM reread WHERE src = ?1 AND row IN (SELECT row FROM touched)",
            "DELETE FROM leaving WHERE src = ?1 AND row IN (SELECT row FROM touched)",
        ):
            self._execute(statement, id_)
        self._execute("INSERT INTO leaving SELECT src, row, h, ? FROM gone", after)
        self._execute("DELETE FROM gone")
        self._execute("DELETE FROM released WHERE h IN (SELECT h FROM fresh)")
        self._count(id_, added, self._held(id_) - held)
        edge_difference.forget_rows(self._connection)

    def leave(self, counter: int, stamp: str) -> None:
        """The beat has come: what was not there when its row was read before it goes."""
        due = self._execute("SELECT DISTINCT src FROM leaving WHERE after <= ?", counter).fetchall()
        for (id_,) in due:
            self._execute(
                "INSERT OR IGNORE INTO touched"
                " SELECT DISTINCT row FROM leaving WHERE src = ? AND after <= ?",
                *(id_, counter),
            )
            held = self._held(id_)
            self._execute(
                "INSERT INTO gone SELECT src, row, h FROM leaving WHERE src = ? AND after <= ?",
                *(id_, counter),
            )
            self._execute("DELETE FROM leaving WHERE src = ? AND after <= ?", id_, counter)
            self._remove(id_, held, 0, stamp)

    def _replace(
        self, source: SourceConfig, told: Page, gone: Collection[RowId], stamp: str
    ) -> None:
        touched = [*told.ids, *gone]
        if not touched:
            return
        id_ = self._ids[source.name]
        edge_difference.touch(self._connection, touched)
        for pending in ("reread", "leaving"):
            if self._execute(f"SELECT 1 FROM {pending} WHERE src = ? LIMIT 1", id_).fetchone():
                self._execute(
                    f"DELETE FROM {pending} WHERE src = ? AND row IN (SELECT row FROM touched)", id_
                )
        held = self._held(id_)
        added = self._add(id_, derive(source, told, self._names))
        returned.note_fresh(self._connection, source.name, stamp)
        edge_difference.find_gone_of_touched(self._connection, id_)
        self._remove(id_, held, added, stamp)

    def _add(self, id_: int, derived: Derived) -> int:
        """Write edges, and note them as fresh; returns how many are new."""
        near = [list(column) for column in zip(*derived.near, strict=True)] or [[], [], [], []]
        edge_difference.note_fresh(
            self._connection,
            ([*derived.rows, *near[0]], [*derived.hashes, *near[1]]),
            rest=True,
        )
        added = self._count_new(id_)
        fixed = (id_, self._number)
        edges = (list(derived.rows), list(derived.hashes))
        write_blocks(self._connection, EDGE, fixed, edges, rest=True)
        write_blocks(self._connection, NEAR, fixed, near, rest=True)
        return added

    def _count_new(self, id_: int) -> int:
        query = (
            "SELECT count(*) FROM fresh WHERE NOT EXISTS (SELECT 1 FROM edge"
            " WHERE edge.src = ? AND edge.row = fresh.row AND edge.h = fresh.h)"
        )
        return int(self._execute(query, id_).fetchone()[0])

    def _remove(self, id_: int, held: int, added: int, stamp: str) -> None:
        """Take away what is gone; the touched rows `held` so many before, `added` edges came."""
        removed = edge_difference.remove_gone(self._connection, id_)
        self._count(id_, added - removed, self._held(id_) - held)
        edge_difference.forget_rows(self._connection)
        edge_difference.release(self._connection, stamp)

    def _count(self, id_: int, keys: int, keyed: int) -> None:
        if keys or keyed:
            self._execute(
                "UPDATE source SET keys = keys + ?, keyed = keyed + ? WHERE id = ?",
                *(keys, keyed, id_),
            )

    def _held(self, id_: int) -> int:
        """How many of the touched rows refer to anything."""
        query = (
            "SELECT count(*) FROM touched WHERE EXISTS"
            " (SELECT 1 FROM edge WHERE edge.src = ? AND edge.row = touched.row)"
        )
        return int(self._execute(query, id_).fetchone()[0])

    def _queue(self, source: SourceConfig, rows: Iterable[RowId], queued: int) -> None:
        id_ = self._ids[source.name]
        # The first beat stays. What a read said before is of no matter any more.
        for row in rows:
            self._execute(
                "INSERT INTO reread VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET serial = excluded.serial",
                *(id_, row, queued, self.serial),
            )
            self._execute("DELETE FROM leaving WHERE src = ? AND row = ?", id_, row)

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


def _split(
    source: SourceConfig, places: tuple[int, ...], rows: Mapping[RowId, Told]
) -> tuple[Page, list[RowId]]:
    """The rows of which all that the source needs was told, and those that have to be read."""
    if source.where is not None:
        # Whether a row meets a condition is for its database to say.
        return Page([], [[] for _ in places]), list(rows)
    columns: list[list[Value | Untold]] = [[v[place] for v in rows.values()] for place in places]
    if not any(Untold in set(map(type, column)) for column in columns):
        return Page(list(rows), columns), []  # type: ignore[arg-type]  # nothing is untold
    told, untold = [], []
    for row, values in rows.items():
        own = [values[place] for place in places]
        if not any(isinstance(value, Untold) for value in own):
            told.append((row, own))
        elif any(value is not Untold.UNCHANGED for value in own):
            untold.append(row)
    ids = [row for row, _ in told]
    return Page(ids, [[own[n] for _, own in told] for n in range(len(places))]), untold  # type: ignore[misc]  # nothing is untold
