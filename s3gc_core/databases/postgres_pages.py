"""What a read of a PostgreSQL table selects, and the rows made of what the server sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.postgres_catalogue import INTEGERS, STORED, Table, as_stored, quote
from s3gc_core.databases.postgres_copy import Column, columns_of
from s3gc_core.databases.protocol import Page, RowId, TableRead


def select(table: Table, read: TableRead) -> str:
    """The whole read: the row's identity, then the columns asked for."""
    values = [expression(table, column) for column in read.columns]
    return f"SELECT {', '.join([*table.identity, *values])} FROM {table.sql_name}{where(read)}"


def order_by(table: Table) -> str | None:
    """What puts a `select` in the order of the primary key, where there is one."""
    if not table.shape.primary_key:
        return None
    # A bare name would be that of the result's column, whose cast no index serves.
    key = [f"{table.sql_name}.{quote(column)}" for column in table.shape.primary_key]
    return f" ORDER BY {', '.join(key)}"


def where(read: TableRead) -> str:
    """The operator's condition, if there is one."""
    # The line break keeps a trailing comment from swallowing the bracket.
    return "" if read.where is None else f" WHERE ({read.where}\n)"


def is_text(table: Table, read: TableRead) -> bool:
    """Whether all of a `select` comes as text and whole numbers, none of it as bytes."""
    types = {table.columns[column]["base"] for column in read.columns}
    return not table.as_bytes and "bytea" not in types


def copied_page(columns: Sequence[Column], table: Table) -> Page:
    """The rows of what COPY sent of a `select`."""
    count = len(table.identity)
    parts: list[Sequence[RowId]] = list(columns[:count])  # type: ignore[arg-type]  # never NULL
    for place, column in enumerate(table.shape.primary_key):
        if table.columns[column]["base"] in INTEGERS:
            parts[place] = list(map(int, parts[place]))
    return Page(naming.row_ids(parts), columns[count:])


@dataclass(frozen=True, slots=True)
class CopiedLines:
    """Rows of a `select` as COPY sent them: see `protocol.Lines`."""

    data: bytes
    _table: Table
    _width: int

    @property
    def size(self) -> int:
        """Bytes, with identities and borders."""
        return len(self.data)

    def page(self, lines: bytes) -> Page:
        """The rows of some of the lines. Raises what `postgres_copy.columns_of` raises."""
        return copied_page(columns_of(lines, self._width), self._table)


def page(records: Sequence[asyncpg.Record], table: Table, read: TableRead) -> Page:
    """The rows of what `select` gave."""
    identities = len(table.identity)
    places = range(identities + len(read.columns))
    columns = [list(map(itemgetter(place), records)) for place in places]
    if not table.as_bytes:
        return Page(naming.row_ids(columns[:identities]), columns[identities:])
    # SQL_ASCII: the server does not know its own encoding, so the bytes come as they are.
    key = [_decoded(column, "backslashreplace") for column in columns[:identities]]
    raw = [table.columns[column]["base"] == "bytea" for column in read.columns]
    values = [
        column if keep else _decoded(column, "surrogateescape")
        for keep, column in zip(raw, columns[identities:], strict=True)
    ]
    return Page(naming.row_ids(key), values)


def _decoded(column: Sequence[Any], errors: str) -> list[Any]:
    return [v.decode("utf-8", errors) if isinstance(v, bytes) else v for v in column]


def expression(table: Table, column: str) -> str:
    """The column as text, or as bytes for bytea.

    Arrays, composites and hstore become JSON, where the boundaries of their elements survive
    any character; `to_json` rather than `to_jsonb`, which refuses some values of json[]. So do the
    words of a tsvector.
    """
    found = table.columns[column]
    name = quote(column)
    if found["base"] == "bytea":
        return f"{name}::pg_catalog.bytea"
    if found["category"] == "A" or found["typtype"] == "c" or found["base"] == "hstore":
        name = f"pg_catalog.to_json({name})"
    elif found["base"] == "tsvector":
        name = f"pg_catalog.to_json(pg_catalog.tsvector_to_array({name}))"
    text = f"{name}::pg_catalog.text"
    return as_stored(text) if table.as_bytes else text


def query_for(table: Table, read: TableRead, row: RowId) -> str:
    """The SQL that shows the columns of `read` of one row."""
    columns = [quote(column) for column in read.columns]
    return naming.shown(columns, table.sql_name, _condition(table, row), read.where)


def _condition(table: Table, row: RowId) -> str | None:
    key = table.shape.primary_key
    if key:
        parts = naming.row_parts(row, len(key))
        if parts is None or len(parts) != len(key):
            return None
        tests = [_equals(table, column, part) for column, part in zip(key, parts, strict=True)]
        return " AND ".join(test for test in tests if test) if all(tests) else None
    oid, colon, place = str(row).partition(":")
    if table.kind not in STORED or not colon or not oid.isdecimal():
        return None
    return f"tableoid = {oid} AND ctid = {_literal(place)}"


def _equals(table: Table, column: str, part: RowId) -> str | None:
    if (table.columns[column]["base"] in INTEGERS) != isinstance(part, int):
        return None
    if isinstance(part, int):
        return f"{quote(column)} = {part}"
    # Of a text whose encoding nobody knows, odd bytes were replaced by what has a backslash.
    if table.as_bytes and "\\" in part:
        return None
    return f"{quote(column)} = {_literal(part)}"


def _literal(text: str) -> str:
    """A literal that is safe to print and means the same under every setting of the server."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return "E'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "'\\":
        return character * 2
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
