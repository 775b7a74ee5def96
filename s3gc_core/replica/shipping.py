"""Shipping the vault to its replica: packs and files, then rows of the audit log, then a head.

What a head names is in the replica before the head is, and all names are of things that never
change. So a shipment that died at any instant is simply made again: it sends the same objects, of
which those that are there are compared rather than written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import AuditBroken, ReplicaAltered
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor
from s3gc_core.jobs.lease import vault_lease
from s3gc_core.parallel import in_parallel
from s3gc_core.replica.contents import (
    Head,
    Mark,
    Piece,
    Segment,
    decode_rows,
    encode_rows,
    head_name,
    piece_name,
    segment_name,
    sha256_of,
)
from s3gc_core.replica.note import Note, read_note, write_note
from s3gc_core.replica.planning import Wanted, pack_ends, wanted_of
from s3gc_core.replica.store import ReplicaStore, open_replica, replica_id
from s3gc_core.vault import AuditLog, BackupDamaged, Entry
from s3gc_core.vault.chain import Row, entry_of
from s3gc_core.vault.places import split_place
from s3gc_core.vault.shipping_bytes import read_range, sha256_of_file

LEASE = "shipper"
# Rows that go with one head: a batch's, many times over.
SEGMENT_ROWS = 5_000
# Pieces read and sent at a time; each is held in memory.
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one shipment brought: audit records, bytes of backups, and files that are damaged."""

    records: int = 0
    bytes: int = 0
    lost: tuple[str, ...] = ()


class Shipper:
    """Ships one vault. Made by `open_shipper`; one shipment at a time, others wait for it."""

    def __init__(
        self,
        store: ReplicaStore,
        source: Bucket,
        audit: AuditLog,
        vault: Path,
        note: Note,
        clock: Clock,
    ) -> None:
        self._store = store
        self._source = source
        self._audit = audit
        self._vault = vault
        self._note = note
        self._clock = clock
        self._turn = asyncio.Lock()
        self._mark: Mark | None = None
        self._head_sha256 = ""
        self._ends: dict[str, int] = {}  # of packs, as far as they were shipped

    async def ship(self, *, strict: bool = False) -> Shipped:
        """Ship everything that was recorded until now; returns when the replica has it.

        A backup that is damaged here is noted as lost, and all others go; `strict` raises
        `BackupDamaged` instead. Raises `BucketUnreachable`, `StoreFailed`, `ReplicaAltered`,
        `ReplicaUnsafe`, and `AuditBroken` where our log is not the one that the replica saw.
        """
        async with self._turn:
            done = Shipped()
            upto, _ = await self._audit.head()
            if not upto:
                return done
            mark = await self._bound()
            while self._note.seq < upto:
                done = await self._ship_next(mark, upto, done, strict=strict)
            return done

    async def _bound(self) -> Mark:
        """The replica is ours, and where it is; asked once."""
        if self._mark is not None:
            return self._mark
        [first] = await self._audit.rows(0, 1)
        mark = Mark(first.hash.hex())
        await self._store.bind(mark, msgspec.json.encode(mark), self._source)
        number = await self._store.newest_of_all(self._note.number)
        if number:
            head, self._head_sha256 = await self._store.head(number)
            await check_extends(self._audit, head)
            if number != self._note.number:
                planned = msgspec.structs.replace(self._note, planned=0, planned_at=None)
                await self._keep(_at(planned, head))
        self._mark = mark
        return mark

    async def _ship_next(self, mark: Mark, upto: int, done: Shipped, *, strict: bool) -> Shipped:
        rows, note = await self._plan(upto)
        entries = [entry_of(row) for row in rows]
        await self._know_packs(entries)
        pieces, lost = await self._send_files(wanted_of(entries, self._ends), strict=strict)
        segment = await self._send_rows(rows)
        head = Head(
            note.number + 1,
            mark.vault,
            segment.last,
            rows[-1].hash.hex(),
            note.planned_at or self._clock.now(),
            segment,
            pieces,
            self._head_sha256,
            lost,
        )
        data = msgspec.json.encode(head)
        await self._store.put(head_name(head.number), data)
        self._head_sha256 = sha256_of(data)
        for path, end in pack_ends(entries).items():
            self._ends[path] = max(end, self._ends.get(path, 0))
        await self._keep(_at(Note(note.replica), head))
        if lost:
            log.warning("replica_lacks", files=len(lost), first=lost[0])
        size = sum(piece.end - piece.start for piece in pieces)
        return Shipped(done.records + len(rows), done.bytes + size, (*done.lost, *lost))

    async def _plan(self, upto: int) -> tuple[list[Row], Note]:
        """The rows of the next shipment: those of one that was interrupted, if there is one."""
        note = self._note
        last = note.planned if note.planned > note.seq else min(upto, note.seq + SEGMENT_ROWS)
        rows = await self._audit.rows(note.seq, last - note.seq)
        if len(rows) != last - note.seq:
            raise AuditBroken(f"audit record {last} was about to be shipped, and is missing")
        if note.planned != last:
            now = self._clock.now()
            note = msgspec.structs.replace(note, planned=last, planned_at=now)
            await self._keep(note)
        return rows, note

    async def _know_packs(self, entries: Sequence[Entry]) -> None:
        """How much of packs that go on was shipped: as much as was recorded by then."""
        # A pack's end is that of a backup of its own operation; others only point into it.
        paths = pack_ends(entries).keys() - self._ends.keys()
        unknown = {split_place(path, packed=True)[0] for path in paths}
        for operation_id in sorted(unknown):
            async for page in self._audit.entries(operation_id, kinds=("intent",)):
                before = [entry for entry in page if entry.seq <= self._note.seq]
                for path, end in pack_ends(before).items():
                    self._ends[path] = max(end, self._ends.get(path, 0))

    async def _send_files(
        self, wanted: Sequence[Wanted], *, strict: bool
    ) -> tuple[list[Piece], list[str]]:
        """The pieces that the replica has now, and files that are not what they should be."""
        at_once = asyncio.Semaphore(AT_ONCE)
        lost: set[str] = set()

        async def send(want: Wanted) -> Piece | None:
            async with at_once:
                try:
                    data = await asyncio.to_thread(_read, self._vault, want)
                except BackupDamaged:
                    kept = await self._audit.backup_paths(want.operation_id)
                    if want.path not in kept:
                        return None  # purged since
                    if strict:
                        raise
                    lost.add(want.path)
                    return None
                key = piece_name(want.path, want.start, want.end, whole=want.whole)
                await self._store.put(key, data)
                sha256 = await asyncio.to_thread(sha256_of, data)
                return Piece(want.path, want.start, want.end, sha256, key)

        sent = await in_parallel(send(want) for want in wanted)
        return [piece for piece in sent if piece is not None], sorted(lost)

    async def _send_rows(self, rows: Sequence[Row]) -> Segment:
        first, last = rows[0].seq, rows[-1].seq
        name, data = segment_name(first, last), await asyncio.to_thread(encode_rows, rows)
        try:
            await self._store.put(name, data)
        except ReplicaAltered:
            # Another version of zstd makes other bytes of the same rows.
            there = await self._store.find(name)
            if there is None or await asyncio.to_thread(decode_rows, there, name) != list(rows):
                raise
            data = there
        return Segment(first, last, await asyncio.to_thread(sha256_of, data), name)

    async def _keep(self, note: Note) -> None:
        await asyncio.to_thread(write_note, self._vault, note)
        self._note = note


