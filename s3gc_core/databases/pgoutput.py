"""Decodes pgoutput, protocol version 1: messages of the server in, changes out. Pure.

Nothing is guessed: a message that is not understood ends the stream, and a table whose layout is
not the one that the catalogue had ends the decoding of that table.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from s3gc_core.databases.changes import (
    UNCHANGED,
    Beat,
    Change,
    Commit,
    RowChange,
    TableAltered,
    TableEmptied,
    Untold,
)
from s3gc_core.databases.naming import join_name
from s3gc_core.databases.pgoutput_rows import (
    UNKNOWN,
    Column,
    Followed,
    Plan,
    Raw,
    identity_of,
    not_understood,
    taken,
    values_of,
)
from s3gc_core.databases.protocol import RowId, Value
from s3gc_core.errors import StreamLost

_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
_NEW, _OLD, _KEY = b"NOK"
# Types, streamed origins and emitted messages say nothing of rows.
_IGNORED = frozenset(b"YOM")
_unsigned = struct.Struct(">I").unpack_from
_short = struct.Struct(">H").unpack_from
_begin = struct.Struct(">QqI").unpack_from
_commit = struct.Struct(">BQQq").unpack_from
_column_end = struct.Struct(">Ii").unpack_from


def position(lsn: int) -> str:
    """A place in the log as our text, which compares as the number does."""
    return f"{lsn:016X}"


class Decoder:
    """Takes the messages of one stream, in order."""

    def __init__(self, followed: Sequence[Followed], heartbeat: Followed, name: str) -> None:
        self._by_oid: Mapping[int, Followed] = {f.oid: f for f in (*followed, heartbeat)}
        self._by_name = {(f.schema, f.name): f for f in (*followed, heartbeat)}
        self._heartbeat = heartbeat
        self._name = name
        # None: a relation that is not followed, or no more.
        self._plans: dict[int, Plan | None] = {}
        self._altered: set[str] = set()
        self._anchor = ""
        self._transaction = ""
        # The anchor of the last beat that was told.
        self.told = ""

    def feed(self, data: bytes, out: list[Change]) -> None:
        """Append to `out` what the message says. Raises `StreamLost` ("decoding" and others)."""
        kind = data[0] if data else 0
        try:
            if kind == 73:
                self._insert(data, out)
            elif kind == 85:
                self._update(data, out)
            elif kind == 68:
                self._delete(data, out)
            elif kind == 66:
                final, _, number = _begin(data, 1)
                self._anchor, self._transaction = position(final), str(number)
            elif kind == 67:
                _, _, end, at = _commit(data, 1)
                when = _MIDNIGHT + timedelta(microseconds=at)
                out.append(Commit(position(end), when, self._transaction))
            elif kind == 82:
                self._relation(data, out)
            elif kind == 84:
                self._truncate(data, out)
            elif kind not in _IGNORED:
                raise not_understood(f"a message of the kind {data[:1]!r}")
        except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
            what = f"a message of the kind {data[:1]!r} ({type(error).__name__}: {error})"
            raise not_understood(what) from error

    def _insert(self, data: bytes, out: list[Change]) -> None:
        plan = self._plans[_unsigned(data, 1)[0]]
        if plan is None:
            return
        if data[5] != _NEW:
            raise not_understood(f"an insert with a {data[5:6]!r}")
        raws, _ = taken(data, 6, plan)
        self._changed(plan, None, identity_of(plan, raws), values_of(plan, raws), out)

    def _update(self, data: bytes, out: list[Change]) -> None:
        plan = self._plans[_unsigned(data, 1)[0]]
        if plan is None:
            return
        old: list[Raw] | None = None
        kind, at = data[5], 6
        is_full = kind == _OLD
        if kind in (_OLD, _KEY):
            old, at = taken(data, at, plan, whole=True)
            kind, at = data[at], at + 1
        if kind != _NEW:
            raise not_understood(f"an update with a {data[at - 1 : at]!r}")
        raws, _ = taken(data, at, plan)
        if old is None:
            after = identity_of(plan, raws)
            self._changed(plan, after, after, values_of(plan, raws), out)
            return
        if is_full and plan.fills:
            raws = [was if now is UNCHANGED else now for now, was in zip(raws, old, strict=True)]
        # A key that did not change may be told in the old tuple only.
        now = list(raws)
        for place, _ in plan.key:
            if now[place] is UNCHANGED:
                now[place] = old[place]
        self._changed(
            plan, identity_of(plan, old), identity_of(plan, now), values_of(plan, raws), out
        )

    def _delete(self, data: bytes, out: list[Change]) -> None:
        plan = self._plans[_unsigned(data, 1)[0]]
        if plan is None:
            return
        if data[5] not in (_OLD, _KEY):
            raise not_understood(f"a deletion with a {data[5:6]!r}")
        raws, _ = taken(data, 6, plan)
        self._changed(plan, identity_of(plan, raws), None, (), out)

    def _changed(
        self,
        plan: Plan,
        before: RowId | None,
        after: RowId | None,
        values: tuple[Value | Untold, ...],
        out: list[Change],
    ) -> None:
        if plan.table == self._heartbeat.table:
            self._beat(before, after, values, out)
        elif before is UNKNOWN or after is UNKNOWN:
            # Should never be: the server tells a key that it leaves out of the new tuple.
            self._give_up(plan.table, "a row came without its primary key", out)
        else:
            out.append(RowChange(plan.table, before, after, values))

    def _beat(
        self,
        before: RowId | None,
        after: RowId | None,
        values: tuple[Value | Untold, ...],
        out: list[Change],
    ) -> None:
        if before == self._name != after:
            raise _heartbeat_missing(self._name)
        if after != self._name:
            return
        counter, token, previous = values
        if not (isinstance(counter, str) and isinstance(token, str) and isinstance(previous, str)):
            raise not_understood("a heartbeat that is not whole")
        self.told = self._anchor
        out.append(Beat(int(counter), token, previous, self._anchor))

    def _truncate(self, data: bytes, out: list[Change]) -> None:
        (count,) = _unsigned(data, 1)
        for place in range(count):
            plan = self._plans[_unsigned(data, 6 + 4 * place)[0]]
            if plan is None:
                continue
            if plan.table == self._heartbeat.table:
                raise _heartbeat_missing(self._name)
            out.append(TableEmptied(plan.table))

    def _relation(self, data: bytes, out: list[Change]) -> None:
        (oid,) = _unsigned(data, 1)
        schema, at = _name(data, 5)
        name, at = _name(data, at)
        schema = schema or "pg_catalog"
        identity = chr(data[at])
        (count,) = _short(data, at + 1)
        at += 3
        columns = []
        for _ in range(count):
            flags = data[at]
            column, at = _name(data, at + 1)
            columns.append(Column(column, bool(flags & 1), *_column_end(data, at)))
            at += 8
        followed = self._by_oid.get(oid) or self._by_name.get((schema, name))
        if followed is None or followed.table in self._altered:
            self._plans[oid] = None
            return
        why = _difference(followed, oid, (schema, name), identity, tuple(columns))
        if not why:
            self._plans[oid] = Plan(followed)
            return
        self._plans[oid] = None
        self._give_up(followed.table, why, out)

    def _give_up(self, table: str, why: str, out: list[Change]) -> None:
        """What follows of this table would be guesses."""
        if table == self._heartbeat.table:
            raise StreamLost("publication-changed", f"the heartbeat's table was altered: {why}")
        self._altered.add(table)
        self._plans = {
            oid: None if plan is not None and plan.table == table else plan
            for oid, plan in self._plans.items()
        }
        out.append(TableAltered(table, why))


def _difference(
    followed: Followed, oid: int, name: tuple[str, str], identity: str, columns: tuple[Column, ...]
) -> str:
    if oid != followed.oid:
        return "another table bears its name now"
    if name != (followed.schema, followed.name):
        return f"its name was {join_name(*name)} then"
    if identity != followed.identity:
        return "its replica identity was another then"
    if columns != followed.columns:
        mine, theirs = set(followed.columns), set(columns)
        names = sorted({column.name for column in mine ^ theirs})
        return f"its columns were others then: {', '.join(names) or 'in another order'}"
    return ""


def _name(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _heartbeat_missing(name: str) -> StreamLost:
    return StreamLost("heartbeat-missing", f"somebody took the row {name!r} out of s3gc.heartbeat")
