"""MySQL and MariaDB as application databases: one unbuffered read at a time per snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import aiomysql

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.mysql_catalogue import NO_RIGHT, Table, check, quote
from s3gc_core.databases.mysql_cluster import wait_for_others
from s3gc_core.databases.mysql_connection import (
    DRIVER_ERRORS,
    UNKNOWN_VARIABLE,
    Connection,
    connect,
    error_code,
    fetch,
    limit_statements,
)
from s3gc_core.databases.mysql_pages import Pages, query_for, select
from s3gc_core.databases.mysql_probes import MysqlProbes
from s3gc_core.databases.mysql_role import role
from s3gc_core.databases.mysql_rows import ResultRows
from s3gc_core.databases.mysql_tables import sample, tables
from s3gc_core.databases.mysql_transactions import oldest_transaction
from s3gc_core.databases.protocol import (
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

# One page: a selective `where` may pass over many rows before it has filled one.
PAGE_TIMEOUT_SECONDS = 600.0

# Settings of the server or the account must not end or shorten a long read: sql_select_limit
# would cut it silently, net_write_timeout drops a reader that is slower than the server.
_SESSION = (
    "SET SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_INTERRUPTED = 1317
# Errors about the connection or the server as a whole, and time-outs: "not now".
_NOT_NOW = frozenset(
    {1021, 1037, 1040, 1041, 1042, 1043, 1045, 1047, 1053, 1077, 1129, 1130, 1152, 1153, 1158}
    | {1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226, _INTERRUPTED, 1698, 1927, 1969, 3024}
)


class MysqlDatabase:
    """One MySQL or MariaDB database. Every snapshot is a connection of its own."""

    def __init__(self, url: DatabaseUrl, name: str) -> None:
        self.name = name
        self._url = url

    @property
    def address(self) -> str:
        """The URL without password."""
        return self._url.redacted

    async def identity(self) -> str:
        """MySQL: server_uuid; MariaDB has none: host name, port and data folder. And the name.

        Raises `DatabaseUnreachable`.
        """
        async with self._connection() as connection:
            with self.reaching():
                try:
                    rows = await fetch(connection, "SELECT @@server_uuid, DATABASE()")
                    engine = "mysql"
                except aiomysql.Error as error:
                    if error_code(error) != UNKNOWN_VARIABLE:
                        raise
                    query = "SELECT @@hostname, @@port, @@datadir, DATABASE()"
                    rows = await fetch(connection, query)
                    engine = "mariadb"
        return ":".join([engine, *(str(part) for part in rows[0])])

    async def role(self) -> Role:
        """Whether the server is the primary. Raises `DatabaseUnreachable`."""
        async with self._connection() as connection:
            with self.reaching():
                await wait_for_others(connection)
                return await role(connection)

    async def oldest_transaction(self) -> datetime | None:
        """When the oldest open or prepared transaction of the server began: see `Database`."""
        async with self._connection() as connection:
            with self.reaching():
                return await oldest_transaction(connection, self.address)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MysqlSnapshot]:
        """A new connection in a read-only, consistent transaction, which is then thrown away.

        Raises `DatabaseUnreachable`.
        """
        async with self._connection() as connection:
            with self.reaching():
                await limit_statements(connection, 0)
                await wait_for_others(connection)
                for statement in _SESSION:
                    await fetch(connection, statement)
            yield MysqlSnapshot(self, connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = await connect(self._url, self.address)
        try:
            yield connection
        finally:
            # Without a goodbye: in the middle of a result there is no place for one.
            connection.close()

    async def kill_query(self, thread_id: int) -> None:
        """End the statement that runs in the connection `thread_id` of this user."""
        async with self._connection() as connection:
            with self.reaching():
                await fetch(connection, f"KILL QUERY {int(thread_id)}")

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn the driver's errors into `DatabaseUnreachable`."""
        try:
            yield
        except DRIVER_ERRORS as error:
            raise naming.unreachable(self.address, error) from error

    @contextmanager
    def reading(self, read: TableRead) -> Iterator[None]:
        """Turn the driver's errors into ours, naming what was read."""
        try:
            yield
        except DRIVER_ERRORS as error:
            raise self._translated(error, read) from error

    def _translated(self, error: BaseException, read: TableRead) -> S3gcError:
        code = error_code(error)
        if code in NO_RIGHT:
            return naming.right_missing(self.name, read, "SELECT", detail=str(error.args[-1]))
        if isinstance(error, UnicodeDecodeError):
            return naming.unreadable(self.name, read, "a value is not valid UTF-8")
        if code is None or code in _NOT_NOW or 2000 <= code < 3000:
            return naming.unreachable(self.address, error)
        return naming.unreadable(self.name, read, str(error.args[-1]))


