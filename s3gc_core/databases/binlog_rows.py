"""Row events: of each image the wanted columns and the key, and nothing else is looked at.

How to walk over an image is planned once per table and set of columns that are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from s3gc_core.databases import naming
from s3gc_core.databases.binlog_events import Kind, Undecodable, packed, uncompressed
from s3gc_core.databases.binlog_tables import MappedColumn, TableMap
from s3gc_core.databases.binlog_values import ToKey, ToValue, fits, to_key, to_value
from s3gc_core.databases.changes import UNTOLD, Change, RowChange, Untold
from s3gc_core.databases.mysql_definition import TableDefinition
from s3gc_core.databases.protocol import RowId, Value

# Changes of one step: an event may hold many more.
MOST_CHANGES = 2_000
INSERT, UPDATE, DELETE = "insert", "update", "delete"
_KINDS = {
    Kind.WRITE_ROWS_V1: (INSERT, False, False),
    Kind.UPDATE_ROWS_V1: (UPDATE, False, False),
    Kind.DELETE_ROWS_V1: (DELETE, False, False),
    Kind.WRITE_ROWS: (INSERT, True, False),
    Kind.UPDATE_ROWS: (UPDATE, True, False),
    Kind.DELETE_ROWS: (DELETE, True, False),
    Kind.WRITE_ROWS_COMPRESSED_V1: (INSERT, False, True),
    Kind.UPDATE_ROWS_COMPRESSED_V1: (UPDATE, False, True),
    Kind.DELETE_ROWS_COMPRESSED_V1: (DELETE, False, True),
    Kind.WRITE_ROWS_COMPRESSED: (INSERT, True, True),
    Kind.UPDATE_ROWS_COMPRESSED: (UPDATE, True, True),
    Kind.DELETE_ROWS_COMPRESSED: (DELETE, True, True),
}
ROW_KINDS = frozenset(_KINDS)
# What a step over an image does.
_PASS, _PASS_SHORT, _PASS_LONG, _TAKE, _TAKE_SHORT, _TAKE_LONG = range(6)
_Step = tuple[int, int, int]
_Slots = list[object]


class RowsLost(Exception):
    """The rows of an event cannot be told; the table has to be read again."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A row event, taken apart up to the images. `before` and `after` are the columns in them."""

    what: str
    before: bytes
    after: bytes
    images: bytes


def rows(kind: Kind, body: bytes, columns: int) -> Rows:
    """Raises `Undecodable`."""
    what, second, is_compressed = _KINDS[kind]
    at = 8
    if second:
        at += int.from_bytes(body[8:10], "little")
    count, at = packed(body, at)
    if count != columns:
        raise Undecodable("a row event has other columns than its table's event")
    width = (count + 7) // 8
    first = body[at : at + width]
    at += width
    last = first
    if what is UPDATE:
        last = body[at : at + width]
        at += width
    images = body[at:]
    return Rows(what, first, last, uncompressed(images) if is_compressed else images)


class Image:
    """How to walk over an image that has certain columns of a table in it.

    Slots are first those of the key, then those of the wanted columns.
    """

    def __init__(
        self, columns: Sequence[MappedColumn], present: bytes, slots: dict[int, list[int]]
    ):
        bits = int.from_bytes(present, "little")
        places = [place for place in range(len(columns)) if bits >> place & 1]
        self._width = (len(places) + 7) // 8
        self._mask = (1 << len(places)) - 1
        self._copies = [(at, first) for first, *more in slots.values() for at in more]
        self._steps = [_step(columns[p], slots[p][0] if p in slots else None) for p in places]
        self._quick = _merged(self._steps)
        self.blank: _Slots = [UNTOLD] * sum(map(len, slots.values()))

    def read(self, data: bytes, at: int, found: _Slots) -> int:
        """Put the taken values into `found`, and return where the image ends."""
        nulls = int.from_bytes(data[at : at + self._width], "little") & self._mask
        at += self._width
        steps: Sequence[_Step] = self._quick
        if nulls:
            steps = []
            for place, step in enumerate(self._steps):
                if not nulls >> place & 1:
                    steps.append(step)
                elif step[2] >= 0:
                    found[step[2]] = None
        for what, size, slot in steps:
            if what == _PASS:
                at += size
            elif what == _TAKE_SHORT:
                size = data[at]
                at += 1
                found[slot] = data[at : at + size]
                at += size
            elif what == _PASS_SHORT:
                at += 1 + data[at]
            elif what == _TAKE:
                found[slot] = data[at : at + size]
                at += size
            else:
                length = int.from_bytes(data[at : at + size], "little")
                at += size
                if what == _TAKE_LONG:
                    found[slot] = data[at : at + length]
                at += length
        for target, source in self._copies:
            found[target] = found[source]
        return at


def _step(column: MappedColumn, slot: int | None) -> _Step:
    kind = _PASS if not column.prefix else _PASS_SHORT if column.prefix == 1 else _PASS_LONG
    size = column.prefix or column.size
    return (kind, size, -1) if slot is None else (kind + _TAKE, size, slot)


