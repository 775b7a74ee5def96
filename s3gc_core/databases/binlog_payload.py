"""MySQL's compressed transactions: the events inside of one TRANSACTION_PAYLOAD event."""

from __future__ import annotations

from collections.abc import Iterator

import zstandard

from s3gc_core.databases.binlog_events import (
    HEADER_BYTES,
    MOST_BYTES,
    Event,
    Undecodable,
    packed,
    parse,
)

_END, _SIZE, _COMPRESSION, _PLAIN_SIZE = 0, 1, 2, 3
_ZSTD, _NONE = 0, 255


def inner_events(body: bytes) -> Iterator[Event]:
    """The events one by one, without holding the whole transaction. Raises `Undecodable`.

    They have no checksums of their own.
    """
    fields, at = _fields(body)
    payload = body[at:]
    if fields.get(_SIZE) != len(payload):
        raise Undecodable("a compressed transaction is not as long as it says")
    compression = fields.get(_COMPRESSION, _ZSTD)
    if compression == _NONE:
        yield from _events(iter([payload]), len(payload))
    elif compression == _ZSTD and _PLAIN_SIZE in fields:
        yield from _events(_inflated(payload), fields[_PLAIN_SIZE])
    else:
        raise Undecodable(f"a transaction is compressed in the unknown way {compression}")


def _fields(body: bytes) -> tuple[dict[int, int], int]:
    fields: dict[int, int] = {}
    at = 0
    while True:
        number, at = packed(body, at)
        if number == _END:
            return fields, at
        size, at = packed(body, at)
        value, stop = packed(body, at)
        if number not in (_SIZE, _COMPRESSION, _PLAIN_SIZE) or stop != at + size:
            raise Undecodable("a compressed transaction has an unknown header")
        fields[number] = value
        at = stop


def _inflated(payload: bytes) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(payload, read_across_frames=True)
    try:
        while piece := reader.read(1 << 18):
            yield piece
    except zstandard.ZstdError as error:
        raise Undecodable(f"a compressed transaction is broken: {error}") from error


def _events(pieces: Iterator[bytes], total: int) -> Iterator[Event]:
    held, seen = bytearray(), 0
    for piece in pieces:
        held += piece
        seen += len(piece)
        at = 0
        while at + HEADER_BYTES <= len(held):
            size = int.from_bytes(held[at + 9 : at + 13], "little")
            if not HEADER_BYTES <= size <= MOST_BYTES:
                raise Undecodable("an event in a compressed transaction has a malformed length")
            if at + size > len(held):
                break
            yield parse(bytes(held[at : at + size]), checksums=False)
            at += size
        del held[:at]
    if held or seen != total:
        raise Undecodable("a compressed transaction ends within an event")
