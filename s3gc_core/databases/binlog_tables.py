"""TABLE_MAP events: what the rows that follow are made of, as the server had it at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from s3gc_core.databases.binlog_events import Undecodable, packed

TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24 = 1, 2, 3, 4, 5, 7, 8, 9
DATE, TIME, DATETIME, YEAR, NEWDATE, VARCHAR, BIT = 10, 11, 12, 13, 14, 15, 16
TIMESTAMP2, DATETIME2, TIME2 = 17, 18, 19
BLOB_COMPRESSED, VARCHAR_COMPRESSED = 140, 141
VECTOR, JSON, NEWDECIMAL, ENUM, SET = 242, 245, 246, 247, 248
BLOB, VAR_STRING, STRING, GEOMETRY = 252, 253, 254, 255

INTEGER_BYTES = {TINY: 1, SHORT: 2, INT24: 3, LONG: 4, LONGLONG: 8}
_FIXED = {**INTEGER_BYTES, FLOAT: 4, DOUBLE: 8, YEAR: 1, DATE: 3, NEWDATE: 3, TIME: 3}
_FIXED |= {DATETIME: 8, TIMESTAMP: 4}
# What stands before the fraction of a second.
_WITH_FRACTION = {TIMESTAMP2: 4, DATETIME2: 5, TIME2: 3}
_LENGTH_IN_METADATA = {BLOB, JSON, GEOMETRY, VECTOR, BLOB_COMPRESSED}
_ONE_BYTE = {FLOAT, DOUBLE, *_LENGTH_IN_METADATA, *_WITH_FRACTION}
_TWO_BYTES = {VARCHAR, VAR_STRING, VARCHAR_COMPRESSED, BIT, NEWDECIMAL, STRING}
_NUMERIC = {*INTEGER_BYTES, FLOAT, DOUBLE, NEWDECIMAL}
_TEXTS = {VARCHAR, VAR_STRING, STRING, BLOB, VARCHAR_COMPRESSED, BLOB_COMPRESSED}
_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_HEAD = Struct("<6sH")

_SIGNEDNESS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _NAMES = 1, 2, 3, 4
_SIMPLE_KEY, _PREFIX_KEY = 8, 9


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """One column of a row image. `prefix` is how many bytes of length come first, else `size` bytes
    follow; `longest` is what the column holds at most (STRING only). `collation` None: no text.
    """

    name: str
    type: int
    metadata: int
    prefix: int
    size: int
    longest: int
    unsigned: bool
    collation: int | None


@dataclass(frozen=True, slots=True)
class TableMap:
    """A table as the events after this one have it. `key` are the places of the primary key's
    columns, in its order.
    """

    schema: str
    table: str
    columns: tuple[MappedColumn, ...]
    key: tuple[int, ...]


def table_id(body: bytes) -> bytes:
    """Which table the event is about, until the number is given anew."""
    return body[:6]


def table_name(body: bytes) -> tuple[str, str]:
    """Schema and table of a TABLE_MAP event."""
    at = _HEAD.size
    stop = at + 1 + body[at]
    schema = body[at + 1 : stop].decode()
    at = stop + 1
    return schema, body[at + 1 : at + 1 + body[at]].decode()


def table_map(body: bytes) -> TableMap | None:
    """All of a TABLE_MAP event; None where it does not name its columns. Raises `Undecodable`."""
    schema, table = table_name(body)
    at = _HEAD.size + len(schema.encode()) + len(table.encode()) + 4
    count, at = packed(body, at)
    types = body[at : at + count]
    size, at = packed(body, at + count)
    metadata = body[at : at + size]
    fields = dict(_fields(body[at + size + (count + 7) // 8 :]))
    if _NAMES not in fields:
        return None
    kinds, numbers = _types(types, metadata)
    names = [text.decode() for text in _strings(fields[_NAMES])]
    if len(names) != count or len(types) != count:
        raise Undecodable("a table's event does not name all its columns")
    unsigned = _unsigned(kinds, fields.get(_SIGNEDNESS, b""))
    collations = _collations(kinds, fields)
    columns = tuple(
        MappedColumn(name, kind, number, *_layout(kind, number), is_unsigned, collation)
        for name, kind, number, is_unsigned, collation in zip(
            names, kinds, numbers, unsigned, collations, strict=True
        )
    )
    return TableMap(schema, table, columns, _key(fields))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        number = data[at]
        size, at = packed(data, at + 1)
        yield number, data[at : at + size]
        at += size
    if at != len(data):
        raise Undecodable("a table's event is malformed")


def _numbers(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        number, at = packed(data, at)
        found.append(number)
    return found


def _strings(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size, at = packed(data, at)
        yield data[at : at + size]
        at += size


def _types(types: bytes, metadata: bytes) -> tuple[list[int], list[int]]:
    """Real types, and each one's metadata as one number."""
    kinds, numbers, at = [], [], 0
    for kind in types:
        width = 1 if kind in _ONE_BYTE else 2 if kind in _TWO_BYTES else 0
        number = int.from_bytes(metadata[at : at + width], "little")
        at += width
        if kind == STRING:
            first, second = number & 0xFF, number >> 8
            # The length's two highest bits are hidden in the type, turned round.
            kind = first | 0x30
            number = second | ((first & 0x30) ^ 0x30) << 4
        if width == 0 and kind not in _FIXED:
            raise Undecodable(f"a table has a column of the unknown type {kind}")
        kinds.append(kind)
        numbers.append(number)
    if at != len(metadata):
        raise Undecodable("a table's event is malformed")
    return kinds, numbers


