"""PostgreSQL as an application database: catalogue checks and a cursor in one read transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import asyncpg

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.postgres_catalogue import Table, check, prepare
from s3gc_core.databases.postgres_copy import CopyRows
from s3gc_core.databases.postgres_pages import (
    CopiedLines,
    copied_page,
    is_text,
    order_by,
    page,
    query_for,
    select,
)
from s3gc_core.databases.postgres_probes import PostgresProbes
from s3gc_core.databases.postgres_role import role
from s3gc_core.databases.postgres_tables import sample, tables
from s3gc_core.databases.postgres_transactions import oldest_transaction
from s3gc_core.databases.protocol import (
    Lines,
    ListedTable,
    Page,
    Role,
    Row,
    RowId,
    TableRead,
    TableShape,
)
from s3gc_core.databases.turns import Turns
from s3gc_core.errors import DatabaseUnreachable, S3gcError

if TYPE_CHECKING:
    # asyncpg's generic classes are generic in its stubs only.
    from s3gc_core.databases.postgres_catalogue import Statement

    Connection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 10.0
CATALOGUE_TIMEOUT_SECONDS = 60.0
# One page: a selective `where` may pass over many rows before it has filled one.
PAGE_TIMEOUT_SECONDS = 600.0
# Of rows that come as lines, at least so many bytes at once: fewer cost more calls than reading.
LINES_BYTES = 256 << 10
# Rows in the order of their key are worth this much to us: twice the planner's cost of reading
# them as they lie, and anything below what a table of some ten thousand rows costs.
ORDER_COSTS_AT_MOST = 2.0
CHEAP_COST = 10_000.0

# What a server setting (of the role, say) must not do to a long read: end it, or filter it.
# With row_security off, a policy that would hide rows is an error instead (PostgreSQL manual,
# "Row Security Policies"): a hidden row would be an invisible reference. The last five: a read
# begins at the table's beginning, has its order from an index or not at all, and is planned as
# what it is, one that goes to the end in one process; and compiling our catalogue queries took
# longer than running them (1.5 s).
_SESSION = """
    SELECT pg_catalog.set_config(name, CASE name WHEN 'row_security' THEN 'off'
        WHEN 'synchronize_seqscans' THEN 'off' WHEN 'enable_sort' THEN 'off'
        WHEN 'jit' THEN 'off' WHEN 'cursor_tuple_fraction' THEN '1' ELSE '0' END, true)
    FROM pg_catalog.pg_settings
    WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout',
                   'transaction_timeout', 'row_security',
                   'synchronize_seqscans', 'enable_sort', 'cursor_tuple_fraction', 'jit',
                   'max_parallel_workers_per_gather')
