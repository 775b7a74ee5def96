"""Values of a row image as a read of the same row gives them; what is not surely equal is untold.

A read gets every text from the server in UTF-8, integers in decimal. Only types whose bytes have
one possible text are here.
"""

from __future__ import annotations

from collections.abc import Callable

from s3gc_core.databases import binlog_tables as types
from s3gc_core.databases.binlog_tables import MappedColumn
from s3gc_core.databases.changes import UNTOLD, Untold
from s3gc_core.databases.mysql_definition import ColumnDefinition
from s3gc_core.databases.protocol import RowId, Value

# The character sets whose bytes Python decodes as the server does, or refuses to.
_ENCODINGS = {
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "utf8": "utf-8",
    "ascii": "ascii",
    "latin1": "cp1252",  # the server's latin1 is Windows' one
    "utf16": "utf-16-be",
    "utf32": "utf-32-be",
    "ucs2": "utf-16-be",
}
_TEXT_TYPES = {
    "char": {types.STRING},
    "varchar": {types.VARCHAR, types.VAR_STRING},
    **{name: {types.BLOB} for name in ("tinytext", "text", "mediumtext", "longtext")},
}
_BINARY_TYPES = {
    "binary": {types.STRING},
    "varbinary": {types.VARCHAR, types.VAR_STRING},
    **{name: {types.BLOB} for name in ("tinyblob", "blob", "mediumblob", "longblob")},
}
_INTEGER_TYPES = {
    "tinyint": types.TINY,
    "smallint": types.SHORT,
    "mediumint": types.INT24,
    "int": types.LONG,
    "bigint": types.LONGLONG,
}
# Types whose values are never told, by what they look like in the log.
_OTHER_TYPES = {
    "decimal": {types.NEWDECIMAL},
    "float": {types.FLOAT},
    "double": {types.DOUBLE},
    "bit": {types.BIT},
    "enum": {types.ENUM},
    "set": {types.SET},
    "date": {types.DATE, types.NEWDATE},
    "datetime": {types.DATETIME, types.DATETIME2},
    "timestamp": {types.TIMESTAMP, types.TIMESTAMP2},
    "time": {types.TIME, types.TIME2},
    "year": {types.YEAR},
    "json": {types.JSON, types.BLOB},
    "uuid": {types.STRING},
    "inet4": {types.STRING},
    "inet6": {types.STRING},
}
_POSSIBLE = {
    **_TEXT_TYPES,
    **_BINARY_TYPES,
    **_OTHER_TYPES,
    **{name: {number} for name, number in _INTEGER_TYPES.items()},
}
# What a key may be made of.
KEY_TYPES = frozenset({*_TEXT_TYPES, *_BINARY_TYPES, *_INTEGER_TYPES, "date", "datetime"})
KEY_CHARSETS = frozenset(_ENCODINGS)

ToValue = Callable[[bytes], Value | Untold]
ToKey = Callable[[bytes], RowId]


def fits(column: ColumnDefinition, mapped: MappedColumn, charsets: dict[int, str]) -> bool:
    """Whether the log means the column that the catalogue has: name, type, sign, character set."""
    if column.name != mapped.name:
        return False
    possible = _POSSIBLE.get(column.type)
    if possible is not None and mapped.type not in possible:
        return False
    if column.type in _INTEGER_TYPES and mapped.unsigned != column.unsigned:
        return False
    if column.type in _TEXT_TYPES and mapped.collation is not None:
        # A collation without a known number cannot be compared; its texts are not told either.
        return charsets.get(mapped.collation, column.charset) == column.charset
    if column.type in _BINARY_TYPES:
        return mapped.collation == _BINARY_COLLATION
    return True


_BINARY_COLLATION = 63


def to_value(column: ColumnDefinition, mapped: MappedColumn, charsets: dict[int, str]) -> ToValue:
    """How to turn the bytes of a column into what a read gives."""
    if column.type in _INTEGER_TYPES:
        if column.zerofill:
            return _untold
        return (lambda b: str(int.from_bytes(b, "little"))) if mapped.unsigned else _signed_text
    if column.type in _TEXT_TYPES:
        encoding = _encoding(mapped, charsets)
        if encoding is None:
            return _untold
        return _text(encoding, column.type == "char")
    if column.type in _BINARY_TYPES:
        if column.type == "binary":
            size = mapped.longest
            return lambda b: b.ljust(size, b"\0")  # the log leaves zeros at the end out
        return bytes
    return _untold


def to_key(
    column: ColumnDefinition, mapped: MappedColumn, charsets: dict[int, str]
) -> ToKey | None:
    """How to turn the bytes of a key's column into its part of a row's identity.

    None where that cannot be done; the result raises `UnicodeDecodeError` or `ValueError`.
    """
    if column.type in _INTEGER_TYPES:
        if mapped.unsigned:
            return lambda b: int.from_bytes(b, "little")
        return lambda b: int.from_bytes(b, "little", signed=True)
    if column.type == "date":
        return _date if mapped.type in (types.DATE, types.NEWDATE) else None
    if column.type == "datetime":
        digits = mapped.metadata
        return (lambda b: _datetime(b, digits)) if mapped.type == types.DATETIME2 else None
    if column.type in _BINARY_TYPES:
        size = mapped.longest if column.type == "binary" else 0
        return lambda b: f"0x{b.ljust(size, bytes(1)).hex()}"
    encoding = _encoding(mapped, charsets) if column.type in _TEXT_TYPES else None
    if encoding is None:
        return None
    found: str = encoding
    if column.type == "char":
        return lambda b: b.decode(found).rstrip(" ")
    return lambda b: b.decode(found)


def _encoding(mapped: MappedColumn, charsets: dict[int, str]) -> str | None:
    # The length of a compressed column is not that of its text.
    if mapped.collation is None:
        return None
    return _ENCODINGS.get(charsets.get(mapped.collation, ""))


def _untold(_: bytes) -> Untold:
    return UNTOLD


def _signed_text(data: bytes) -> str:
    return str(int.from_bytes(data, "little", signed=True))


def _text(encoding: str, padded: bool) -> ToValue:
    def decode(data: bytes) -> Value | Untold:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            return UNTOLD  # the server has its own idea of such bytes
        return text.rstrip(" ") if padded else text

    return decode


def _date(data: bytes) -> str:
    number = int.from_bytes(data, "little")
    return f"{number >> 9:04d}-{number >> 5 & 15:02d}-{number & 31:02d}"


def _datetime(data: bytes, digits: int) -> str:
    number = int.from_bytes(data[:5], "big") - (1 << 39)
    if number < 0:
        raise ValueError("a datetime before all time")
    months = number >> 22
    day, hour = number >> 17 & 31, number >> 12 & 31
    text = (
        f"{months // 13:04d}-{months % 13:02d}-{day:02d}"
        f" {hour:02d}:{number >> 6 & 63:02d}:{number & 63:02d}"
    )
    if not digits:
        return text
    width = (digits + 1) // 2
    fraction = int.from_bytes(data[5 : 5 + width], "big")
    # An odd number of digits is kept with one more.
    return f"{text}.{fraction:0{width * 2}d}"[: len(text) + 1 + digits]
