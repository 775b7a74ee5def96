"""Reads every table of the databases and looks for many keys in it: one snapshot per database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from s3gc_core.databases.protocol import Database, ListedTable, Snapshot, TableRead
from s3gc_core.errors import RightMissing, SourceMissing, SourceUnreadable
from s3gc_core.references.discovery import ColumnId
from s3gc_core.references.pattern_search import KeySearch, Mention
from s3gc_core.references.reading import read_ahead

# Seconds of waiting for the rate after which one looks whether to go on.
_LOOK_EVERY = 0.5
_CANNOT_READ = (RightMissing, SourceMissing, SourceUnreadable)


@dataclass(frozen=True, slots=True)
class Course:
    """How a search goes along with what is around it.

    `went_on(bytes)` is told how much was read, and may raise. While `shall_leave()` the snapshot is
    left; `may_go_on` then waits until it may be taken anew. `bytes_per_second` is a limit; 0 is
    none.
    """

    went_on: Callable[[int], None] = lambda _: None
    shall_leave: Callable[[], bool] = lambda: False
    may_go_on: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class Searched:
    """Columns of tables to search, by database; `skipped` tables are left out by their names.

    `unmatched` are names to skip that no table has: are they misspelled?
    """

    tables: dict[str, list[ListedTable]]
    skipped: list[str]
    unmatched: list[str]

    @property
    def columns(self) -> set[ColumnId]:
        """Those of all tables to search."""
        return {
            ColumnId(database, table.canonical, column.name)
            for database, tables in self.tables.items()
            for table in tables
            for column in table.columns
        }

    @property
    def bytes(self) -> int:
        """What the tables take, by the databases' estimates."""
        return sum(t.bytes or 0 for tables in self.tables.values() for t in tables)


class _Again(Exception):
    """The snapshot is of no more use: the database is searched from its beginning."""


def to_search(tables: Sequence[tuple[Database, ListedTable]], skip: Collection[str]) -> Searched:
    """Sort tables into those to search and those that `skip` names: `[database:]table`."""
    wanted: dict[str, list[ListedTable]] = {}
    skipped = []
    unmatched = dict.fromkeys(skip)
    for database, table in tables:
        names = {table.table, table.canonical}
        names |= {f"{database.name}:{name}" for name in names}
        if names.isdisjoint(skip):
            wanted.setdefault(database.name, []).append(table)
        else:
            skipped.append(f"{database.name}:{table.canonical}")
            for name in names:
                unmatched.pop(name, None)
    return Searched(wanted, skipped, list(unmatched))


@dataclass(slots=True)
class DatabaseSearch:
    """One search of all `databases` for the keys of `search`.

    Columns in `left_out` are not read. `problems` says, by table or column, what could not be.
    """

    databases: Sequence[Database]
    search: KeySearch
    skip: Collection[str]
    left_out: Collection[ColumnId]
    course: Course
    problems: dict[str, str] = field(default_factory=dict)
    # Tables of which one column could not be read: each column is read by itself.
    _apart: set[tuple[str, str]] = field(default_factory=set)
    _read: int = 0

    async def mentions(self) -> AsyncGenerator[list[Mention], None]:
        """The places that hold keys, page by page; some again where a database is begun anew.

        A server that keeps a table locked for as long as a snapshot lasts is read from a new one
        for each table: who alters one must not wait until all are read, with every query behind
        it. There, what moves meanwhile from one table to another may be missed. Raises
        `DatabaseUnreachable`, and what `course` raises.
        """
        for database in self.databases:
            done: set[str] = set()
            before = self._read
            while True:
                await self.course.may_go_on()
                try:
                    async with database.snapshot() as snapshot:
                        async for found in self._in_snapshot(database, snapshot, done):
                            yield found
                    break
                except _Again:
                    if snapshot.lets_go:
                        # Tables of two moments would not tell of what moved between them.
                        done.clear()
                        self._read = before

    async def _in_snapshot(
        self, database: Database, snapshot: Snapshot, done: set[str]
    ) -> AsyncGenerator[list[Mention], None]:
        """Tables that are not `done`, which is told of those that are."""
        tables = [(database, table) for table in await snapshot.tables()]
        for table in to_search(tables, self.skip).tables.get(database.name, []):
            if table.canonical in done:
                continue
            ids = [ColumnId(database.name, table.canonical, c.name) for c in table.columns]
            wanted = [
                column
                for column in ids
                if column not in self.left_out and str(column) not in self.problems
            ]
            apart = (database.name, table.canonical) in self._apart
            for columns in ([column] for column in wanted) if apart else [wanted] if wanted else []:
                async for found in self._in_columns(snapshot, table, columns):
                    yield found
            done.add(table.canonical)
            if not snapshot.lets_go:
                raise _Again

    async def _in_columns(
        self, snapshot: Snapshot, table: ListedTable, columns: list[ColumnId]
    ) -> AsyncGenerator[list[Mention], None]:
        read = TableRead(table.table, tuple(column.column for column in columns))
        try:
            async with aclosing(read_ahead(snapshot, snapshot.lines(read))) as parts:
                async for part in parts:
                    # The server goes on meanwhile, and so do we where the search lets us.
                    if self.search.is_quick(part):
                        found = self.search.part_mentions(columns, part)
                    else:
                        found = await asyncio.to_thread(self.search.part_mentions, columns, part)
                    if found:
                        yield found
                    await self._pass(part.size)
        except _CANNOT_READ as error:
            # After a statement that failed the snapshot may be over, and another one alone would
            # not see what moved meanwhile from one table to another.
            if len(columns) > 1:
                self._apart.add((columns[0].database, columns[0].table))
            else:
                self.problems[str(columns[0])] = error.what
            raise _Again from error

    async def _pass(self, size: int) -> None:
        """One more page was read; wait as long as the rate wants."""
        self._read += size
        loop = asyncio.get_running_loop()
        limit = self.course.bytes_per_second
        due = loop.time() + (size / limit if limit else 0)
        while True:
            self.course.went_on(self._read)
            if self.course.shall_leave():
                raise _Again
            if (left := due - loop.time()) <= 0:
                return
            await asyncio.sleep(min(left, _LOOK_EVERY))