"""
# SQLSTATE classes that say "not now" or "not you" about the connection or the whole server.
_CONNECTION_CLASSES = frozenset({"08", "25", "28", "3D", "40", "53", "57", "58", "F0", "XX"})
_DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    UnicodeDecodeError,
)
# What is locked by a transaction stays so to its end, and whoever alters a table waits for that
# long, with all who come after. Back at a savepoint, what was read since is locked no more.
_BEFORE_READING = "SAVEPOINT before_reading"
_LET_GO = "ROLLBACK TO SAVEPOINT before_reading; RELEASE SAVEPOINT before_reading"


class PostgresDatabase:
    """One PostgreSQL database. Every snapshot and every `identity` is a connection of its own."""

    def __init__(self, url: DatabaseUrl, name: str) -> None:
        self.name = name
        self._url = url

    @property
    def address(self) -> str:
        """The URL without password."""
        return self._url.redacted

    async def identity(self) -> str:
        """System identifier (unique per cluster) and database name.

        Where the server does not let us read the identifier, its address stands in, and the text
        says so. Raises `DatabaseUnreachable`.
        """
        async with self.connection() as connection:
            with self.reaching():
                try:
                    system = await connection.fetchval(
                        "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
                    )
                except asyncpg.InsufficientPrivilegeError:
                    system = f"at {self.address} (no right to execute pg_control_system())"
                database = await connection.fetchval("SELECT pg_catalog.current_database()::text")
        return f"postgresql:{system}:{database}"

    async def role(self) -> Role:
        """Whether the server is the primary. Raises `DatabaseUnreachable`."""
        async with self.connection() as connection:
            with self.reaching():
                return await role(connection)

    async def oldest_transaction(self) -> datetime | None:
        """When the oldest open or prepared transaction of this database began: see `Database`."""
        async with self.connection() as connection:
            with self.reaching():
                return await oldest_transaction(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSnapshot]:
        """A new connection in a read-only REPEATABLE READ transaction, which is then thrown away.

        Raises `DatabaseUnreachable`.
        """
        async with self.reader() as connection:
            with self.reaching():
                # Asked, since behind a pooler the driver knows another number.
                pid = await connection.fetchval("SELECT pg_catalog.pg_backend_pid()")
            yield PostgresSnapshot(self, connection, pid)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Connection]:
        """A new connection in the transaction of a snapshot. Raises `DatabaseUnreachable`."""
        async with self.connection() as connection:
            with self.reaching():
                transaction = connection.transaction(isolation="repeatable_read", readonly=True)
                await transaction.start()
                # The first statement takes the snapshot, so it is this one.
                await connection.execute(_SESSION, timeout=CATALOGUE_TIMEOUT_SECONDS)
            yield connection

    async def cancel(self, pid: int) -> None:
        """Stop what a session of ours is doing. Raises `DatabaseUnreachable`."""
        async with self.connection() as connection:
            with self.reaching():
                await connection.execute("SELECT pg_catalog.pg_cancel_backend($1)", pid)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A new connection, closed at the end. Raises `DatabaseUnreachable`."""
        url = self._url
        options = urlencode(dict(url.options))
        with self.reaching():
            connection = await asyncpg.connect(
                f"postgresql://?{options}" if options else None,
                host=url.host,
                port=url.port,
                user=url.user,
                password=url.password,
                database=url.database,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=CATALOGUE_TIMEOUT_SECONDS,
                statement_cache_size=0,  # connection poolers do not keep named statements
            )
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)
            except _DRIVER_ERRORS:
                # Nothing was written, so nothing is lost with a connection that is already dead.
                connection.terminate()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn the driver's errors into `DatabaseUnreachable`."""
        try:
            yield
        except _DRIVER_ERRORS as error:
            raise naming.unreachable(self.address, error) from error

    @contextmanager
    def reading(self, read: TableRead) -> Iterator[None]:
        """Turn the driver's errors into ours, naming what was read."""
        try:
            yield
        except _DRIVER_ERRORS as error:
            raise self._translated(error, read) from error

    def _translated(self, error: BaseException, read: TableRead) -> S3gcError:
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return naming.right_missing(self.name, read, "SELECT", detail=str(error))
        if isinstance(error, UnicodeDecodeError):
            return naming.unreadable(self.name, read, "a value is not valid UTF-8")
        state = getattr(error, "sqlstate", None)
        if not isinstance(error, asyncpg.PostgresError) or state is None:
            return naming.unreachable(self.address, error)
        if state[:2] in _CONNECTION_CLASSES:
            return naming.unreachable(self.address, error)
        return naming.unreadable(self.name, read, str(error))


