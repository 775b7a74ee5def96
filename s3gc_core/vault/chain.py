"""The hash chain of the audit log: pure values, no database.

Each record's hash covers its own columns and the hash before it, so that nothing can be changed,
removed or put in between without changing every later hash. Cutting off the end leaves a valid,
shorter chain: only an anchor kept elsewhere shows that (see `anchors`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from s3gc_core.errors import AuditBroken
from s3gc_core.vault.records import AnyRecord, Entry

VERSION = 1
GENESIS = bytes(32)

_LENGTHS = struct.Struct(">8Q")
_NO_KEY = (1 << 64) - 1  # tells "no key" from the empty key
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


class Row(NamedTuple):
    """One row of the table `audit`, as it is stored. `at` is ISO 8601 in UTC."""

    seq: int
    v: int
    at: str
    operation_id: str
    kind: str
    key: str | None
    body: bytes
    prev: bytes
    hash: bytes


# An index is looked up faster than a name.
_SEQ, _PREV, _HASH = (Row._fields.index(name) for name in ("seq", "prev", "hash"))


def row_hash(row: Row) -> bytes:
    """SHA-256 over the lengths of all columns but `hash`, then the columns: nothing can shift."""
    # Unrolled: a check of the whole log spends its time here.
    number, version, stamp, operation, tag, key, body, prev, _ = row
    v, seq = b"%d" % version, b"%d" % number
    at, operation_id, kind = stamp.encode(), operation.encode(), tag.encode()
    text = b"" if key is None else key.encode()
    lengths = _LENGTHS.pack(
        len(v),
        len(seq),
        len(at),
        len(operation_id),
        len(kind),
        _NO_KEY if key is None else len(text),
        len(body),
        len(prev),
    )
    fields = (lengths, v, seq, at, operation_id, kind, text, body, prev)
    return hashlib.sha256(b"".join(fields)).digest()


def chained(
    records: Sequence[AnyRecord], operation_id: str, at: datetime, seq: int, prev: bytes
) -> list[Row]:
    """Rows for new records, after the row `seq` whose hash is `prev`."""
    stamp = at.astimezone(UTC).isoformat(timespec="microseconds")
    rows = []
    for record in records:
        seq += 1
        kind = str(type(record).__struct_config__.tag)
        body = _ENCODER.encode(_in_utc(record))
        key = getattr(record, "key", None)
        row = Row(seq, VERSION, stamp, operation_id, kind, key, body, prev, b"")
        prev = row_hash(row)
        rows.append(row._replace(hash=prev))
    return rows


def entry_of(row: Row) -> Entry:
    """The record in a row. Raises `AuditBroken` where it is not one of ours."""
    if row.v != VERSION:
        raise AuditBroken(
            f"audit record {row.seq} has format {row.v}, which this version cannot read",
            next_step="use the version of s3gc that wrote this vault, or a later one",
        )
    try:
        record = _DECODER.decode(row.body)
        at = datetime.fromisoformat(row.at)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise AuditBroken(f"audit record {row.seq} cannot be read: {error}") from error
    return Entry(row.seq, at, row.operation_id, record, row.hash)


class ChainCheck:
    """Walks a log from its first row, in pages, and holds where it is: `seq` and `hash`."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = GENESIS

    def follow(self, rows: Iterable[Row]) -> None:
        """Check the next rows. Raises `AuditBroken`, which names the first bad one."""
        seq, before = self.seq, self.hash
        for row in rows:
            seq += 1
            if row[_SEQ] != seq:
                raise AuditBroken(f"audit record {seq} is missing")
            if row[_PREV] != before:
                raise AuditBroken(f"audit record {seq} does not follow the one before it")
            before = row_hash(row)
            if row[_HASH] != before:
                raise AuditBroken(f"audit record {seq} was changed")
        self.seq, self.hash = seq, before


def _in_utc(record: AnyRecord) -> AnyRecord:
    times = {
        name: value.astimezone(UTC)
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), datetime) and _aware(name, value)
    }
    return msgspec.structs.replace(record, **times) if times else record


def _aware(name: str, value: datetime) -> bool:
    if value.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: {value}")
    return True
