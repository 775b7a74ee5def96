"""The events of a binary log as the server sends them: header, checksum, compression, fields.

The layouts are those of the MySQL source documentation ("Binary Log Event") and of MariaDB's
knowledge base ("Replication Protocol"). What does not fit them raises `Undecodable`: a stream that
is not understood must not go on.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct


class Undecodable(Exception):
    """An event that cannot be what the format says. The stream ends with it."""


class Kind(IntEnum):
    """The types of events that we know. Any other one ends the stream."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    APPEND_BLOCK = 9
    DELETE_FILE = 11
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    TAGGED_GTID = 42
    ANNOTATE_ROWS = 160
    BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    GTID_LIST = 163
    START_ENCRYPTION = 164
    QUERY_COMPRESSED = 165
    WRITE_ROWS_COMPRESSED_V1 = 166
    UPDATE_ROWS_COMPRESSED_V1 = 167
    DELETE_ROWS_COMPRESSED_V1 = 168
    WRITE_ROWS_COMPRESSED = 169
    UPDATE_ROWS_COMPRESSED = 170
    DELETE_ROWS_COMPRESSED = 171


HEADER_BYTES = 19
CHECKSUM_BYTES = 4
# An event that was made for us, and is not in the file.
ARTIFICIAL = 0x20
# No event, compressed or not, may be larger (the server's own limit of a replica's packet).
MOST_BYTES = 1 << 30
_HEADER = Struct("<IBIIIH")
_QUERY = Struct("<IIBHH")
_KINDS = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `size` is that of the whole event in the file, `end` the low 32 bits of the
    offset behind it (0 where the file does not hold it); `body` has neither header nor checksum.
    """

    kind: Kind
    timestamp: int
    size: int
    end: int
    flags: int
    body: bytes


def parse(data: bytes, checksums: bool) -> Event:
    """Take one event apart and check its checksum. Raises `Undecodable`."""
    if len(data) < HEADER_BYTES:
        raise Undecodable("an event is shorter than its header")
    timestamp, number, _, size, end, flags = _HEADER.unpack_from(data)
    if size != len(data):
        raise Undecodable(f"an event of {len(data)} bytes says that it has {size}")
    kind = _KINDS.get(number)
    if kind is None:
        raise Undecodable(f"an event has the unknown type {number}")
    if kind is Kind.FORMAT_DESCRIPTION:
        # It always has room for a checksum, and says itself whether it and the others have one.
        checksums = has_checksums(data[HEADER_BYTES:])
        body = data[HEADER_BYTES : len(data) - CHECKSUM_BYTES]
    elif kind is Kind.ROTATE and flags & ARTIFICIAL:
        # Made before the file is opened: by the checksums of the file before, or of the session.
        checksums = _fits(data)
        body = data[HEADER_BYTES : len(data) - CHECKSUM_BYTES * checksums]
    else:
        body = data[HEADER_BYTES : len(data) - CHECKSUM_BYTES * checksums]
    if checksums and not _fits(data):
        raise Undecodable(f"the checksum of an event of type {kind.name} does not fit")
    return Event(kind, timestamp, size, end, flags, body)


def _fits(data: bytes) -> bool:
    told = int.from_bytes(data[-CHECKSUM_BYTES:], "little")
    return zlib.crc32(memoryview(data)[:-CHECKSUM_BYTES]) == told


def has_checksums(body: bytes) -> bool:
    """What a format description (with its checksum) says of the events after it."""
    if int.from_bytes(body[:2], "little") != 4 or body[56] != HEADER_BYTES:
        raise Undecodable("the binary log has an unknown format")
    algorithm = body[-CHECKSUM_BYTES - 1]
    if algorithm not in (0, 1):
        raise Undecodable(f"the checksums are of the unknown kind {algorithm}")
    return algorithm == 1


def rotation(body: bytes) -> tuple[str, int]:
    """The file that comes next, and where in it."""
    return body[8:].decode(), int.from_bytes(body[:8], "little")


@dataclass(frozen=True, slots=True)
class Query:
    """A statement, and the default schema it ran in."""

    schema: str
    text: bytes


def query(event: Event) -> Query:
    """The statement of a query event, compressed or not. Raises `Undecodable`."""
    body = event.body
    _, _, schema_size, _, status_size = _QUERY.unpack_from(body)
    at = _QUERY.size + status_size
    stop = at + schema_size
    if stop >= len(body) or body[stop] != 0:
        raise Undecodable("a statement's event is malformed")
    text = body[stop + 1 :]
    if event.kind is Kind.QUERY_COMPRESSED:
        text = uncompressed(text)
    return Query(body[at:stop].decode("utf-8", "replace"), text)


def uncompressed(data: bytes) -> bytes:
    """What MariaDB compressed: a byte of kind, the length (big-endian), zlib."""
    if not data or data[0] & 0xF0 != 0x80 or not 1 <= (width := data[0] & 7) <= 4:
        raise Undecodable("an event is compressed in an unknown way")
    size = int.from_bytes(data[1 : 1 + width], "big")
    if size > MOST_BYTES:
        raise Undecodable(f"a compressed event says that it has {size} bytes")
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data[1 + width :], size + 1)
    except zlib.error as error:
        raise Undecodable(f"a compressed event is broken: {error}") from error
    if len(plain) != size or not inflate.eof:
        raise Undecodable("a compressed event is not as long as it says")
    return plain


def packed(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
    if width is None or at + 1 + width > len(data):
        raise Undecodable("an event has a malformed length")
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width
