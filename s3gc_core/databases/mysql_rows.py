"""The rows of an unbuffered MySQL result, taken from the stream many at a time.

aiomysql awaits twice and makes an object for each row; most of a long read goes there. The packets
are those of the text protocol (MySQL manual, "Protocol::Packet", "Text Resultset Row").
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiomysql
from aiomysql.connection import MysqlPacket

from s3gc_core.databases.mysql_connection import Connection

# A result column as the server sent it: bytes, or NULL.
Column = list[bytes | None]

_CHUNK_BYTES = 1 << 18
_HEADER = 4  # three bytes of length, one of sequence
_FULL = 0xFFFFFF  # a packet of this length goes on in the next one
_EOF, _ERROR = 0xFE, 0xFF  # first bytes of the packets that end a result
_EOF_BYTES = 9  # a longer packet that starts with _EOF is a row with a very long value
_NULL = 0xFB
_LONG = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # how many bytes of length follow
_SERVER_LOST = 2013


class ResultRows:
    """What is left of the result of an `aiomysql.SSCursor` that has executed its statement.

    From here on only this object may read from the connection, until `ended`.
    """

    @classmethod
    async def start(cls, connection: Connection, query: str) -> ResultRows:
        """Execute a statement that gives rows. Raises the driver's errors."""
        cursor = await connection.cursor(aiomysql.SSCursor)
        await cursor.execute(query)
        return cls(connection, cursor)

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._result = cursor._result
        self._sequence: int = connection._next_seq_id
        self._pieces: list[bytes] = []
        self._buffer = b""
        self._at = 0
        self._missing = 1
        self.ended = False

    @property
    def encodings(self) -> list[str | None]:
        """The encoding of each column's values; None where they are bytes."""
        return [encoding for encoding, _ in self._result.converters]

    async def fetch(self, count: int) -> list[Column]:
        """The next `count` rows by columns; fewer only at the end of the result.

        Raises the driver's errors; after one of them, or a cancellation, the result is lost.
        """
        columns: list[Column] = [[] for _ in range(self._result.field_count)]
        while not self.ended:
            try:
                self._take(columns, count)
            except LookupError as error:
                raise _out_of_step() from error
            if len(columns[-1]) >= count:
                break
            if not self.ended:
                await self._receive()
        return columns

    async def drain(self) -> None:
        """Read to the end of the result and keep nothing."""
        while not self.ended:
            await self.fetch(1_000)

    async def _receive(self) -> None:
        """Wait for what the packet in hand lacks at least, and take what else has come."""
        reader: asyncio.StreamReader = self._connection._reader
        rest = self._buffer[self._at :]
        try:
            # A long packet is waited for as a whole: joining it chunk by chunk would be quadratic.
            if self._missing > _CHUNK_BYTES:
                more = await reader.readexactly(self._missing)
            else:
                more = await reader.read(_CHUNK_BYTES)
        except asyncio.IncompleteReadError:
            more = b""
        if not more:
            raise aiomysql.OperationalError(_SERVER_LOST, "the server left in the middle of a read")
        self._buffer, self._at = rest + more, 0

    def _take(self, columns: list[Column], count: int) -> None:
        """Parse the whole packets in the buffer, until there are `count` rows or none is whole."""
        data, at, end = self._buffer, self._at, len(self._buffer)
        filled = columns[-1]
        while len(filled) < count and not self.ended:
            # With the header cut short this is too small a length, and still leads past the end.
            size = int.from_bytes(data[at : at + 3], "little")
            start = at + _HEADER
            stop = start + size
            if stop > end:
                self._missing = stop - end
                break
            if data[at + 3] != self._sequence or not (size or self._pieces):
                raise _out_of_step()
            self._sequence = (self._sequence + 1) & 0xFF
            at = stop
            if size == _FULL or self._pieces:
                self._pieces.append(data[start:stop])
                if size < _FULL:
                    joined = b"".join(self._pieces)
                    self._pieces.clear()
                    _parse(joined, 0, len(joined), columns)
            elif data[start] == _ERROR or (data[start] == _EOF and size < _EOF_BYTES):
                self._end(data[start:stop])
            else:
                _parse(data, start, stop, columns)
        self._at = at

    def _end(self, packet: bytes) -> None:
        """The end of the result, or the error that ended it. Leaves the connection usable."""
        self._result.unbuffered_active = False
        self.ended = True
        parsed = MysqlPacket(packet, self._connection.encoding)
        if packet[0] == _ERROR:
            parsed.raise_for_error()
        self._result._check_packet_is_eof(parsed)


def _parse(data: bytes, at: int, stop: int, columns: list[Column]) -> None:
    """One row: each value with its length before it."""
    for column in columns:
        size = data[at]
        at += 1
        if size < _NULL:
            column.append(data[at : at + size])
            at += size
        elif size == _NULL:
            column.append(None)
        else:
            width = _LONG[size]
            size = int.from_bytes(data[at : at + width], "little")
            at += width
            column.append(data[at : at + size])
            at += size
    if at != stop:
        raise _out_of_step()


def _out_of_step() -> aiomysql.InternalError:
    return aiomysql.InternalError(_SERVER_LOST, "a packet is malformed or out of sequence")
