"""The dump of a binary log over aiomysql's connection, read as fast as it is asked for.

The server pushes; where nobody reads, TCP holds it back, and `net_write_timeout` lets it wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import struct
from collections.abc import Iterator, Sequence
from time import monotonic

import aiomysql
from aiomysql.connection import MysqlPacket

from s3gc_core.databases import naming
from s3gc_core.databases.binlog_decoder import Decoder
from s3gc_core.databases.changes import Change
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import DRIVER_ERRORS, Connection, error_code, fetch
from s3gc_core.errors import DatabaseUnreachable, S3gcError, StreamLost, StreamTaken

# An idle server says every so often that it is there; one that says nothing is gone.
HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 60.0
# A caller may store for long before it reads again.
_WRITE_TIMEOUT_SECONDS = 86_400
# Changes of one read, roughly.
MOST_CHANGES = 4_000
# A position is asked for in 32 bits.
FURTHEST = (1 << 32) - 1

_DUMP = 0x12
_NO_WAITING = 1  # at its end the server ends the dump
_HEAD_OFFSET = 4  # of the first event of a file
_ANSWER_SECONDS = 30.0
_WITH_ANNOTATIONS = 2  # MariaDB's flag: no event is left out, so that offsets have no gaps
_CHUNK_BYTES = 1 << 18
_PACKET_HEADER = 4
_FULL = 0xFFFFFF
_OK, _END, _ERROR = 0x00, 0xFE, 0xFF
_LOG_ERROR = 1236
_TAKEN = frozenset({4052})
# The server's words for a second reader with our number (it has none for this error before 4052).
_TAKEN_WORDS = ("same server_uuid/server_id", "same server_id", "same server_uuid")


class Packets:
    """Cuts what comes from the server into packets."""

    def __init__(self, reader: asyncio.StreamReader, sequence: int) -> None:
        self._reader = reader
        self._sequence = sequence
        self._buffer = b""
        self._at = 0
        self._missing = 1
        self._pieces: list[bytes] = []

    def take(self) -> bytes | None:
        """The next packet, None where it has not come as a whole. Raises `StreamLost`."""
        while True:
            data, at = self._buffer, self._at
            size = int.from_bytes(data[at : at + 3], "little")
            stop = at + _PACKET_HEADER + size
            if stop > len(data):
                self._missing = stop - len(data)
                return None
            if data[at + 3] != self._sequence:
                raise StreamLost("decoding", "a packet of the binary log is out of sequence")
            self._sequence = (self._sequence + 1) & 0xFF
            self._at = stop
            piece = data[at + _PACKET_HEADER : stop]
            if size < _FULL and not self._pieces:
                return piece
            self._pieces.append(piece)
            if size < _FULL:
                whole = b"".join(self._pieces)
                self._pieces.clear()
                return whole

    async def receive(self) -> None:
        """Wait for more. Raises `OSError`, also at the end."""
        rest = self._buffer[self._at :]
        self._buffer, self._at = rest, 0
        try:
            if self._missing > _CHUNK_BYTES:
                more = await self._reader.readexactly(self._missing)
            else:
                more = await self._reader.read(_CHUNK_BYTES)
        except asyncio.IncompleteReadError:
            more = b""
        if not more:
            raise ConnectionResetError("the server ended the connection")
        self._buffer = rest + more


class BinlogStream:
    """An open dump; `ChangeStream` for MySQL and MariaDB."""

    def __init__(self, connection: Connection, address: str, decoder: Decoder) -> None:
        self._address = address
        self._decoder = decoder
        self._packets = Packets(connection._reader, connection._next_seq_id)
        self._parts: Iterator[Sequence[Change]] = iter(())
        self._silent = 0.0

    async def begin(self, seconds: float) -> None:
        """Wait until the server has begun to send. Raises what `read` raises."""
        held: list[Sequence[Change]] = []
        deadline = monotonic() + seconds
        while True:
            held.append(self._collect())
            if self._decoder.has_begun:
                break
            if not await self._more(deadline):
                raise naming.unreachable(
                    self._address, TimeoutError("the server does not begin to send its binary log")
                )
        self._parts = _chained(held, self._parts)

    async def read(self, seconds: float) -> Sequence[Change]:
        """What has come; see `ChangeStream`."""
        deadline = monotonic() + seconds
        while not (changes := self._collect()):
            if not await self._more(deadline):
                return ()
        return changes

    def acknowledge(self, anchor: str) -> None:
        """Nothing: a server forgets its binary log by its own settings, whoever reads it."""

    async def _more(self, deadline: float) -> bool:
        """Wait for the server; False when it is late."""
        # A read that finds something in the buffer does not let anybody else run.
        await asyncio.sleep(0)
        began = monotonic()
        try:
            async with asyncio.timeout(max(deadline - began, 0)):
                await self._packets.receive()
        except TimeoutError as error:
            self._silent += monotonic() - began
            if self._silent > SILENCE_SECONDS:
                raise naming.unreachable(self._address, error) from error
            return False
        except DRIVER_ERRORS as error:
            raise naming.unreachable(self._address, error) from error
        self._silent = 0.0
        return True

    def _collect(self) -> list[Change]:
        found: list[Change] = []
        while len(found) < MOST_CHANGES:
            part = next(self._parts, None)
            if part is not None:
                found += part
            elif (packet := self._packets.take()) is None:
                break
            elif packet[:1] == b"\0":
                self._parts = self._decoder.packet(packet[1:])
            else:
                raise _ended(self._address, packet)
        return found


def _chained(
    held: list[Sequence[Change]], then: Iterator[Sequence[Change]]
) -> Iterator[Sequence[Change]]:
    yield from held
    yield from then


def _ended(address: str, packet: bytes) -> S3gcError:
    """What the packet says that ended the dump."""
    if packet[:1] != bytes([_ERROR]):
        return DatabaseUnreachable(f"{address}: the server ended its binary log")
    try:
        MysqlPacket(packet, "utf8").raise_for_error()
    except aiomysql.Error as error:
        return refusal(address, error)
    return StreamLost("decoding", "a packet of the binary log is malformed")


def refusal(address: str, error: BaseException) -> S3gcError:
    """What an error of the server's says of the stream."""
    code = error_code(error)
    text = str(error.args[-1]) if error.args else ""
    if code in _TAKEN or (code == _LOG_ERROR and any(w in text for w in _TAKEN_WORDS)):
        return StreamTaken(f"{address}: another connection reads the binary log for this registry")
    if code == _LOG_ERROR:
        return StreamLost(_state(text), f"{address}: the server cannot go on from there: {text}")
    return naming.unreachable(address, error)