def _merged(steps: Sequence[_Step]) -> list[_Step]:
    """Neighbours of fixed size that nobody wants are passed in one step."""
    merged: list[_Step] = []
    for step in steps:
        if step[0] == _PASS and merged and merged[-1][0] == _PASS:
            merged[-1] = (_PASS, merged[-1][1] + step[1], -1)
        else:
            merged.append(step)
    return merged


class TableRows:
    """Turns the row events of one table, as one TABLE_MAP has it, into changes.

    Raises `RowsLost` where the log and the catalogue do not mean the same table.
    """

    def __init__(
        self,
        definition: TableDefinition,
        wanted: Sequence[str],
        mapped: TableMap,
        charsets: dict[int, str],
    ) -> None:
        self.canonical = definition.canonical
        self.columns = len(mapped.columns)
        _compare(definition, mapped, charsets)
        places = {column.name: place for place, column in enumerate(mapped.columns)}
        pairs = list(zip(definition.columns, mapped.columns, strict=True))
        key = [to_key(*pairs[places[name]], charsets) for name in definition.key]
        self._key: list[ToKey] = [part for part in key if part is not None]
        if len(self._key) != len(key) or not key:
            raise RowsLost("its key cannot be read from the log")
        self._values: list[ToValue] = [to_value(*pairs[places[name]], charsets) for name in wanted]
        self._slots: dict[int, list[int]] = {}
        for slot, name in enumerate([*definition.key, *wanted]):
            self._slots.setdefault(places[name], []).append(slot)
        self._mapped = mapped
        self._images: dict[bytes, Image] = {}
        self._row_id = self._identity()

    def _identity(self) -> Callable[[_Slots], RowId]:
        if len(self._key) == 1:
            (only,) = self._key
            return lambda found: naming.row_id((only(found[0]),))  # type: ignore[arg-type]
        parts = list(enumerate(self._key))
        return lambda found: naming.row_id(
            [part(found[slot]) for slot, part in parts]  # type: ignore[arg-type]
        )

    def changes(self, kind: Kind, body: bytes) -> Iterator[list[Change]]:
        """The changes of one event, some thousand at a time.

        Raises `Undecodable`, and `RowsLost` where an image lacks the key.
        """
        event = rows(kind, body, self.columns)
        try:
            yield from self._told(event)
        except (IndexError, OverflowError) as error:
            raise Undecodable("a row event ends within a row") from error
        except (UnicodeDecodeError, ValueError) as error:
            raise RowsLost(f"a key cannot be read from the log: {error}") from error

    def _told(self, event: Rows) -> Iterator[list[Change]]:
        before, after = self._image(event.before), self._image(event.after)
        data, at, end = event.images, 0, len(event.images)
        key = slice(len(self._key))
        changes: list[Change] = []
        found = list(before.blank)  # what is in one image is in all: each row fills the same slots
        while at < end:
            at = before.read(data, at, found)
            if not all(map(_is_bytes, found[key])):
                raise RowsLost("a row image has no key (binlog_row_image is not FULL)")
            row = self._row_id(found)
            if event.what is INSERT:
                changes.append(RowChange(self.canonical, None, row, self._taken(found)))
            elif event.what is DELETE:
                changes.append(RowChange(self.canonical, row, None, ()))
            else:
                new = [*found[key], *after.blank[key.stop :]]
                at = after.read(data, at, new)
                moved = row if new[key] == found[key] else self._row_id(new)
                changes.append(RowChange(self.canonical, row, moved, self._taken(new)))
            if at > end:
                raise Undecodable("a row event ends within a row")
            if len(changes) >= MOST_CHANGES:
                yield changes
                changes = []
        yield changes

    def _taken(self, found: _Slots) -> tuple[Value | Untold, ...]:
        return tuple(
            [
                to(raw) if raw.__class__ is bytes else raw  # type: ignore[misc]
                for to, raw in zip(self._values, found[len(self._key) :], strict=True)
            ]
        )

    def _image(self, present: bytes) -> Image:
        image = self._images.get(present)
        if image is None:
            image = Image(self._mapped.columns, present, self._slots)
            self._images[present] = image
        return image


def _is_bytes(raw: object) -> bool:
    return raw.__class__ is bytes


def _compare(definition: TableDefinition, mapped: TableMap, charsets: dict[int, str]) -> None:
    """Raises `RowsLost` where the table is not what the catalogue said when the stream began."""
    if [c.name for c in definition.columns] != [c.name for c in mapped.columns]:
        raise RowsLost("its columns are not those in the log")
    for column, told in zip(definition.columns, mapped.columns, strict=True):
        if not fits(column, told, charsets):
            raise RowsLost(f"column {column.name!r} is not what it was in the log")
    key = tuple(mapped.columns[place].name for place in mapped.key)
    if key != definition.key:
        raise RowsLost("its primary key is not the one in the log")
