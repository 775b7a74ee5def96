"""MySQL and MariaDB followed by their binary log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import aiomysql

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import mysql_heartbeat as heartbeat
from s3gc_core.databases import naming
from s3gc_core.databases.binlog_decoder import Decoder
from s3gc_core.databases.binlog_events import Undecodable
from s3gc_core.databases.binlog_gtids import after_in_mariadb, after_in_mysql
from s3gc_core.databases.binlog_maps import HEARTBEAT
from s3gc_core.databases.binlog_obstacles import schemas, table_obstacles
from s3gc_core.databases.binlog_positions import file_name, position, split_file, split_position
from s3gc_core.databases.binlog_settings import describe, server_obstacles
from s3gc_core.databases.binlog_stream import (
    FURTHEST,
    BinlogStream,
    dump,
    prepare,
    reader_number,
    refused,
)
from s3gc_core.databases.changes import Beat
from s3gc_core.databases.following import Lag, LeftBehind, Obstacle, Start, Watched
from s3gc_core.databases.mysql import MysqlDatabase
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_cluster import wait_for_others
from s3gc_core.databases.mysql_connection import (
    DRIVER_ERRORS,
    UNKNOWN_VARIABLE,
    Connection,
    connect,
    error_code,
    fetch,
)
from s3gc_core.databases.mysql_definition import charsets, definitions
from s3gc_core.databases.mysql_lookup import lookup
from s3gc_core.databases.protocol import Page, RowId, TableRead
from s3gc_core.errors import FollowingRefused, StreamLost, StreamTaken

# How long to wait for a reader of this name that is gone: the server notices at the second of
# its heartbeats.
_TAKEN_SECONDS = 5
_BEGIN_SECONDS = 60.0


class MysqlFollowing:
    """One database of a MySQL or MariaDB server, as `Following` says.

    `database` is what errors call it.
    """

    def __init__(self, url: DatabaseUrl, database: str, name: str) -> None:
        self.name = name
        self._url = url
        self._database = MysqlDatabase(url, database)

    @property
    def _address(self) -> str:
        return self._database.address

    async def obstacles(self, watched: Sequence[Watched]) -> list[Obstacle]:
        """Everything that is in the way; see `Following`."""
        async with self._connection() as connection:
            return await self._obstacles(connection, watched)

    async def begin(self, watched: Sequence[Watched]) -> Start:
        """Make our row anew; the stream begins behind it."""
        async with self._connection() as connection:
            await self._refuse(connection, watched)
            await heartbeat.write_rows(connection)
            try:
                await heartbeat.make_row(connection, self.name)
            except aiomysql.Error as error:
                if error_code(error) not in NO_RIGHT:
                    raise
                raise FollowingRefused(f"{self._database.name}: {error.args[-1]}") from error
            file, offset = await heartbeat.end_of_log(connection)
            base, index = _split(file)
            return Start(await _history(connection, base), position(index, offset))

    async def extend(self, watched: Sequence[Watched]) -> None:
        """The log has every table: nothing is to be done but to look at the new ones."""
        async with self._connection() as connection:
            await self._refuse(connection, watched)
            rows = await heartbeat.names(connection)
        if self.name not in rows:
            raise StreamLost(
                "heartbeat-missing", f"the row {self.name!r} of {HEARTBEAT} is missing"
            )

    async def _refuse(self, connection: Connection, watched: Sequence[Watched]) -> None:
        found = await self._obstacles(connection, watched)
        if found:
            name = self._database.name
            raise FollowingRefused(f"{name} cannot be followed: {describe(found, name)}")

    async def _obstacles(
        self, connection: Connection, watched: Sequence[Watched]
    ) -> list[Obstacle]:
        of_server = await server_obstacles(connection, schemas(watched), self._probe)
        return of_server + await table_obstacles(connection, self._database.name, watched)

    async def _probe(self, file: str) -> str | None:
        """Why the server does not let us read its log."""
        async with self._connection() as connection:
            return await refused(connection, file)

    @asynccontextmanager
    async def stream(self, start: Start, watched: Sequence[Watched]) -> AsyncIterator[BinlogStream]:
        """Open the log at a position; see `Following`."""
        connection = await connect(self._url, self._address)
        try:
            # What the caller raises while it reads is none of the driver's errors.
            with self._reaching():
                stream = await self._open(connection, start, watched)
            yield stream
        finally:
            connection.close()

    async def _open(
        self, connection: Connection, start: Start, watched: Sequence[Watched]
    ) -> BinlogStream:
        await self._take(connection)
        base, _ = _split((await heartbeat.end_of_log(connection))[0])
        if start.history != await _history(connection, base):
            raise StreamLost(
                "history-changed", f"{self._address} is another server, or has another log"
            )
        index, offset = split_position(start.position)
        if offset > FURTHEST:
            raise StreamLost(
                "position-too-far", f"offset {offset} of a log file cannot be asked for"
            )
        decoder = Decoder(
            self.name,
            base,
            index,
            offset,
            {table.table: table.columns for table in watched},
            await definitions(connection, [*(table.table for table in watched), HEARTBEAT]),
            await charsets(connection),
        )
        await prepare(connection)
        file, number = file_name(base, index), reader_number(self.name)
        is_mariadb = await _is_mariadb(connection)
        await dump(connection, file, offset, number, is_mariadb=is_mariadb)
        stream = BinlogStream(connection, self._address, decoder)
        await stream.begin(_BEGIN_SECONDS)
        return stream

    async def _take(self, connection: Connection) -> None:
        """Be the only one of this name, as long as the connection lasts."""
        query = f"SELECT GET_LOCK(%s, {_TAKEN_SECONDS})"
        if (await fetch(connection, query, f"s3gc:{self.name}"))[0][0] != "1":
            raise StreamTaken(f"{self._address}: another process follows as {self.name!r}")

    async def beat(self) -> Beat:
        """Update our row; see `Following`."""
        async with self._connection() as connection:
            await heartbeat.write_rows(connection)
            return await heartbeat.beat(connection, self.name)

    async def settle(self) -> None:
        """Commit something ourselves.

        The server makes commits visible in the order in which the log has them. Ours comes behind
        all that can have been told before, so that these are visible once it is.
        """
        await self.beat()

    async def fingerprints(self, tables: Sequence[str]) -> Mapping[str, str]:
        """What each table is by the catalogue; see `Following`."""
        async with self._connection() as connection:
            found = await definitions(connection, tables)
        return {name: table.fingerprint for name, table in found.items()}

    async def rows(self, read: TableRead, ids: Sequence[RowId]) -> AsyncIterator[Page]:
        """The rows with these identities, in a new snapshot; see `Following`."""
        async with self._connection() as connection:
            async for page in lookup(self._database, connection, read, ids):
                yield page

    async def lag(self, start: Start, transaction: str = "") -> Lag:
        """Bytes of the log behind `start`; the server keeps them by its own settings."""
        index, offset = split_position(start.position)
        async with self._connection() as connection:
            files = await heartbeat.log_files(connection)
            since = await _transactions_since(connection, transaction) if transaction else None
        sizes = {_split(file)[1]: size for file, size in files}
        behind = sum(size for number, size in sizes.items() if number > index)
        return Lag(behind + max(sizes.get(index, 0) - offset, 0), transactions=since)

    async def end(self) -> None:
        """Delete our row, and what is empty then; see `Following`."""
        async with self._connection() as connection:
            await self._take(connection)
            await heartbeat.write_rows(connection)
            await heartbeat.remove_row(connection, self.name)

    async def left_behind(self, known: Sequence[str]) -> list[LeftBehind]:
        """Rows of other names; see `Following`."""
        async with self._connection() as connection:
            return await heartbeat.left_behind(connection, list(known))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection that is thrown away. The driver's errors become `DatabaseUnreachable`."""
        connection = await connect(self._url, self._address)
        try:
            with self._reaching():
                # A member of a group commits our beat before others' rows that come first.
                await wait_for_others(connection)
                yield connection
        finally:
            connection.close()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            raise naming.unreachable(self._address, error) from error


