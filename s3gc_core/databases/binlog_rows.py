"""Row events: of each image the wanted columns and the key, and nothing else is looked at.

How to walk over an image is planned once per table and set of columns that are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

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
_PASS, _PASS_SHORT, _PASS_LONG, _TAKE, _TAKE_SHORT, _TAKE_LONG, _NULL = range(7)
_MOST_PLANS = 1_000
_Step = tuple[int, int, Callable[[bytes | None], None]]


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
    """How to walk over an image with certain columns of a table in it.

    `found` are the values of the places that were asked for, row by row; one that is not in the
    image is not in it either.
    """

    def __init__(
        self, columns: Sequence[MappedColumn], present: bytes, wanted: Collection[int]
    ) -> None:
        bits = int.from_bytes(present, "little")
        places = [place for place in range(len(columns)) if bits >> place & 1]
        self.found: dict[int, list[bytes | None]] = {p: [] for p in places if p in wanted}
        self._width = (len(places) + 7) // 8
        self._steps = [_step(columns[p], self.found.get(p)) for p in places]
        # Rows mostly have the same few patterns of NULLs.
        self._plans: dict[bytes, list[_Step]] = {}

    def read(self, data: bytes, at: int) -> int:
        """Take the values of one image, and return where it ends."""
        start = at
        at += self._width
        nulls = data[start:at]
        for what, size, take in self._plans.get(nulls) or self._plan(nulls):
            if what == _TAKE_SHORT:
                start = at + 1
                at = start + data[at]
                take(data[start:at])
            elif what == _PASS:
                at += size
            elif what == _PASS_SHORT:
                at += 1 + data[at]
            elif what == _TAKE:
                take(data[at : at + size])
                at += size
            elif what == _NULL:
                take(None)
            else:
                start = at + size
                at = start + int.from_bytes(data[at:start], "little")
                if what == _TAKE_LONG:
                    take(data[start:at])
        return at

    def _plan(self, nulls: bytes) -> list[_Step]:
        """The steps of an image in which these columns have no bytes."""
        bits = int.from_bytes(nulls, "little")
        steps: list[_Step] = []
        for place, step in enumerate(self._steps):
            if not bits >> place & 1:
                # Neighbours of fixed size that nobody wants are passed in one step.
                if step[0] == _PASS and steps and steps[-1][0] == _PASS:
                    step = (_PASS, steps.pop()[1] + step[1], _nothing)
                steps.append(step)
            elif step[0] >= _TAKE:
                steps.append((_NULL, 0, step[2]))
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[nulls] = steps
        return steps


def _step(column: MappedColumn, found: list[bytes | None] | None) -> _Step:
    kind = _PASS if not column.prefix else _PASS_SHORT if column.prefix == 1 else _PASS_LONG
    size = column.prefix or column.size
    return (kind, size, _nothing) if found is None else (kind + _TAKE, size, found.append)


def _nothing(_: bytes | None) -> None:
    """What a step does with a value that nobody wants."""


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
        self._columns = mapped.columns
        _compare(definition, mapped, charsets)
        places = {column.name: place for place, column in enumerate(mapped.columns)}
        pairs = list(zip(definition.columns, mapped.columns, strict=True))
        self._key: dict[int, ToKey] = {}
        for name in definition.key:
            part = to_key(*pairs[places[name]], charsets)
            if part is None:
                raise RowsLost(f"column {name!r} of its key cannot be read from the log")
            self._key[places[name]] = part
        if not self._key:
            raise RowsLost("it has no primary key")
        self._values: list[tuple[int, ToValue]] = [
            (places[name], to_value(*pairs[places[name]], charsets)) for name in wanted
        ]
        self._images: dict[tuple[bytes, bool], Image] = {}

    def changes(self, kind: Kind, body: bytes) -> Iterator[list[Change]]:
        """The changes of one event, some thousand at a time.

        Raises `Undecodable`, and `RowsLost` where an image lacks the key.
        """
        event = rows(kind, body, len(self._columns))
        before = self._image(event.before, only_key=event.what is not INSERT)
        if not self._key.keys() <= before.found.keys():
            # An image of no column at all has no bytes: it must not pass for no row.
            raise RowsLost("a row was logged without its key (binlog_row_image is not FULL)")
        after = self._image(event.after, only_key=False) if event.what is UPDATE else None
        data, at, end = event.images, 0, len(event.images)
        while at < end:
            count = 0
            try:
                while at < end and count < MOST_CHANGES:
                    at = before.read(data, at)
                    if after is not None:
                        at = after.read(data, at)
                    count += 1
                if at > end:
                    raise IndexError
                told = self._told(event.what, before, after, count)
            except IndexError as error:
                raise Undecodable("a row event ends within a row") from error
            finally:
                for image in (before, after or before):
                    for column in image.found.values():
                        column.clear()
            yield told

    def _told(self, what: str, before: Image, after: Image | None, count: int) -> list[Change]:
        ids = self._ids(before.found)
        table = repeat(self.canonical)
        if what is INSERT:
            values = self._taken(before.found, count)
            return list(map(RowChange, table, repeat(None), ids, values))
        if after is None:
            return list(map(RowChange, table, ids, repeat(None), repeat((), count)))
        # What of the key is not in the second image is what it was in the first.
        found = before.found | after.found
        return list(map(RowChange, table, ids, self._ids(found), self._taken(after.found, count)))

    def _ids(self, found: dict[int, list[bytes | None]]) -> Sequence[RowId]:
        parts: list[Sequence[RowId]] = []
        for place, to in self._key.items():
            column = found.get(place)
            if column is None or None in column:
                raise RowsLost("a row was logged without its key (binlog_row_image is not FULL)")
            try:
                parts.append(list(map(to, column)))  # type: ignore[arg-type]  # none is None
            except ValueError as error:
                raise RowsLost(f"a key cannot be read from the log: {error}") from error
        return naming.row_ids(parts)

    def _taken(
        self, found: dict[int, list[bytes | None]], count: int
    ) -> Iterator[tuple[Value | Untold, ...]]:
        if not self._values:
            return repeat((), count)
        columns = [
            _converted(found[place], to) if place in found else repeat(UNTOLD, count)
            for place, to in self._values
        ]
        return zip(*columns, strict=True)

    def _image(self, present: bytes, *, only_key: bool) -> Image:
        image = self._images.get((present, only_key))
        if image is None:
            wanted = {*self._key, *(() if only_key else [place for place, _ in self._values])}
            image = self._images[present, only_key] = Image(self._columns, present, wanted)
        return image


def _converted(column: list[bytes | None], to: ToValue) -> list[Value | Untold]:
    try:
        if None not in column:
            return list(map(to, column))  # type: ignore[arg-type]  # none is None
        return [None if raw is None else to(raw) for raw in column]
    except UnicodeDecodeError:
        return [_carefully(raw, to) for raw in column]


def _carefully(raw: bytes | None, to: ToValue) -> Value | Untold:
    try:
        return None if raw is None else to(raw)
    except UnicodeDecodeError:
        return UNTOLD  # the server has its own idea of such bytes


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
