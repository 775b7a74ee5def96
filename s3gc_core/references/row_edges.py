"""The edges of single rows in the registry: replaced, copied, added and taken away.

Within the transaction of a connection whose temporary tables `edge_difference` made.
"""

from __future__ import annotations

import json
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

_OF_TOUCHED = "src = ? AND row IN (SELECT row FROM touched)"


class RowEdges:
    """Writes for the sources of one database. Every edge that goes is remembered as released.

    What a row holds that is not read yet may be what another row just lost, so no edge goes while a
    row is unread that changed before the edge was lost. And a row that changes again, unread,
    may have given to any other unread row what it held: these are unknown for as long as it was.
    """

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
        self._stamp = ""
        self._ids: dict[str, int] = {}
        # The ids of this database's sources, as JSON.
        self._own = "[]"
        # Since which beat a row was unread that changed in this transaction.
        self._unread_since: int | None = None
        self.serial = 0

    def begin(self, number: int, stamp: str) -> None:
        """A transaction begins at that time; edges written in it are first seen by that reading."""
        self._number = number
        self._stamp = stamp
        [last] = self._execute("SELECT coalesce(max(serial), 0) FROM reread").fetchone()
        # Never one that there was, also where nothing is left to be read: who waits for the rows
        # up to a number must not be given later ones.
        self.serial = max(self.serial, last) + 1
        self._ids = dict(self._connection.execute("SELECT name, id FROM source"))
        own = (source.name for placed in self._sources.values() for source, _ in placed)
        self._own = json.dumps([self._ids[name] for name in own if name in self._ids])
        self._unread_since = None

    def replace(self, now: RowsNow, queued: int) -> None:
        """The rows hold what they hold now. What was not told is to be read, since that beat."""
        for source, places in self._sources.get(now.table, ()):
            told, untold = _split(source, places, now.rows)
            self._queue(source, untold, queued)
            self._replace(source, told, now.gone, queued)
            if source.where is None and now.more:
                self._execute(
                    "UPDATE source SET rows = max(rows + ?, 0) WHERE id = ?",
                    *(now.more, self._ids[source.name]),
                )

    def move(self, moved: RowMoved, queued: int) -> None:
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
        self.replace(now, queued)

    def empty(self, table: str, queued: int) -> None:
        """The table has no rows any more."""
        for source, _ in self._sources.get(table, ()):
            id_ = self._ids[source.name]
            self._note_unread("src = ?", id_)
            for pending in ("reread", "leaving"):
                self._execute(f"DELETE FROM {pending} WHERE src = ?", id_)
            edge_difference.find_gone_of_all(self._connection, id_)
            self._let_go(queued)
            self._execute("UPDATE source SET rows = 0 WHERE id = ?", id_)

    def add_read(
        self, source: SourceConfig, asked: Sequence[RowId], found: Page, after: int
    ) -> None:
        """Rows as they were read before the beat `after`. What they hold no more leaves with it.

        They were read later than the stream has come: until the beat, what they held is not known.
        """
        id_ = self._ids[source.name]
        edge_difference.touch(self._connection, asked)
        self._execute(f"UPDATE reread SET after = ? WHERE {_OF_TOUCHED}", after, id_)
        self._execute(f"DELETE FROM leaving WHERE {_OF_TOUCHED}", id_)
        self._replace_touched(source, found, after)

    def finish(self, counter: int) -> None:
        """The transaction ends, the beat has come: what nothing speaks for any more goes."""
        own = "src IN (SELECT value FROM json_each(?))"
        if self._unread_since is not None:
            since = self._unread_since
            self._execute(
                f"UPDATE reread SET queued = ? WHERE queued > ? AND {own}",
                *(since, since, self._own),
            )
        self._execute(f"DELETE FROM reread WHERE after <= ? AND {own}", counter, self._own)
        [unread] = self._execute(
            f"SELECT min(queued) FROM reread WHERE {own}", self._own
        ).fetchone()
        last = counter if unread is None else min(counter, unread - 1)
        due = self._execute(
            f"SELECT DISTINCT src FROM leaving WHERE after <= ? AND {own}", last, self._own
        ).fetchall()
        for (id_,) in due:
            of_due = "FROM leaving WHERE src = ? AND after <= ?"
            self._execute(f"INSERT INTO touched SELECT DISTINCT row {of_due}", id_, last)
            held = self._held(id_)
            self._execute(f"INSERT INTO gone SELECT src, row, h {of_due}", id_, last)
            self._execute(f"DELETE {of_due}", id_, last)
            removed = edge_difference.remove_gone(self._connection, id_)
            self._count(id_, -removed, self._held(id_) - held)
            edge_difference.forget_rows(self._connection)
        edge_difference.release(self._connection, self._stamp)

    def _replace(
        self, source: SourceConfig, told: Page, gone: Collection[RowId], queued: int
    ) -> None:
        touched = [*told.ids, *gone]
        if not touched:
            return
        id_ = self._ids[source.name]
        edge_difference.touch(self._connection, touched)
        self._note_unread(_OF_TOUCHED, id_)
        for pending in ("reread", "leaving"):
            if self._execute(f"SELECT 1 FROM {pending} WHERE src = ? LIMIT 1", id_).fetchone():
                self._execute(f"DELETE FROM {pending} WHERE {_OF_TOUCHED}", id_)
        self._replace_touched(source, told, queued)

    def _replace_touched(self, source: SourceConfig, now: Page, after: int) -> None:
        """The touched rows hold what `now` says; what they hold no more leaves with that beat."""
        id_ = self._ids[source.name]
        held = self._held(id_)
        added = self._add(id_, derive(source, now, self._names))
        returned.note_fresh(self._connection, source.name, self._stamp)
        edge_difference.find_gone_of_touched(self._connection, id_)
        self._let_go(after)
        self._count(id_, added, self._held(id_) - held)
        edge_difference.forget_rows(self._connection)

    def _let_go(self, after: int) -> None:
        """What is gone leaves when that beat has come; what is fresh is released no more."""
        self._execute("INSERT INTO leaving SELECT src, row, h, ? FROM gone", after)
        self._execute("DELETE FROM gone")
        self._execute("DELETE FROM released WHERE h IN (SELECT h FROM fresh)")

    def _note_unread(self, rows: str, *values: object) -> None:
        """Before rows change: since when the first of them was unread, if one was."""
        [since] = self._execute(f"SELECT min(queued) FROM reread WHERE {rows}", *values).fetchone()
        if since is not None and (self._unread_since is None or since < self._unread_since):
            self._unread_since = since

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
            self._note_unread("src = ? AND row = ?", id_, row)
            self._execute(
                "INSERT INTO reread VALUES (?, ?, ?, ?, NULL)"
                " ON CONFLICT DO UPDATE SET serial = excluded.serial, after = NULL",
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