def _split(file: str) -> tuple[str, int]:
    try:
        return split_file(file)
    except Undecodable as error:
        raise StreamLost("binlog-refused", str(error)) from error


async def _transactions_since(connection: Connection, transaction: str) -> int | None:
    if await _is_mariadb(connection):
        ((written,),) = await fetch(connection, "SELECT @@gtid_binlog_pos")
        return after_in_mariadb(transaction, str(written))
    ((executed,),) = await fetch(connection, "SELECT @@gtid_executed")
    return after_in_mysql(transaction, str(executed))


async def _is_mariadb(connection: Connection) -> bool:
    return "mariadb" in str((await fetch(connection, "SELECT VERSION()"))[0][0]).lower()


async def _history(connection: Connection, base: str) -> str:
    """What stays while positions mean the same.

    MariaDB has no identifier of a server that survives a change of its network; that the log was
    not begun anew there is seen by the beat that comes first at an anchor.
    """
    try:
        ((server,),) = await fetch(connection, "SELECT @@server_uuid")
        return f"mysql:{server}:{base}"
    except aiomysql.Error as error:
        if error_code(error) != UNKNOWN_VARIABLE:
            raise
    ((server,),) = await fetch(connection, "SELECT @@server_id")
    return f"mariadb:{server}:{base}"