class PostgresSnapshot:
    """One transaction's picture of the database.

    A read waits until the one before it has ended or was abandoned. A task that starts a second
    read inside the loop of the first gets an error.
    """

    is_remote = True
    lets_go = True

    def __init__(self, database: PostgresDatabase, connection: Connection, pid: int) -> None:
        self._database = database
        self._connection = connection
        self._pid = pid
        self._turns = Turns()

    @property
    def probes(self) -> PostgresProbes:
        """How to ask for single values of a column."""
        name, reading = self._database.name, self._database.reading
        return PostgresProbes(name, reading, self._connection, self._turns)

    async def role(self) -> Role:
        """Whether this server is the primary. Raises `DatabaseUnreachable`."""
        with self._database.reaching():
            async with self._turns.mine():
                return await role(self._connection)

    async def describe(self, read: TableRead) -> TableShape:
        """Check table, columns and right to read. Raises `SourceMissing`, `RightMissing`."""
        with self._database.reading(read):
            async with self._turns.mine():
                table = await check(self._connection, self._database.name, read)
        return table.shape

    def rows(self, read: TableRead) -> AsyncGenerator[Page, None]:
        """Stream the table in pages: by COPY, or through a cursor where there may be bytes.

        Raises `SourceMissing`, `RightMissing`, `SourceUnreadable`, `DatabaseUnreachable`. After
        one of the last two the transaction is over: take a new snapshot. Read to its end, the table
        is locked no more.
        """
        return self._parts(read, self._copied)

    def lines(self, read: TableRead) -> AsyncGenerator[Lines | Page, None]:
        """As `rows`, but what COPY sends comes as it is. Raises what `rows` raises."""
        return self._parts(read, self._copied_lines)

    async def _parts(
        self,
        read: TableRead,
        copied: Callable[[Table, TableRead, str], AsyncGenerator[Page | T, None]],
    ) -> AsyncGenerator[Page | T, None]:
        async with self._turns.mine():
            with self._database.reading(read):
                await self._connection.execute(_BEFORE_READING)
                table = await check(self._connection, self._database.name, read)
                query = await self._query(table, read)
            stream = copied if is_text(table, read) else self._fetched
            async with aclosing(stream(table, read, query)) as parts:
                try:
                    async for found in parts:
                        yield found
                except GeneratorExit:
                    self._turns.abandoned()
                    raise
            with self._database.reading(read):
                await self._connection.execute(_LET_GO)

    def _copied(self, table: Table, read: TableRead, query: str) -> AsyncGenerator[Page, None]:
        size = naming.PageSize()

        async def take(copied: CopyRows) -> Page | None:
            found = copied_page(await copied.fetch(size.rows), table)
            size.learn(found)
            return found or None

        return self._copy(table, read, query, take)

    def _copied_lines(
        self, table: Table, read: TableRead, query: str
    ) -> AsyncGenerator[Lines | Page, None]:
        width = len(table.identity) + len(read.columns)

        async def take(copied: CopyRows) -> Lines | Page | None:
            data = await copied.fetch_lines(LINES_BYTES)
            return CopiedLines(data, table, width) if data else None

        return self._copy(table, read, query, take)

    async def _copy(
        self,
        table: Table,
        read: TableRead,
        query: str,
        take: Callable[[CopyRows], Awaitable[T | None]],
    ) -> AsyncGenerator[T, None]:
        # A transaction inside the transaction: a read that is broken off ends only that.
        inner = self._connection.transaction()
        with self._database.reading(read):
            await inner.start()
        copied = CopyRows(self._connection, query, len(table.identity) + len(read.columns))
        try:
            while True:
                with self._database.reading(read):
                    async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
                        found = await take(copied)
                if found is None:
                    return
                yield found
        finally:
            try:
                async with asyncio.timeout(CATALOGUE_TIMEOUT_SECONDS):
                    await copied.leave(partial(self._database.cancel, self._pid))
                    await inner.rollback()
            except BaseException as error:
                # Somewhere inside a result: nothing sent now would be understood.
                self._connection.terminate()
                if not isinstance(error, (DatabaseUnreachable, *_DRIVER_ERRORS)):
                    raise

    async def _fetched(
        self, table: Table, read: TableRead, query: str
    ) -> AsyncGenerator[Page, None]:
        with self._database.reading(read):
            statement = await self._connection.prepare(query)
            cursor = await statement.cursor(timeout=PAGE_TIMEOUT_SECONDS)
        size = naming.PageSize()
        while True:
            with self._database.reading(read):
                records = await cursor.fetch(size.rows, timeout=PAGE_TIMEOUT_SECONDS)
                found = page(records, table, read)
            if not found:
                return
            size.learn(found)
            yield found

    async def tables(self) -> list[ListedTable]:
        """The tables with text-like columns. Raises `DatabaseUnreachable`."""
        with self._database.reaching():
            async with self._turns.mine():
                return await tables(self._connection)

    async def sample(self, read: TableRead, limit: int) -> list[Row]:
        """Rows with a value, from blocks all over the table. Raises what `rows` raises."""
        with self._database.reading(read):
            async with self._turns.mine():
                table = await check(self._connection, self._database.name, read)
                await self._prepare(select(table, read), read)
                return await sample(self._connection, table, read, limit)

    async def query_for(self, read: TableRead, row: RowId) -> str:
        """The SQL that shows one row. Raises what `describe` raises."""
        with self._database.reading(read):
            async with self._turns.mine():
                table = await check(self._connection, self._database.name, read)
        return query_for(table, read, row)

    async def _query(self, table: Table, read: TableRead) -> str:
        """What to ask: in the order of the key, unless that costs the server much more."""
        query, order = select(table, read), order_by(table)
        # As one statement, and whole: COPY would take what closes its brackets.
        await self._prepare(query, read)
        if order is not None and await self._is_cheap(query + order, query):
            return query + order
        return query

    async def _prepare(self, query: str, read: TableRead) -> Statement:
        return await prepare(self._connection, self._database.name, query, read)

    async def _is_cheap(self, ordered: str, plain: str) -> bool:
        costs = []
        for query in (ordered, plain):
            plan = await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {query}")
            if 'Sort"' in plan:
                return False
            costs.append(float(json.loads(plan)[0]["Plan"]["Total Cost"]))
        return costs[0] <= max(CHEAP_COST, ORDER_COSTS_AT_MOST * costs[1])