def _state(text: str) -> str:
    lower = text.lower()
    if "could not find first log file" in lower or "purged" in lower:
        return "binlog-purged"
    return "position-impossible" if "position" in lower else "binlog-refused"


def reader_number(name: str) -> int:
    """The number under which a registry reads: the same each time, far from those people give."""
    digest = hashlib.sha256(f"s3gc:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") | 1 << 31


async def prepare(connection: Connection) -> None:
    """Tell the server what this reader understands. Raises the driver's errors."""
    beat = int(HEARTBEAT_SECONDS * 1e9)
    for name, value in (
        ("master_binlog_checksum", "'CRC32'"),
        ("source_binlog_checksum", "'CRC32'"),
        ("mariadb_slave_capability", "4"),
        ("master_heartbeat_period", str(beat)),
        ("source_heartbeat_period", str(beat)),
    ):
        await fetch(connection, f"SET @{name} = {value}")
    await fetch(connection, f"SET SESSION net_write_timeout = {_WRITE_TIMEOUT_SECONDS}")


async def dump(
    connection: Connection, file: str, offset: int, number: int, *, is_mariadb: bool
) -> None:
    """Ask for the log from there on; from here on the connection only sends it."""
    await _ask(connection, file, offset, number, _WITH_ANNOTATIONS if is_mariadb else 0)


async def refused(connection: Connection, file: str) -> str | None:
    """Why the server does not let us read its log, None where it does. Uses the connection up."""
    await prepare(connection)
    await _ask(connection, file, _HEAD_OFFSET, secrets.randbits(31) | 1 << 31, _NO_WAITING)
    packets = Packets(connection._reader, connection._next_seq_id)
    async with asyncio.timeout(_ANSWER_SECONDS):
        while (packet := packets.take()) is None:
            await packets.receive()
    if packet[:1] != bytes([_ERROR]):
        return None
    try:
        MysqlPacket(packet, "utf8").raise_for_error()
    except aiomysql.Error as error:
        if error_code(error) in NO_RIGHT:
            return str(error.args[-1])
        raise
    return "the server does not say why"


async def _ask(connection: Connection, file: str, offset: int, number: int, flags: int) -> None:
    request = struct.pack("<IHI", offset, flags, number) + file.encode()
    await connection._execute_command(_DUMP, request)
