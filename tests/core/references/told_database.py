"""A little database and the stream that tells its history: a model that shares nothing with s3gc's
writing, but for the words (`Change`) and the hash of a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.changes import Beat, Change, Commit, RowChange, TableEmptied, Untold
from s3gc_core.databases.protocol import Page, RowId, Value
from s3gc_core.references import key_hash
from s3gc_core.references.row_edges import Placed

PICS, DOCS = "public.pics", "public.docs"
COLUMNS: dict[str, tuple[str, ...]] = {
    PICS: ("image", "thumb", "folder"),
    DOCS: ("file", "draft"),
}
IMAGE = SourceConfig("pics", ("image",), Codec.KEY)
THUMB = SourceConfig("pics", ("thumb",), Codec.KEY)
PAIR = SourceConfig("pics", ("folder", "thumb"), Codec.TEMPLATE, "{folder}/{thumb}")
FILE = SourceConfig("docs", ("file",), Codec.KEY)
# Only the database knows which rows these are.
DRAFT = SourceConfig("docs", ("draft",), Codec.KEY, where="draft <> 'k1'")
SOURCES: dict[str, Sequence[Placed]] = {
    PICS: [(IMAGE, (0,)), (THUMB, (1,)), (PAIR, (2, 1))],
    DOCS: [(FILE, (0,)), (DRAFT, (1,))],
}
TABLES = {source.name: table for table, placed in SOURCES.items() for source, _ in placed}
BY_NAME = {source.name: source for placed in SOURCES.values() for source, _ in placed}

Values = tuple[str | None, ...]
Rows = dict[str, dict[RowId, Values]]
# (source, row, hash)
Held = set[tuple[str, RowId, int]]


def position(number: int) -> str:
    return f"{number:06d}"


def held(rows: Rows) -> Held:
    """What the rows refer to, said by hand for each source."""
    found: set[tuple[str, RowId, str | None]] = set()
    for id_, (image, thumb, folder) in rows[PICS].items():
        found |= {(IMAGE.name, id_, image), (THUMB.name, id_, thumb)}
        if folder is not None and thumb is not None:
            found.add((PAIR.name, id_, f"{folder}/{thumb}"))
    for id_, (file, draft) in rows[DOCS].items():
        found |= {(FILE.name, id_, file), (DRAFT.name, id_, None if draft == "k1" else draft)}
    return {(source, row, key_hash(key)) for source, row, key in found if key is not None}


def page(rows: Rows, source: SourceConfig, asked: Sequence[RowId] | None = None) -> Page:
    """What a read of the source gives, of all rows or of those that are asked for."""
    table = TABLES[source.name]
    places = [COLUMNS[table].index(column) for column in source.columns]
    found = {
        id_: values
        for id_, values in rows[table].items()
        if (asked is None or id_ in asked)
        and (source is not DRAFT or values[1] not in {None, "k1"})
    }
    columns: list[list[Value]] = [[values[place] for values in found.values()] for place in places]
    return Page(list(found), columns)


@dataclass
class Transaction:
    """What was committed, as the stream tells it, and the rows after it."""

    changes: list[Change]
    rows: Rows
    beat: Beat | None = None

    def keys(self) -> set[int]:
        return {h for _, _, h in held(self.rows)}


@dataclass
class Op:
    """One change to try: what makes no sense at its moment does not happen.

    `values`: by column, a new value, or "=" for the one that there is. `told`: by column, whether
    the stream tells the new value, tells that it is unchanged (where that is so), or nothing.
    """

    kind: str
    table: str
    row: RowId
    to: RowId
    values: Sequence[str | None]
    told: Sequence[Untold | None]


@dataclass
class ToldDatabase:
    """`history[n]` has the position `position(n)`; before the first there are no rows."""

    history: list[Transaction] = field(default_factory=list)
    rows: Rows = field(default_factory=lambda: {PICS: {}, DOCS: {}})
    counter: int = 0

    def commit(self, ops: Sequence[Op]) -> None:
        each = (one for op in ops for one in (self._handed(op) if op.kind == "hand" else [op]))
        changes = [change for op in each if (change := self._change(op)) is not None]
        if changes:
            self._end(changes)

    def beat(self) -> Beat:
        self.counter += 1
        before = f"token {self.counter - 1}"
        anchor = position(len(self.history))
        beat = Beat(self.counter, f"token {self.counter}", before, anchor)
        self._end([beat])
        self.history[-1].beat = beat
        return beat

    def place_of_beat(self, counter: int) -> int:
        [found] = [n for n, t in enumerate(self.history) if t.beat and t.beat.counter == counter]
        return found

    def _end(self, changes: list[Change]) -> None:
        number = len(self.history)
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        self.history.append(
            Transaction([*changes, Commit(position(number), at)], deepcopy(self.rows))
        )

    def _handed(self, op: Op) -> list[Op]:
        """A row's key passes to another row, of which the stream tells what `told` says."""
        was = self.rows[op.table].get(op.row)
        keys = [value for value in was or () if value is not None]
        if was is None or not keys:
            return []
        table, to = op.table, op.to
        if to == op.row:
            table, to = (DOCS, "a") if op.table == PICS else (PICS, 1)
        lost = ["=" if value is None or value != keys[0] else None for value in was]
        taken: list[str | None] = ["=", "=", "="]
        taken[op.told[1] is None] = keys[0]
        kind = "update" if to in self.rows[table] else "insert"
        give = Op(
            "update" if op.values[0] else "delete", op.table, op.row, op.row, lost, [None] * 3
        )
        take = Op(kind, table, to, to, taken, [op.told[0]] * 3)
        return [give, take] if op.told[2] is None else [take, give]

    def _change(self, op: Op) -> Change | None:
        rows = self.rows[op.table]
        if op.kind == "empty":
            rows.clear()
            return TableEmptied(op.table)
        if op.kind == "delete":
            return RowChange(op.table, op.row, None, ()) if rows.pop(op.row, None) else None
        if op.kind == "insert":
            if op.row in rows:
                return None
            values = op.values[: len(COLUMNS[op.table])]
            rows[op.row] = tuple(None if value == "=" else value for value in values)
            return RowChange(op.table, None, op.row, _told(op, None, rows[op.row]))
        to = op.to if op.kind == "move" else op.row
        if op.row not in rows or (to != op.row and to in rows):
            return None
        was = rows.pop(op.row)
        now = zip(was, op.values, strict=False)
        rows[to] = tuple(old if value == "=" else value for old, value in now)
        return RowChange(op.table, op.row, to, _told(op, was, rows[to]))


def _told(op: Op, was: Values | None, now: Values) -> tuple[Value | Untold, ...]:
    told: list[Value | Untold] = []
    for n, (value, how) in enumerate(zip(now, op.told, strict=False)):
        is_same = was is not None and was[n] == value
        if how is None or (how is Untold.UNCHANGED and not is_same):
            told.append(value)
        else:
            told.append(how)
    return tuple(told)
