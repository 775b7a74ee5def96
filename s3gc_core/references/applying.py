"""Writing what a change stream tells into the registry: edges and position in one transaction.

A connection and a thread of its own. What is written counts with the database's commit: a
transaction that is told in parts is one transaction here too, however long it is, so that readers
see all of it or nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from s3gc_core.config import SourceConfig
from s3gc_core.databases.changes import Beat, Change, Commit, RowChange, TableAltered, TableEmptied
from s3gc_core.databases.protocol import Page, RowId
from s3gc_core.references import edge_difference, rereads, stream_tables
from s3gc_core.references.chain import Chain
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.row_changes import RowMoved, RowsNow, fold
from s3gc_core.references.row_edges import Placed, RowEdges
from s3gc_core.references.stream_tables import StreamState

_Data = RowChange | TableEmptied | TableAltered
# Edges that a stream brings are dated to the minute: a row of `reading` for each.
_READING = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written: how many changes, and how far the stream has come.

    `soiled`: tables have to be read as a whole again. `rereads`: so many single rows have to be.
    `is_whole`: nothing of a transaction waits for its end.
    """

    state: StreamState
    changes: int
    soiled: bool
    rereads: int
    is_whole: bool


class Applying:
    """Takes the changes of one database's stream. All methods run in the connection's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        state: StreamState,
        sources: Mapping[str, Sequence[Placed]],
        names: BucketNames,
        now: Callable[[], datetime],
    ) -> None:
        """`sources`: by table, its sources with the places of their columns in the values told."""
        self._connection = connection
        self._now = now
        self._state = state
        # The last beat that is written: what comes now is said to come after that one at least.
        self._written = state.counter
        self._chain = Chain(state)
        self._edges = RowEdges(connection, sources, names)
        # Whole transactions that are not written yet, and what came after the last commit.
        self._whole: list[_Data] = []
        self._part: list[_Data] = []
        self._beat: Beat | None = None
        # Those that have come with the transactions that are not written yet.
        self._beats: list[Beat] = []
        # Whether a part of a transaction that has not ended is written.
        self._spilled = False
        self._changes = 0
        self._soiled = False
        edge_difference.make_scratch(connection)

    def take(self, changes: Sequence[Change]) -> Applied:
        """Having begun, write what came, up to the last commit in it. Raises `StreamLost`.

        The rest, of a long transaction, is written too, and seen by nobody until its commit comes.
        """
        self._changes, self._soiled = 0, False
        committed = False
        for change in changes:
            if isinstance(change, Commit):
                committed |= self._end_transaction(change)
            elif isinstance(change, Beat):
                self._chain.take(change)
                self._beat = change
            else:
                self._chain.expect_data()
                self._part.append(change)
        if committed:
            self._write(self._whole)
            self._finish()
        if self._part:
            self._spilled = True
            self.begin()
            self._write(self._part)
        elif not self._spilled:
            self.close()
        unread = rereads.unread(self._connection, self._state.database)
        is_whole = not self._connection.in_transaction
        return Applied(self._state, self._changes, self._soiled, unread, is_whole)

    def begin(self) -> None:
        """Begin to write. Raises `sqlite3.OperationalError` while others write to the registry."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
            self._edges.begin(self._reading(), self._stamp())

    @property
    def serial(self) -> int:
        """The number of the last portion that was written."""
        return self._edges.serial

    def read_again(
        self, source: SourceConfig, asked: Sequence[RowId], found: Page, after: int
    ) -> None:
        """Rows of a source as they were read before the beat `after`.

        What they hold now is added. What they hold no more may be held by a row that the stream
        has not told yet, so it leaves when that beat has come.
        """
        self._edges.add_read(source, asked, found, after)
        self._finish()

    def close(self) -> None:
        """What was not committed is not written."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _end_transaction(self, commit: Commit) -> bool:
        """Whether there is something to write: not of what is in the registry already."""
        beat, self._beat = self._beat, None
        if commit.position <= self._state.position:
            # The stream begins again at the anchor, which is before what was applied last.
            self._part.clear()
            if self._spilled:
                self.close()
                self._spilled = False
                self.begin()
            return False
        self._whole += self._part
        self._part.clear()
        self._spilled = False
        self._state = replace(
            self._state,
            position=commit.position,
            told_at=commit.at,
            transaction=commit.transaction,
        )
        if beat is not None:
            self._beats.append(beat)
            self._state = replace(
                self._state,
                counter=beat.counter,
                token=beat.token,
                anchor=beat.anchor,
                anchored=True,
            )
        return True

    def _write(self, changes: list[_Data]) -> None:
        self._changes += len(changes)
        for step in fold(changes):
            match step:
                case RowsNow():
                    self._edges.replace(step, self._written)
                case RowMoved():
                    self._edges.move(step, self._written)
                case TableEmptied(table):
                    self._edges.empty(table, self._written)
                case TableAltered(table, why):
                    self._soiled = True
                    soiled = why if table is None else {table: why}
                    stream_tables.soil_tables(self._connection, self._state.database, soiled)
        changes.clear()

    def _finish(self) -> None:
        self._edges.finish(self._state.counter)
        stream_tables.advance(self._connection, self._state, self._beats)
        self._connection.execute("COMMIT")
        self._beats.clear()
        self._written = self._state.counter

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).isoformat()

    def _reading(self) -> int:
        """The number of the reading that edges written now are first seen by."""
        now = self._now().astimezone(UTC)
        found = self._connection.execute(
            "SELECT number, at FROM reading ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if found and timedelta() <= now - datetime.fromisoformat(found[1]) < _READING:
            return int(found[0])
        number = int(found[0]) + 1 if found else 1
        self._connection.execute("INSERT INTO reading VALUES (?, ?)", (number, now.isoformat()))
        return number