class MysqlSnapshot:
    """One transaction's picture of the database.

    The protocol carries one result at a time: a read waits until the one before it has ended or
    was abandoned. A task that starts a second read inside the loop of the first gets an error.
    """

    is_remote = True
    lets_go = False

    def __init__(self, database: MysqlDatabase, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._turns = Turns()

    @property
    def probes(self) -> MysqlProbes:
        """How to ask for single values of a column."""
        name, reading = self._database.name, self._database.reading
        return MysqlProbes(name, reading, self._connection, self._turns)

    async def role(self) -> Role:
        """Whether this server is the primary. Raises `DatabaseUnreachable`."""
        with self._database.reaching():
            async with self._turns.mine():
                async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
                    return await role(self._connection)

    async def describe(self, read: TableRead) -> TableShape:
        """Check table, columns and right to read. Raises `SourceMissing`, `RightMissing`."""
        async with self._turns.mine():
            with self._database.reading(read):
                return (await check(self._connection, self._database.name, read)).shape

    async def rows(self, read: TableRead) -> AsyncGenerator[Page, None]:
        """Stream the table in pages, row by row from the server.

        Raises `SourceMissing`, `RightMissing`, `SourceUnreadable`, `DatabaseUnreachable`.
        """
        async with self._turns.mine():
            with self._database.reading(read):
                table = await check(self._connection, self._database.name, read)
                async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
                    query = await self._query(table, read)
                    found = await ResultRows.start(self._connection, query)
            try:
                with self._database.reading(read):
                    pages = Pages(self._database.name, table, read, found)
                size = naming.PageSize()
                while True:
                    with self._database.reading(read):
                        async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
                            columns = await found.fetch(size.rows)
                        page = pages.page(columns)
                    if not page:
                        return
                    size.learn(page)
                    yield page
            except GeneratorExit:
                self._turns.abandoned()
                await self._abandon(found)
                raise
            finally:
                if not found.ended:
                    # Somewhere inside a result: nothing sent now would be understood.
                    self._connection.close()

    def lines(self, read: TableRead) -> AsyncGenerator[Page, None]:
        """As `rows`: nothing here comes as lines."""
        return self.rows(read)

    async def tables(self) -> list[ListedTable]:
        """The tables of this database with text-like columns; none of the server's other ones.

        A table on which this user has no right at all is hidden by the server. Raises
        `DatabaseUnreachable`.
        """
        async with self._turns.mine():
            with self._database.reaching():
                async with asyncio.timeout(PAGE_TIMEOUT_SECONDS):
                    return await tables(self._connection)

    async def sample(self, read: TableRead, limit: int) -> list[Row]:
        """Rows with a value, from places all over an integer key, else the first ones.

        Raises what `rows` raises.
        """
        name = self._database.name
        async with self._turns.mine():
            with self._database.reading(read):
                table = await check(self._connection, name, read)
                return await sample(self._connection, name, table, read, limit)

    async def query_for(self, read: TableRead, row: RowId) -> str:
        """The SQL that shows one row. Raises what `describe` raises."""
        async with self._turns.mine():
            with self._database.reading(read):
                table = await check(self._connection, self._database.name, read)
        return query_for(table, read, row)

    async def _query(self, table: Table, read: TableRead) -> str:
        """In the order of the key, unless the server would have to sort for it."""
        plain = select(table, read)
        if not table.shape.primary_key:
            return plain
        key = ", ".join(f"{table.sql_name}.{quote(column)}" for column in table.identity)
        ordered = f"{plain} ORDER BY {key}"
        plan = await fetch(self._connection, f"EXPLAIN {ordered}")
        return plain if any("filesort" in (row[-1] or "") for row in plan) else ordered

    async def _abandon(self, found: ResultRows) -> None:
        """Stop a read that nobody wants to the end of, and leave the connection usable."""
        try:
            await self._database.kill_query(self._connection.thread_id())
            await found.drain()
            await fetch(self._connection, "DO 0")
        except DatabaseUnreachable:
            self._connection.close()
        except DRIVER_ERRORS as error:
            if error_code(error) != _INTERRUPTED:
                self._connection.close()
