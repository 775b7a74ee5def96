"""The replication connection: psycopg's `pgconn`, driven from asyncio.

asyncpg cannot carry a COPY in both directions. Only who asks takes bytes from the connection, so
that a slow caller holds the server back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases import naming
from s3gc_core.databases.postgres import CONNECT_TIMEOUT_SECONDS
from s3gc_core.errors import DatabaseUnreachable, S3gcError, StreamLost, StreamTaken

# Where libpq holds bytes of an encrypted connection back, the socket does not tell of them.
LOOK_AGAIN_SECONDS = 1.0
# Where asyncpg looks for a server without a name.
_SOCKETS = "/run/postgresql,/var/run/postgresql,/var/pgsql_socket,/private/tmp,/tmp,localhost"
# SQLSTATE -> the state of a lost stream.
_STATES = {
    "42704": "publication-changed",  # undefined_object
    "55000": "slot-lost",  # object_not_in_prerequisite_state: invalidated
    "58P01": "slot-lost",  # undefined_file: its segment was removed
    "22021": "decoding",
    "22P05": "decoding",
}
_UNREACHABLE_CLASSES = ("08", "25", "28", "3D", "53", "57", "58", "F0")
_IN_USE = "55006"
# Results that come again and again, for as long as our side of the stream is open.
_OPEN = {pq.ExecStatus.COPY_BOTH, pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT}


@dataclass(frozen=True, slots=True)
class System:
    """What IDENTIFY_SYSTEM says."""

    history: str
    database: str


class ReplicationConnection:
    """One connection that understands the commands of replication."""

    def __init__(self, address: str, connection: psycopg.AsyncConnection) -> None:
        self._address = address
        self._connection = connection
        self._pgconn = connection.pgconn
        # Our own number for it: libpq closes its own with a dead connection, and it may be given
        # to somebody else while we still wait for it.
        self._socket = os.dup(self._pgconn.socket)

    async def system(self) -> System:
        """Which cluster this is, on which timeline, and which of its databases."""
        with self.reaching():
            ((identifier, timeline, _, database),) = await self._rows("IDENTIFY_SYSTEM")
        return System(f"{identifier}:{timeline}", database)

    async def set(self, settings: Mapping[str, str]) -> None:
        """Set what the texts of values depend on."""
        with self.reaching():
            for name, value in settings.items():
                literal = pq.Escaping(self._pgconn).escape_literal(value.encode())
                await self._rows(f"SELECT set_config('{name}', {bytes(literal).decode()}, false)")

    async def start(self, slot: str, publication: str, lsn: int) -> None:
        """Begin the stream. Raises `StreamTaken`, `StreamLost`, `DatabaseUnreachable`."""
        command = (
            f'START_REPLICATION SLOT "{slot}" LOGICAL {lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}'
            f" (proto_version '1', publication_names '\"{publication}\"')"
        )
        with self.reaching():
            result = await self._result(command)
        if result.status == pq.ExecStatus.COPY_BOTH:
            return
        if _state(result) == "42704":
            raise StreamLost("slot-missing", f"{self._address}: {_message(result)}")
        raise self.translated(result)

    def message(self) -> memoryview | None:
        """The next message that is here as a whole. Raises what ends a stream."""
        try:
            size, data = self._pgconn.get_copy_data(1)
        except psycopg.Error as error:
            # What the server said last tells more than that the connection is gone.
            raise self._ended() or naming.unreachable(self._address, error) from error
        if size > 0:
            return data
        if size == 0:
            return None
        raise self._ended() or naming.unreachable(
            self._address, ConnectionError("the server ended the stream")
        )

    def consume(self) -> None:
        """Take what the socket has, without waiting."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise self._ended() or naming.unreachable(self._address, error) from error

    @property
    def looks(self) -> int:
        """How often to `consume` before nothing can be held back by TLS."""
        return 3 if self._pgconn.ssl_in_use else 1

    def send(self, data: bytes) -> bool:
        """Send without waiting: False where the connection takes nothing now."""
        try:
            taken = self._pgconn.put_copy_data(data) == 1
            self._pgconn.flush()
        except psycopg.Error:
            # A read tells of it, with what the server said.
            return False
        return taken

    async def readable(self, seconds: float) -> None:
        """Wait until the socket has bytes, or so long."""
        loop = asyncio.get_running_loop()
        came = loop.create_future()

        def ready() -> None:
            if not came.done():
                came.set_result(None)

        loop.add_reader(self._socket, ready)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await came
        finally:
            loop.remove_reader(self._socket)

    async def close(self) -> None:
        """Close the connection."""
        os.close(self._socket)
        await self._connection.close()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turn the driver's errors into `DatabaseUnreachable`."""
        try:
            yield
        except (psycopg.Error, OSError, UnicodeDecodeError) as error:
            raise naming.unreachable(self._address, error) from error

    def translated(self, result: pq.abc.PGresult) -> S3gcError:
        """What a failed command, or the end of the stream, is to us."""
        return refused(_state(result), f"{self._address}: {_message(result)}")

    def _ended(self) -> S3gcError | None:
        """What the server gave as its reason, if it is here: nothing is waited for."""
        try:
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
                    return self.translated(result)
                if result is None or result.status in _OPEN:
                    return None
        except psycopg.Error as error:
            return naming.unreachable(self._address, error)
        return None

    async def _rows(self, command: str) -> list[tuple[str, ...]]:
        result = await self._result(command)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise self.translated(result)
        return [
            tuple(
                (result.get_value(row, column) or b"").decode() for column in range(result.nfields)
            )
            for row in range(result.ntuples)
        ]

    async def _result(self, command: str) -> pq.abc.PGresult:
        """The first result of a command; a stream's own stays open."""
        self._pgconn.send_query(command.encode())
        if self._pgconn.flush():
            raise psycopg.OperationalError("the connection takes no command")
        first: pq.abc.PGresult | None = None
        while True:
            while self._pgconn.is_busy():
                await self.readable(LOOK_AGAIN_SECONDS)
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:
                break
            first = first or result
            if result.status == pq.ExecStatus.COPY_BOTH:
                break
        if first is None:
            raise psycopg.OperationalError("the server gave no answer")
        return first


