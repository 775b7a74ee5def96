"""What a read of a SQLite table selects, and the rows made of what came."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from s3gc_core.databases import naming
from s3gc_core.databases.protocol import Page, RowId, TableRead, Value
from s3gc_core.databases.sqlite_catalogue import Table, quote

_BLOB = re.compile(r"x'([0-9a-f]{2})*'")
_ROWID = re.compile(r"rowid:(-?[0-9]+)")


def select(table: Table, values: Sequence[str]) -> str:
    """A read up to its conditions: rowid, identity, then `values` in SQL."""
    rowid = [table.rowid] if table.rowid is not None else []
    names = [*rowid, *map(quote, table.identity), *values]
    return f"SELECT {', '.join(names)} FROM {table.sql_name}"


def where(read: TableRead) -> str:
    """The operator's condition, if there is one."""
    # The line break keeps a trailing comment from swallowing the bracket.
    return "" if read.where is None else f" WHERE ({read.where}\n)"


def page(found: Sequence[Any], table: Table) -> Page:
    """The rows of what `select` gave."""
    rowids, identities = int(table.rowid is not None), len(table.identity)
    if not found:
        return Page((), ())
    columns = list(zip(*found, strict=True))
    key = columns[rowids : rowids + identities]
    values = [values_of(column) for column in columns[rowids + identities :]]
    ids: Sequence[RowId]
    if not table.shape.primary_key:
        ids = columns[0] if rowids else list(map(naming.row_hash, zip(*key, strict=True)))
    elif not any(None in column for column in key):
        ids = naming.row_ids([_key_parts(column) for column in key])
    else:
        # SQLite lets a primary key be NULL, in several rows at once.
        parts = zip(*key, strict=True)
        ids = [
            f"rowid:{row}" if None in part else naming.row_id(_key_parts(part))
            for row, part in zip(columns[0], parts, strict=True)
        ]
    return Page(ids, values)


def values_of(column: Sequence[Any]) -> Sequence[Value]:
    """SQLite types each value, not the column: numbers become their text."""
    if set(map(type, column)) <= {str, bytes, type(None)}:
        return column
    return [v if v is None or isinstance(v, str | bytes) else repr(v) for v in column]


def _key_parts(column: Sequence[Any]) -> Sequence[RowId]:
    if set(map(type, column)) <= {int}:
        return column
    return [_key_part(part) for part in column]


def _key_part(part: Any) -> RowId:
    if isinstance(part, int):
        return part
    if isinstance(part, bytes):
        return f"x'{part.hex()}'"
    # A row's name is shown and stored as UTF-8, so bytes that are not become visible escapes.
    return str(part).encode("utf-8", "backslashreplace").decode()


def query_for(table: Table, read: TableRead, row: RowId) -> str:
    """The SQL that shows the columns of `read` of one row."""
    columns = [quote(column) for column in read.columns]
    return naming.shown(columns, table.sql_name, _condition(table, row), read.where)


def _condition(table: Table, row: RowId) -> str | None:
    key = table.shape.primary_key
    by_rowid = _ROWID.fullmatch(row) if isinstance(row, str) and table.rowid else None
    if not key:
        return f"{table.rowid} = {row}" if table.rowid and isinstance(row, int) else None
    null = " OR ".join(f"{quote(column)} IS NULL" for column in key)
    of_null = f"({null}) AND {table.rowid} = {by_rowid[1]}" if by_rowid else None
    parts = naming.row_parts(row, len(key))
    if parts is None or len(parts) != len(key):
        return of_null
    tests = [_equals(column, part) for column, part in zip(key, parts, strict=True)]
    if None in tests:
        return None
    equal = " AND ".join(test for test in tests if test)
    # A key may be a text that looks like the name of a row whose key is NULL.
    return f"{equal} OR {of_null}" if of_null else equal


def _equals(column: str, part: RowId) -> str | None:
    """The column has the value that `part` was made of, whichever type that had."""
    if isinstance(part, int):
        return f"{quote(column)} = {part}"
    if re.search(r"\\udc[89a-f][0-9a-f]", part):
        return None  # Bytes that are no UTF-8 were replaced by what may also stand there.
    literals = [_literal(part)]
    if _BLOB.fullmatch(part):
        literals.append(part)
    try:
        number = float(part)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and repr(number) == part:
        literals.append(part)
    if len(literals) == 1:
        return f"{quote(column)} = {literals[0]}"
    return f"{quote(column)} IN ({', '.join(literals)})"


def _literal(text: str) -> str:
    """A literal that is safe to print: SQLite knows no escapes, so odd characters are called."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    pieces = re.findall(r"[ -~]+|[^ -~]", text)
    return (
        "("
        + " || ".join(
            _literal(piece) if piece.isprintable() else f"char({ord(piece)})" for piece in pieces
        )
        + ")"
    )