def _at(note: Note, head: Head) -> Note:
    return msgspec.structs.replace(note, number=head.number, seq=head.seq, hash=head.hash)


async def check_extends(audit: AuditLog, head: Head) -> None:
    """Our log must hold what the replica saw. Raises `AuditBroken`."""
    rows = await audit.rows(head.seq - 1, 1)
    if not rows or rows[0].seq != head.seq:
        raise AuditBroken(f"audit record {head.seq} is missing, but the replica saw it")
    if rows[0].hash.hex() != head.hash:
        raise AuditBroken(f"audit record {head.seq} is not the one that the replica saw")


@asynccontextmanager
async def open_shipper(
    config: Config, source: Bucket, audit: AuditLog, clock: Clock
) -> AsyncIterator[Shipper]:
    """A shipper to the configured replica, the only one of this vault until it is closed.

    Raises `VaultBusy` where another process ships, and as `open_replica`.
    """
    vault = config.vault_path
    with vault_lease(vault, new_id(), "replicate", actor(), file=LEASE):
        async with open_replica(config, clock) as store:
            note = await asyncio.to_thread(read_note, vault, replica_id(config))
            yield Shipper(store, source, audit, vault, note, clock)


def _read(vault: Path, want: Wanted) -> bytes:
    """The bytes, once they are what was recorded. For a thread. Raises `BackupDamaged`."""
    data = read_range(vault, want.path, want.start, want.end)
    for backup in want.backups:
        if backup.offset is not None:
            begin = backup.offset - want.start
            found = sha256_of(data[begin : begin + backup.stored_size])
        else:
            found = sha256_of(data) if want.whole else sha256_of_file(vault, want.path)
        if found != backup.stored_sha256:
            raise BackupDamaged(f"{want.path} has other bytes than recorded (SHA-256)")
    return data