def _layout(kind: int, number: int) -> tuple[int, int, int]:
    """Bytes of length before the value, bytes of the value, the longest value."""
    if kind in _LENGTH_IN_METADATA:
        return number, 0, 0
    if kind in (VARCHAR, VAR_STRING, VARCHAR_COMPRESSED, STRING):
        return (2 if number > 255 else 1), 0, number
    if kind in (ENUM, SET):
        return 0, number, 0
    if kind == BIT:
        return 0, (number >> 8) + bool(number & 0xFF), 0
    if kind == NEWDECIMAL:
        precision, scale = number & 0xFF, number >> 8
        whole = precision - scale
        if not 0 <= whole <= 81 or scale > 81:
            raise Undecodable("a table has a malformed decimal column")
        return 0, sum(n // 9 * 4 + _DIGITS[n % 9] for n in (whole, scale)), 0
    if kind in _WITH_FRACTION:
        return 0, _WITH_FRACTION[kind] + (number + 1) // 2, 0
    if kind not in _FIXED:
        raise Undecodable(f"a table has a column of the unknown type {kind}")
    return 0, _FIXED[kind], 0


def _unsigned(kinds: list[int], bits: bytes) -> list[bool]:
    """Signs are told of the numeric columns only, the first one in the highest bit."""
    numeric = [place for place, kind in enumerate(kinds) if kind in _NUMERIC]
    found = [False] * len(kinds)
    if len(bits) != (len(numeric) + 7) // 8:
        raise Undecodable("a table's event does not tell the signs of its numbers")
    for index, place in enumerate(numeric):
        found[place] = bool(bits[index // 8] & 0x80 >> index % 8)
    return found


def _collations(kinds: list[int], fields: dict[int, bytes]) -> list[int | None]:
    texts = [place for place, kind in enumerate(kinds) if kind in _TEXTS]
    found: list[int | None] = [None] * len(kinds)
    if _COLUMN_CHARSET in fields:
        told = _numbers(fields[_COLUMN_CHARSET])
    elif _DEFAULT_CHARSET in fields:
        first, *others = _numbers(fields[_DEFAULT_CHARSET])
        told = [first] * len(texts)
        for index, collation in zip(others[::2], others[1::2], strict=True):
            told[index] = collation
    else:
        told = []
    if len(told) != len(texts):
        raise Undecodable("a table's event does not tell the charsets of its texts")
    for place, collation in zip(texts, told, strict=True):
        found[place] = collation
    return found


def _key(fields: dict[int, bytes]) -> tuple[int, ...]:
    if _PREFIX_KEY in fields:
        return tuple(_numbers(fields[_PREFIX_KEY])[::2])
    return tuple(_numbers(fields.get(_SIMPLE_KEY, b"")))
