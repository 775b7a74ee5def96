"""What an application database is to us: a read-only, consistent, streaming view of columns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Protocol, overload

import msgspec

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


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row: its identity, and the values in the order of `TableRead.columns`.

    Rows are made by the million: a struct takes a sixth of the time of a frozen dataclass.
    """

    id: RowId
    values: tuple[Value, ...]


class Page(Sequence[Row]):
    """Some rows of a read, kept by columns: millions of rows pass as a few calls a page.

    `ids` are the rows' identities, `columns` the values: for each of `TableRead.columns` one a row.
    """

    __slots__ = ("columns", "ids")

    def __init__(self, ids: Sequence[RowId], columns: Sequence[Sequence[Value]]) -> None:
        self.ids = ids
        self.columns = columns

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Row]:
        return map(Row, self.ids, self.values())

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Page: ...
    def __getitem__(self, place: int | slice) -> Row | Page:
        if isinstance(place, slice):
            return Page(self.ids[place], [column[place] for column in self.columns])
        return Row(self.ids[place], tuple(column[place] for column in self.columns))

    @property
    def size(self) -> int:
        """Characters and bytes of all values."""
        # In C from end to end; the empty and the missing count for nothing anyway.
        return sum(sum(map(len, filter(None, column))) for column in self.columns)

    def values(self) -> Iterator[tuple[Value, ...]]:
        """The values of each row."""
        return zip(*self.columns, strict=True) if self.columns else repeat((), len(self.ids))


class Lines(Protocol):
    """Some rows of a read as the server sent them, for who looks for something in most of them."""

    @property
    def data(self) -> bytes:
        """A line each, ended by a line break: the values, and the row's identity, with tabs between
        them.

        Each value stands there as it is, in UTF-8, where its line has no backslash but for those of
        `\\N`, a NULL. After any other backslash a character stands for another one.
        """
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def page(self, lines: bytes) -> Page:
        """The rows of some of the lines of `data`, each with its line break."""
        ...


@dataclass(frozen=True, slots=True)
class TableShape:
    """What `describe` found: columns with their database types, and the primary key's columns.

    `canonical` is one spelling per table, however `table` names it: "schema.table" with odd parts
    quoted, for SQLite "main.table". `primary_key` is empty where the table has none; `row_id` says
    in words what identifies a row.
    """

    table: str
    canonical: str
    columns: dict[str, str]
    primary_key: tuple[str, ...]
    row_id: str


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column that may hold a key: its name, and its type as the database calls it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table of the application with its text-like columns: those of every type but the ones that
    are known to hold no text, such as numbers, dates and shapes. In SQLite, where a type is only a
    hint, a column of such a type is among them where a row has a text in it that is no number
    or time.

    `table` is how `TableRead.table` may name it (quoted where needed, with its schema where that
    is not found by itself); `canonical` is one spelling per table, the same that
    `TableShape.canonical` gives. `rows` is the planner's estimate (None: not known), `bytes` what
    the table takes, roughly, long values stored apart from its rows among it.
    """

    table: str
    canonical: str
    columns: tuple[TextColumn, ...]
    rows: int | None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """Whether the application writes here, or its writes come from elsewhere and may come late.

    `doubt` says why this may not be the primary (empty: it is), `mend` what to do about it.
    `caution` says what cannot be seen from here, though it is: told, and nothing is kept for it.
    """

    doubt: str = ""
    mend: str = ""
    caution: str = ""

    @property
    def is_primary(self) -> bool:
        """Whether there is no doubt."""
        return not self.doubt


@dataclass(frozen=True, slots=True)
class ProbeWay:
    """How rows with given values of a column are found: by an index, or why by none."""

    index: str = ""
    why_not: str = ""


class Probes(Protocol):
    """Asks a snapshot for single values of one column, where an index finds them."""

    async def way(self, read: TableRead, values: Sequence[str]) -> ProbeWay:
        """Whether an index that begins with the column of `read` finds these values, by the
        server's own plan, and with far less work than reading the table.

        Raises what `Snapshot.rows` raises.
        """
        ...

    def rows(self, read: TableRead, values: Sequence[str]) -> AsyncIterator[Page]:
        """The rows of `read` whose value equals one of `values`, by the column's collation: so it
        may give others besides. Raises what `Snapshot.rows` raises.
        """
        ...


class Snapshot(Protocol):
    """One consistent picture of the database: every read sees the same moment."""

    @property
    def is_remote(self) -> bool:
        """Whether another process works for it, so that reading ahead gains time.

        Where our own does, two threads only wait for each other's turns.
        """
        ...

    @property
    def lets_go(self) -> bool:
        """Whether a table that was read to its end can be altered, while the snapshot goes on."""
        ...

    @property
    def probes(self) -> Probes | None:
        """How to ask for single values; None where the engine has no change stream besides."""
        ...

    async def role(self) -> Role:
        """Whether the server of this very connection is the primary; a missing right is a doubt.

        Raises `DatabaseUnreachable`.
        """
        ...

    async def describe(self, read: TableRead) -> TableShape:
        """Check table, columns and right to read. Raises `SourceMissing`, `RightMissing`."""
        ...

    def rows(self, read: TableRead) -> AsyncIterator[Page]:
        """Stream the table in pages of a few thousand rows, in bounded memory.

        The rows come in the order of the primary key where the engine can give it without sorting
        the table, else in the order in which the engine reads them. The order of an unchanged table
        stays the same, but nothing may depend on it for correctness.

        Raises `SourceMissing`, `RightMissing`, `DatabaseUnreachable` (also midway: a read that
        did not end well never looks like the end of the table).
        """
        ...

    def lines(self, read: TableRead) -> AsyncIterator[Lines | Page]:
        """As `rows`, with the rows as lines where the server sends such."""
        ...

    async def tables(self) -> list[ListedTable]:
        """Every table of the application that has text-like columns, ordered by name.

        Ordinary tables, partitioned tables (the root only), foreign tables and materialized views
        that this user may see, also those that it may not read (reading one raises `RightMissing`).
        Views and the system's own schemas are left out. Raises `DatabaseUnreachable`.
        """
        ...

    async def sample(self, read: TableRead, limit: int) -> Sequence[Row]:
        """At most `limit` rows with a value in at least one of the columns, spread over the table.

        The load is bounded: a big table is not read as a whole, a statement runs for some seconds
        at most, and a page holds `naming.PAGE_BYTES` at most, so long values may be cut at 64 KiB.
        Raises what `rows` raises.
        """
        ...

    async def query_for(self, read: TableRead, row: RowId) -> str:
        """The SQL that shows an operator the columns of `read` of that row, ready to paste.

        Where the row cannot be named in SQL, the query of the whole table with a comment that says
        so. Raises `SourceMissing`, `RightMissing`, `SourceUnreadable`, `DatabaseUnreachable`.
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

    async def role(self) -> Role:
        """Whether it is the primary. Raises `DatabaseUnreachable`."""
        ...

    async def oldest_transaction(self) -> datetime | None:
        """When the oldest transaction that is open now, or prepared, began, at the latest (UTC, the
        server's): what it refers to nobody else can see yet.

        None if there is none but our own. Where this user may not see how old one is, as long ago
        as it can be. Raises `DatabaseUnreachable`.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """A new connection with a read-only, repeatable-read transaction, closed at the end."""
        ...
