"""What lies in a replica, and under which names. Nothing in it is ever written twice.

    vault.json                         which vault it is a copy of
    backups/<operation>/<name>         a backup file of its own, or a part of it or of a pack:
    backups/<operation>/<name>/<from>-<to>
    audit/<from>-<to>.jsonl.zst        rows of the audit log, exactly as they were hashed
    heads/<number>.json                up to where the log is here, and what came with it
    probe.txt                          what the doctor asks the store with

A head is written after everything that it names: what no head names does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
import zstandard

from s3gc_core.errors import ReplicaAltered
from s3gc_core.vault.chain import Row

MARK = "vault.json"
_LEVEL = 9
# More than any segment: 5,000 rows of which each has a key and headers of at most some KiB.
_LARGEST_SEGMENT = 256 << 20
T = TypeVar("T", bound=msgspec.Struct)


class Mark(msgspec.Struct, frozen=True):
    """The vault, by the hash (hex) of the first record of its audit log."""

    vault: str
    format: int = 1


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bytes `start` to `end` of the vault's file `path`, which lie at `key`."""

    path: str
    start: int
    end: int
    sha256: str
    key: str


class Segment(msgspec.Struct, frozen=True):
    """Rows `first` to `last` of the audit log, which lie at `key`; SHA-256 of what lies there."""

    first: int
    last: int
    sha256: str
    key: str


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The replica holds the log up to the record `seq`, whose hash (hex) is `hash`.

    `segment` and `pieces` are what came with this head; `previous` is the SHA-256 of the head
    before it. `at` is UTC. `lost` names files that were damaged or gone before they were shipped.
    """

    number: int
    vault: str
    seq: int
    hash: str
    at: datetime
    segment: Segment
    pieces: list[Piece]
    previous: str = ""
    lost: list[str] = []


class _Line(msgspec.Struct, frozen=True):
    """A row in a segment; `body` is the text that was hashed, `prev` and `hash` are hex."""

    seq: int
    v: int
    at: str
    operation_id: str
    kind: str
    key: str | None
    body: str
    prev: str
    hash: str


def sha256_of(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


HEADS = "heads/"


def head_name(number: int) -> str:
    """Where a head lies. Numbers begin at 1 and leave nothing out."""
    return f"{HEADS}{number:012}.json"


def head_number(name: str) -> int | None:
    """The number of the head that lies there; None where none of ours would."""
    digits = name.removeprefix(HEADS).removesuffix(".json")
    number = int(digits) if digits.isascii() and digits.isdecimal() else 0
    return number if number and head_name(number) == name else None


def segment_name(first: int, last: int) -> str:
    """Where rows of the audit log lie."""
    return f"audit/{first:012}-{last:012}.jsonl.zst"


def piece_name(path: str, start: int, end: int, *, whole: bool) -> str:
    """Where bytes of a file lie; a file that went as a whole has its own name."""
    return path if whole else f"{path}/{start:012}-{end:012}"


def decoded(data: bytes, kind: type[T], name: str) -> T:
    """A value from the replica. Raises `ReplicaAltered`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReplicaAltered(f"{name} in the replica cannot be read: {error}") from error


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Rows as a segment has them."""
    lines = b"".join(msgspec.json.encode(_line(row)) + b"\n" for row in rows)
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(lines)


def decode_rows(data: bytes, name: str) -> list[Row]:
    """The rows of a segment; their chain is for the caller to check. Raises `ReplicaAltered`."""
    try:
        parameters = zstandard.get_frame_parameters(data)
        if parameters.content_size > _LARGEST_SEGMENT:
            raise ReplicaAltered(f"{name} in the replica is larger than any segment")
        lines = zstandard.ZstdDecompressor().decompress(data).splitlines()
        return [_row(msgspec.json.decode(line, type=_Line)) for line in lines]
    except (zstandard.ZstdError, msgspec.DecodeError, ValueError) as error:
        raise ReplicaAltered(f"{name} in the replica cannot be read: {error}") from error


def _line(row: Row) -> _Line:
    return _Line(*row[:6], row.body.decode(), row.prev.hex(), row.hash.hex())


def _row(line: _Line) -> Row:
    plain = (line.seq, line.v, line.at, line.operation_id, line.kind, line.key)
    return Row(*plain, line.body.encode(), bytes.fromhex(line.prev), bytes.fromhex(line.hash))
