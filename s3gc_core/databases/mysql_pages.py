"""What a read of a MySQL table selects, and the rows made of what the server sent."""

from __future__ import annotations

import re
from collections.abc import Sequence

from s3gc_core.databases import naming
from s3gc_core.databases.mysql_catalogue import BINARY, INTEGERS, Table, quote
from s3gc_core.databases.mysql_rows import Column, ResultRows
from s3gc_core.databases.protocol import Page, RowId, TableRead, Value

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HEX = re.compile(r"0x([0-9a-f]{2})*")


def select(table: Table, read: TableRead) -> str:
    """The whole read: the row's identity, then the columns asked for."""
    names = ", ".join(quote(column) for column in [*table.identity, *read.columns])
    return f"SELECT {names} FROM {table.sql_name}{where(read)}"


def where(read: TableRead) -> str:
    """The operator's condition, if there is one."""
    # The line break keeps a trailing comment from swallowing the bracket.
    return "" if read.where is None else f" WHERE ({read.where}\n)"


class Pages:
    """Turns what came of one result into rows. `encodings` are those of the result's columns.

    Raises `SourceUnreadable` where the server sends bytes for a text, or the other way round.
    """

    def __init__(self, name: str, table: Table, read: TableRead, found: ResultRows) -> None:
        self._table = table
        self._encodings = found.encodings
        self._kinds = [table.types[column] for column in read.columns]
        sent = self._encodings[len(table.identity) :]
        for column, kind, encoding in zip(read.columns, self._kinds, sent, strict=True):
            if (encoding is None) != (kind in BINARY or kind == "bit"):
                raise naming.unfaithful(name, read, column, kind)

    def page(self, columns: Sequence[Column]) -> Page:
        """The rows of a page. Raises `UnicodeDecodeError`."""
        count = len(self._table.identity)
        values = [
            [None if v is None else str(int.from_bytes(v, "big")) for v in column]
            if kind == "bit"
            else _decoded(column, encoding)
            for kind, column, encoding in zip(
                self._kinds, columns[count:], self._encodings[count:], strict=True
            )
        ]
        return Page(self._ids(columns[:count]), values)

    def _ids(self, columns: Sequence[Column]) -> Sequence[RowId]:
        table = self._table
        if table.hashed:
            values = map(_decoded, columns, self._encodings)
            return list(map(naming.row_hash, zip(*values, strict=True)))
        kinds = [table.types[column] for column in table.identity]
        return naming.row_ids(list(map(_key_parts, kinds, columns, self._encodings)))


def _decoded(column: Column, encoding: str | None) -> Sequence[Value]:
    if encoding is None:
        return column
    # Every text encoding of the connection is UTF-8 or a part of it.
    if None in column:
        return [None if value is None else value.decode() for value in column]
    return list(map(bytes.decode, column))  # type: ignore[arg-type]


def _key_parts(kind: str, column: Column, encoding: str | None) -> Sequence[RowId]:
    """One column of a primary key: integers as such, bytes as `0x...`."""
    if kind in INTEGERS:
        return list(map(int, column))  # type: ignore[arg-type]  # no part of a key is NULL
    return [f"0x{v.hex()}" if isinstance(v, bytes) else str(v) for v in _decoded(column, encoding)]


def query_for(table: Table, read: TableRead, row: RowId) -> str:
    """The SQL that shows the columns of `read` of one row."""
    columns = [quote(column) for column in read.columns]
    return naming.shown(columns, table.sql_name, condition(table, row), read.where)


def condition(table: Table, row: RowId) -> str | None:
    """The SQL condition that names the row, and those equal to it by collation; None for none."""
    key = table.shape.primary_key
    parts = naming.row_parts(row, len(key)) if key else None
    if parts is None or len(parts) != len(key):
        return None
    literals = [_literal(table.types[name], part) for name, part in zip(key, parts, strict=True)]
    tests = [f"{quote(name)} = {literal}" for name, literal in zip(key, literals, strict=True)]
    return None if None in literals else " AND ".join(tests)


def _literal(kind: str, part: RowId) -> str | None:
    """A literal that is safe to print and means the same under every sql_mode; None for none."""
    text = str(part)
    if kind in INTEGERS or kind == "decimal":
        return text if _NUMBER.fullmatch(text) else None
    if kind in BINARY or kind == "bit":
        return ("X''" if text == "0x" else text) if _HEX.fullmatch(text) else None
    if kind == "float" or isinstance(part, int):
        return None  # A float is not equal to its own text.
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return f"_utf8mb4 X'{text.encode().hex()}'"
