"""An application at work: several writers, each with its own connection, from one seed.

What the writers do is the same each time; how it interleaves is not.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import aiomysql
import asyncpg

from s3gc_core.parallel import in_parallel
from tests.follow.application import Statements, bulk
from tests.servers.app_database import AppDatabase

ROWS = range(1, 301)
_ROLLED_BACK, _TO_A_SAVEPOINT = 0.08, 0.1
# Lock wait timeout, deadlock, a row that another transaction changed first, and a savepoint that
# TRUNCATE, which commits, took away.
_MYSQL_LOST = (1020, 1205, 1213, 1305)


class Writer:
    """One session of the application that writes to the rows `rows`."""

    def __init__(self, app: AppDatabase, chance: Random, rows: Sequence[int]) -> None:
        self._app = app
        self._chance = chance
        self._rows = rows
        self._statements = Statements(app.engine)

    async def transaction(self) -> int:
        """One transaction of one to five writes; returns how many statements were committed."""
        try:
            await self._app.execute("BEGIN")
            done = await self._writes()
            if self._chance.random() < _ROLLED_BACK:
                await self._app.execute("ROLLBACK")
                return 0
            await self._app.execute("COMMIT")
        except (
            asyncpg.UniqueViolationError,
            asyncpg.DeadlockDetectedError,
            sqlite3.IntegrityError,
        ):
            await self._app.execute("ROLLBACK")
            return 0
        except (aiomysql.IntegrityError, aiomysql.OperationalError) as error:
            is_ours = isinstance(error, aiomysql.IntegrityError) or error.args[0] in _MYSQL_LOST
            if not is_ours:
                raise
            await self._app.execute("ROLLBACK")
            return 0
        return done

    async def _writes(self) -> int:
        done = 0
        for _ in range(self._chance.randrange(1, 6)):
            is_undone = self._chance.random() < _TO_A_SAVEPOINT
            if is_undone:
                await self._app.execute("SAVEPOINT before_it")
            written = await self._write()
            if is_undone:
                await self._app.execute("ROLLBACK TO SAVEPOINT before_it")
            else:
                done += written
        return done

    async def _write(self) -> int:
        writes, weights = zip(*self._statements.writes, strict=True)
        [write] = self._chance.choices(writes, weights)
        row, other = self._chance.sample(self._rows, 2)
        written = 0
        for statement in write(self._chance, row, other):
            await self._app.execute(statement.sql, *statement.values)
            written += 1
        return written


class Workload:
    """All writers of the application. Made by `working`."""

    def __init__(self, writers: Sequence[Writer], bulk_app: AppDatabase) -> None:
        self._writers = writers
        self._bulk_app = bulk_app
        self._bulks = 0
        # A writer's connection does one thing at a time.
        self._turn = asyncio.Lock()
        self.written = 0

    async def write(self, statements: int) -> None:
        """All writers commit at least so many more statements, after those asked for before."""
        async with self._turn:
            enough = self.written + statements

            async def work(writer: Writer) -> None:
                while self.written < enough:
                    self.written += await writer.transaction()

            await in_parallel(work(writer) for writer in self._writers)

    @asynccontextmanager
    async def meanwhile(self) -> AsyncIterator[None]:
        """All writers write for as long as the block takes."""
        ended = asyncio.Event()

        async def work(writer: Writer) -> None:
            while not ended.is_set():
                self.written += await writer.transaction()

        working = asyncio.create_task(in_parallel(work(writer) for writer in self._writers))
        try:
            yield
        finally:
            ended.set()
            await working

    async def bulk(self, rows: int) -> None:
        """One transaction over so many rows: the next of insert, update, move, and delete."""
        statement = bulk(self._bulk_app.engine, self._bulks, rows)
        self._bulks += 1
        await self._bulk_app.execute(statement.sql, *statement.values)


@asynccontextmanager
async def working(
    url: str, *, seed: int, writers: int = 3, rows: range = ROWS, overlapping: bool = True
) -> AsyncIterator[Workload]:
    """The application on the tables of `make_tables`, with these numbers of rows.

    Its writers share their rows, or do not.
    """
    apps = [AppDatabase(url) for _ in range(writers + 1)]
    each = len(rows) // writers
    of_writers = [rows if overlapping else rows[n * each : (n + 1) * each] for n in range(writers)]
    made = [
        Writer(app, Random(f"{seed} {n}"), of_writer)
        for n, (app, of_writer) in enumerate(zip(apps, of_writers, strict=False))
    ]
    try:
        yield Workload(made, apps[-1])
    finally:
        await asyncio.gather(*(app.close() for app in apps))
