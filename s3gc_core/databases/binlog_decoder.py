"""From packets of a binary log to changes: transactions, positions, and which rows are told.

Pure: the connection is the stream's. Anything that is not understood raises `StreamLost`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct

from s3gc_core.databases import binlog_events as events
from s3gc_core.databases import binlog_gtids
from s3gc_core.databases.binlog_events import Event, Kind, Query, Undecodable
from s3gc_core.databases.binlog_maps import HEARTBEAT, TableMaps, Unread
from s3gc_core.databases.binlog_payload import inner_events
from s3gc_core.databases.binlog_positions import position, split_file
from s3gc_core.databases.binlog_rows import ROW_KINDS, RowsLost, TableRows
from s3gc_core.databases.binlog_statements import Control, control, effects
from s3gc_core.databases.changes import (
    UNTOLD,
    Beat,
    Change,
    Commit,
    RowChange,
    TableAltered,
    TableEmptied,
)
from s3gc_core.databases.mysql_definition import TableDefinition
from s3gc_core.errors import StreamLost

_IGNORED = frozenset(
    {Kind.STOP, Kind.IGNORABLE, Kind.ROWS_QUERY, Kind.ANNOTATE_ROWS, Kind.PREVIOUS_GTIDS}
    | {Kind.BINLOG_CHECKPOINT, Kind.GTID_LIST, Kind.START_ENCRYPTION, Kind.VIEW_CHANGE}
    | {Kind.TRANSACTION_CONTEXT, Kind.HEARTBEAT, Kind.HEARTBEAT_V2}
    # What a statement in the log needs beside its text; the statement itself is judged.
    | {Kind.INTVAR, Kind.RAND, Kind.USER_VAR}
)
# A statement that loads a file, in pieces.
_LOADING = frozenset(
    {Kind.BEGIN_LOAD_QUERY, Kind.APPEND_BLOCK, Kind.DELETE_FILE, Kind.EXECUTE_LOAD_QUERY}
)
_MYSQL_GTIDS = frozenset({Kind.GTID, Kind.ANONYMOUS_GTID, Kind.TAGGED_GTID})
_STANDALONE = 1  # MariaDB's flag of a transaction that is one statement and has no end of its own
_PREPARED = 64  # MariaDB's flag of a transaction that ends with XA PREPARE
# Events of one file that we are not sent, such as the key of its encryption, come after its head.
_MOST_HIDDEN = 4096
_OFFSETS = 1 << 32
_XID = Struct("<iII")


@dataclass(slots=True)
class _Transaction:
    """The one we are in. `touched` are the tables of which something was told."""

    anchor: str
    # What the server calls it (GTID), empty where it has no name.
    name: str
    touched: dict[str, None]
    altered: set[str | None]
    # Ends with an event of its own; the statements that are not, with themselves.
    is_open: bool = False
    # Prepared by XA: its rows become visible some day, or never.
    is_prepared: bool = False


class Decoder:
    """Takes the events from a position on. `tables` are those to tell of, and the heartbeat's."""

    def __init__(
        self,
        name: str,
        base: str,
        index: int,
        offset: int,
        watched: dict[str, Sequence[str]],
        tables: dict[str, TableDefinition],
        charsets: dict[int, str],
    ) -> None:
        self._name = name
        self._base = base
        self._index, self._offset = index, offset
        self._watched = list(watched)
        self._tables = TableMaps(watched, tables, charsets)
        self._checksums = False
        self._after_head = False
        self._transaction: _Transaction | None = None
        self._prepared: dict[str, tuple[str, ...]] = {}
        self.has_begun = False

    @property
    def position(self) -> str:
        """The offset behind the last event."""
        return position(self._index, self._offset)

    def packet(self, data: bytes) -> Iterator[Sequence[Change]]:
        """The changes of one event. Raises `StreamLost`."""
        try:
            event = events.parse(data, self._checksums)
            start = self._advance(event)
            yield from self._event(event, start)
        except (Undecodable, IndexError, ValueError) as error:
            raise StreamLost(
                "decoding", f"the binary log of {self._base} at {self.position}: {error}"
            ) from error

    def _advance(self, event: Event) -> int:
        """Follow the offset, which the events hold in 32 bits only; where the event begins."""
        is_made_up = bool(event.flags & events.ARTIFICIAL) or event.kind in (
            Kind.HEARTBEAT,
            Kind.HEARTBEAT_V2,
        )
        start = self._offset
        end = start + event.size
        if is_made_up or (event.end == 0 and end % _OFFSETS != 0):
            if not is_made_up and event.kind not in (Kind.FORMAT_DESCRIPTION, Kind.GTID_LIST):
                raise Undecodable("an event does not say where it ends")
            return start
        hidden = (event.end - end) % _OFFSETS
        if hidden and not (self._after_head and hidden < _MOST_HIDDEN):
            raise Undecodable(f"an event ends at {event.end} instead of {end}")
        self._offset = end + hidden
        self._after_head = event.kind is Kind.FORMAT_DESCRIPTION
        return start + hidden

    def _event(self, event: Event, start: int) -> Iterator[Sequence[Change]]:
        kind = event.kind
        if kind in ROW_KINDS:
            yield from self._rows(event)
        elif kind is Kind.TABLE_MAP:
            self._tables.add(event.body)
        elif kind is Kind.MARIADB_GTID:
            transaction = self._begin(start, binlog_gtids.of_mariadb(event.body))
            transaction.is_open = not event.body[12] & _STANDALONE
            transaction.is_prepared = bool(event.body[12] & _PREPARED)
        elif kind in _MYSQL_GTIDS:
            self._begin(start, binlog_gtids.of_mysql(event.body) if kind is Kind.GTID else "")
        elif kind in (Kind.QUERY, Kind.QUERY_COMPRESSED):
            yield self._query(events.query(event), event)
        elif kind is Kind.XID:
            yield self._commit(event)
        elif kind is Kind.XA_PREPARE:
            yield self._prepare(event)
        elif kind is Kind.ROTATE:
            self._rotate(event)
        elif kind is Kind.FORMAT_DESCRIPTION:
            self._head(event)
        elif kind is Kind.TRANSACTION_PAYLOAD:
            for inner in inner_events(event.body):
                if inner.kind is Kind.TRANSACTION_PAYLOAD:
                    raise Undecodable("a compressed transaction within another one")
                yield from self._event(
                    Event(inner.kind, event.timestamp, inner.size, 0, inner.flags, inner.body),
                    start,
                )
        elif kind in _LOADING:
            yield self._alter(None, "a file was loaded by a statement")
        elif kind is Kind.INCIDENT:
            raise StreamLost("incident", "the server says that its binary log has a gap (INCIDENT)")
        elif kind not in _IGNORED:
            raise Undecodable(f"an event of type {kind.name} is not understood")

    def _head(self, event: Event) -> None:
        self._checksums = events.has_checksums(event.body + bytes(events.CHECKSUM_BYTES))
        self._tables.clear()
        self.has_begun = True

    def _rotate(self, event: Event) -> None:
        name, offset = events.rotation(event.body)
        base, index = split_file(name)
        if base != self._base or (index, offset) < (self._index, 4):
            raise Undecodable(f"it goes on in {name}, which is another log")
        if not event.flags & events.ARTIFICIAL:
            if index != self._index + 1 or offset != 4:
                raise Undecodable(f"after file {self._index} comes {name}")
        elif (index, offset) not in ((self._index, self._offset), (self._index + 1, 4)):
            raise Undecodable(f"it goes on in {name} at {offset} instead of {self.position}")
        if self._transaction is not None:
            raise Undecodable("a file ends within a transaction")
        self._index, self._offset = index, offset
        self._after_head = False

    def _begin(self, start: int, name: str) -> _Transaction:
        if self._transaction is not None:
            raise Undecodable("a transaction begins within another one")
        self._transaction = _Transaction(position(self._index, start), name, {}, set())
        return self._transaction

    def _current(self) -> _Transaction:
        if self._transaction is None:
            raise Undecodable("a change outside of a transaction")
        return self._transaction

    def _rows(self, event: Event) -> Iterator[Sequence[Change]]:
        transaction = self._current()
        table = self._tables.find(event.body)
        name = table.table if isinstance(table, Unread) else table.canonical
        if name is None:
            return
        if name == HEARTBEAT:
            yield from self._heartbeat(table, event, transaction.anchor)
            return
        if isinstance(table, Unread):
            yield self._alter(name, table.why)
            return
        transaction.touched[name] = None
        if transaction.is_prepared:
            return
        try:
            yield from table.changes(event.kind, event.body)
        except RowsLost as error:
            yield self._alter(name, str(error))

    def _heartbeat(
        self, table: TableRows | Unread, event: Event, anchor: str
    ) -> Iterator[Sequence[Change]]:
        try:
            if isinstance(table, Unread):
                raise RowsLost(table.why)
            for part in table.changes(event.kind, event.body):
                yield self._beats(part, anchor)
        except RowsLost as error:
            raise StreamLost("heartbeat-unread", f"a change of {HEARTBEAT}: {error}") from error

    def _beats(self, part: Sequence[Change], anchor: str) -> list[Change]:
        found: list[Change] = []
        for change in part:
            if not isinstance(change, RowChange) or self._name not in (change.before, change.after):
                continue
            if change.after != self._name:
                raise StreamLost("heartbeat-missing", f"our row in {HEARTBEAT} was deleted")
            counter, token, previous = change.values
            if UNTOLD in change.values or counter is None or token is None:
                raise StreamLost("decoding", f"a change of {HEARTBEAT} is not told as a whole")
            self._current().touched[HEARTBEAT] = None
            found.append(Beat(int(str(counter)), str(token), str(previous or ""), anchor))
        return found

    def _alter(self, table: str | None, why: str) -> list[Change]:
        """Once per transaction and table."""
        transaction = self._current()
        if transaction.is_prepared and table is not None:
            transaction.touched[table] = None
            return []
        if table in transaction.altered:
            return []
        transaction.altered.add(table)
        return [TableAltered(table, why)]

    def _query(self, query: Query, event: Event) -> list[Change]:
        transaction = self._current()
        what = control(query)
        if what in (Control.BEGIN, Control.XA_START):
            transaction.is_open = True
            transaction.is_prepared = what is Control.XA_START
        elif what is Control.COMMIT:
            return self._commit(event)
        elif what in (Control.ROLLBACK, Control.ROLLBACK_TO):
            changes = self._undone("it was rolled back in part")
            return changes + (self._commit(event) if what is Control.ROLLBACK else [])
        elif what is Control.XA_COMMIT:
            changes = self._commit_prepared(_xa_name(query))
            return changes + self._commit(event)
        elif what is Control.XA_ROLLBACK:
            self._prepared.pop(_xa_name(query), None)
            return self._commit(event)
        elif what is None:
            changes = []
            for change in effects(query, self._watched):
                if isinstance(change, TableAltered):
                    changes += self._alter(change.table, change.why)
                elif isinstance(change, TableEmptied):
                    transaction.touched[change.table] = None
                    changes.append(change)
            return changes if transaction.is_open else changes + self._commit(event)
        return []

    def _undone(self, why: str) -> list[Change]:
        """What was told of the transaction did not happen, or not all of it."""
        transaction = self._current()
        if HEARTBEAT in transaction.touched:
            raise StreamLost("decoding", "a change of the heartbeat was rolled back in the log")
        return [change for table in transaction.touched for change in self._alter(table, why)]

    def _prepare(self, event: Event) -> list[Change]:
        """XA PREPARE; or XA COMMIT ... ONE PHASE, which is both at once."""
        transaction = self._current()
        if not transaction.is_prepared:
            raise Undecodable("a transaction is prepared that was not begun by XA")
        touched = tuple(transaction.touched)
        if event.body[0]:
            transaction.is_prepared = False
            changes = [c for table in touched for c in self._alter(table, "changed through XA")]
            return changes + self._commit(event)
        self._prepared[_prepared_name(event.body)] = touched
        self._end()
        return []

    def _commit_prepared(self, name: str) -> list[Change]:
        touched = self._prepared.pop(name, None)
        if touched is None:
            return self._alter(None, "an XA transaction was committed that was prepared before")
        return [c for table in touched for c in self._alter(table, "changed through XA")]

    def _commit(self, event: Event) -> list[Change]:
        transaction = self._current()
        if transaction.is_prepared:
            raise Undecodable("a transaction of XA ends without XA")
        self._end()
        if not transaction.touched and not transaction.altered:
            return []
        at = datetime.fromtimestamp(event.timestamp, UTC)
        return [Commit(self.position, at, transaction.name)]

    def _end(self) -> None:
        self._transaction = None
        self._tables.clear()


def _prepared_name(body: bytes) -> str:
    """The name of a prepared transaction as the server's own statements write it."""
    form, first, second = _XID.unpack_from(body, 1)
    data = body[1 + _XID.size :]
    if len(data) != first + second:
        raise Undecodable("the name of an XA transaction is malformed")
    return f"X'{data[:first].hex()}',X'{data[first:].hex()}',{form}"


def _xa_name(query: Query) -> str:
    """The transaction that XA COMMIT or XA ROLLBACK names."""
    words = query.text.decode("latin-1").split(None, 2)
    return words[2].strip() if len(words) > 2 else ""