@asynccontextmanager
async def replication(url: DatabaseUrl) -> AsyncIterator[ReplicationConnection]:
    """A new replication connection to the URL's database. Raises `DatabaseUnreachable`."""
    address = url.redacted
    wanted: dict[str, Any] = {
        "host": url.host or os.environ.get("PGHOST", _SOCKETS),
        "port": url.port,
        "user": url.user,
        "password": url.password,
        "dbname": url.database,
        "replication": "database",
        "client_encoding": "utf8",
        # What the environment holds for libpq, asyncpg would not know of.
        "options": " ",
        "gssencmode": "disable",
        "connect_timeout": int(CONNECT_TIMEOUT_SECONDS),
        "application_name": "s3gc",
        **url.options,
    }
    try:
        text = make_conninfo(**wanted)
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            opened = await psycopg.AsyncConnection.connect(text, autocommit=True)
    except (psycopg.Error, OSError, TimeoutError) as error:
        raise naming.unreachable(address, error) from error
    connection = ReplicationConnection(address, opened)
    try:
        yield connection
    finally:
        await connection.close()


def refused(state: str, what: str) -> S3gcError:
    """What an error of the server is to us, by its SQLSTATE (empty: none), while it decodes."""
    if state == _IN_USE:
        return StreamTaken(what)
    if state in _STATES:
        return StreamLost(_STATES[state], what)
    if not state or state.startswith(_UNREACHABLE_CLASSES):
        return DatabaseUnreachable(what)
    return StreamLost("refused", what)


def _state(result: pq.abc.PGresult) -> str:
    return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()


def _message(result: pq.abc.PGresult) -> str:
    primary = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
    return (primary or result.error_message or b"no reason given").decode(errors="replace").strip()
