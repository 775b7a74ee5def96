"""What an application database is to us: a read-only, consistent, streaming view of columns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

# A column's value as the codecs take it: text, raw bytes (bytea, blob), or NULL.
Value = str | bytes | None
# Row identity: the integer primary key, or a text (other keys, ctid, rowid, a hash of the row).
RowId = int | str


@dataclass(frozen=True, slots=True)
class TableRead:
    """What to read: `table` may be `schema.table`; `where` is an SQL condition of the operator."""

    table: str
    columns: tuple[str, ...]
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its identity, and the values in the order of `TableRead.columns`."""

    id: RowId
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TableShape:
    """What `describe` found: columns with their database types, and the primary key's columns.

    `primary_key` is empty where the table has none; `row_id` says in words what identifies a row.
    """

    table: str
    columns: dict[str, str]
    primary_key: tuple[str, ...]
    row_id: str


class Snapshot(Protocol):
    """One consistent picture of the database: every read sees the same moment."""

    async def describe(self, read: TableRead) -> TableShape:
        """Check table, columns and right to read. Raises `SourceMissing`, `RightMissing`."""
        ...

    def rows(self, read: TableRead) -> AsyncIterator[Sequence[Row]]:
        """Stream the table in pages of a few thousand rows, in bounded memory.

        Raises `SourceMissing`, `RightMissing`, `DatabaseUnreachable` (also midway: a read that
        did not end well never looks like the end of the table).
        """
        ...


class Database(Protocol):
    """One configured application database."""

    name: str

    @property
    def address(self) -> str:
        """Where it is, for people: the URL without password."""
        ...

    async def identity(self) -> str:
        """What makes this database itself: system id and name, server id and name, or file path."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """A new connection with a read-only, repeatable-read transaction, closed at the end."""
        ...
