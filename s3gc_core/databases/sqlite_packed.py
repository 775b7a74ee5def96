"""Pages of a SQLite table that SQLite itself packs: a few calls a page, where a cursor hands
Python's lock to and fro for each row.

JSON knows neither bytes, nor texts that are no UTF-8, nor every float: a table whose page holds
such a value has to be read in the ordinary way from there on.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import aiosqlite
import msgspec

from s3gc_core.databases import naming
from s3gc_core.databases.protocol import Page, TableRead
from s3gc_core.databases.sqlite_catalogue import Table, ask, quote
from s3gc_core.databases.sqlite_pages import values_of, where

_decode = msgspec.json.Decoder(list[Any]).decode
# What JSON tells exactly. What a JSON function made would come as a list or a dictionary.
_EXACT = frozenset({str, int, type(None)})
# A blob, or too much for one text: the statement is said to be wrong.
_NOT_PACKED = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG})


class Unpackable(Exception):
    """A page holds what JSON cannot tell."""


class PackedPages:
    """The pages of a table whose rows are identified by their rowid, in its order."""

    def __init__(self, connection: aiosqlite.Connection, table: Table, read: TableRead) -> None:
        self._connection = connection
        self._rowid = table.rowid
        self._has_key = bool(table.shape.primary_key)
        names = [f"c{number}" for number in range(len(read.columns))]
        values = [f"{quote(c)} AS {name}" for c, name in zip(read.columns, names, strict=True)]
        self._packed = ", ".join(f"CAST(json_group_array({n}) AS BLOB)" for n in ["i", *names])
        self._rows = (
            f"SELECT {', '.join([f'{table.rowid} AS i', *values])} FROM {table.sql_name}"
            f"{where(read) or ' WHERE true'} AND"
        )
        # The rowid from which on rows are still to come. Past the last that there can be, it is no
        # integer to SQLite any more, and compares rightly.
        self.first = -(1 << 63)

    @classmethod
    async def of(
        cls, connection: aiosqlite.Connection, table: Table, read: TableRead
    ) -> PackedPages | None:
        """None where the rowid is not the identity, or where each page would cost a sort."""
        if not table.is_by_rowid:
            return None
        pages = cls(connection, table, read)
        plan = await ask(connection, f"EXPLAIN QUERY PLAN {pages._select(0, naming.PAGE_ROWS)}")
        steps = [step for *_, step in plan]
        is_direct = len(steps) == 1 and "USING INTEGER PRIMARY KEY" in steps[0]
        return pages if is_direct else None

    async def next(self, count: int) -> Page:
        """The next page of so many rows; empty at the end. Raises `Unpackable`, SQLite's errors."""
        query = f"SELECT {self._packed} FROM ({self._select(self.first, count)})"
        try:
            [packed] = await ask(self._connection, query)
            ids, *columns = map(_decode, packed)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", -1) & 0xFF in _NOT_PACKED:
                raise Unpackable(str(error)) from error
            raise
        except ValueError as error:
            raise Unpackable(str(error)) from error
        if not all(set(map(type, column)) <= _EXACT for column in columns):
            raise Unpackable("a value that JSON does not tell exactly")
        if not ids:
            return Page((), ())
        self.first = ids[-1] + 1
        rows = naming.row_ids([ids]) if self._has_key else ids
        return Page(rows, [values_of(column) for column in columns])

    def _select(self, first: int, count: int) -> str:
        # Numbers, no parameters: a `?` of the operator's condition must not be given any.
        return f"{self._rows} {self._rowid} >= {first} ORDER BY {self._rowid} LIMIT {count}"
