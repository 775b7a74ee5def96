"""A whole vault from its replica: heads, then the log in a file beside its place, then the backups;
the log takes its place last, so that there is a vault only once there is all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s3gc_core.errors import AuditBroken, NoReplica, ReplicaAltered
from s3gc_core.jobs import Progress
from s3gc_core.parallel import in_parallel
from s3gc_core.replica.contents import Head, Piece, decode_rows
from s3gc_core.replica.note import Note, write_note
from s3gc_core.replica.store import ReplicaStore
from s3gc_core.vault import Anchor, BackupFiles, Intent, Purged
from s3gc_core.vault.aside import set_aside
from s3gc_core.vault.chain import Row, entry_of
from s3gc_core.vault.log_rebuilding import LogRebuilding, refuse_a_log
from s3gc_core.vault.shipping_bytes import Refilling, holds, holds_more, is_pack

_HEADS_AT_ONCE = 16
_FILES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class RebuiltVault:
    """What came back: audit records, files with backups (`fetched` of them over the network, the
    others were there), their bytes; `lost` are files that were damaged before they were shipped.
    `set_aside` is where files lie now that were there, and that no record of the replica knows.
    """

    records: int
    head: str
    files: int
    fetched: int
    bytes: int
    lost: tuple[str, ...]
    set_aside: tuple[str, ...] = ()


async def rebuild(
    store: ReplicaStore,
    replica: str,
    vault: Path,
    anchors: Sequence[Anchor],
    progress: Progress,
) -> RebuiltVault:
    """Rebuild the vault in the folder `vault`, which the caller holds. `anchors` are those kept
    outside of it, and those that are left in it. Nothing that is there is removed.

    Begun again, it fetches only what is not there. Raises `VaultNotEmpty`, `NoReplica`,
    `ReplicaAltered`, `AuditBroken` (also where an anchor saw more than the replica has),
    `VaultFull`.
    """
    await refuse_a_log(vault)
    heads = await _heads(store, progress)
    _check_anchors(anchors, heads[-1])
    log = LogRebuilding(vault)
    try:
        await log.begin()
        needed = await _fetch_rows(store, heads, log, anchors, progress)
        lost = {path for head in heads for path in head.lost} & needed
        pieces = _pieces_of(heads, needed)
        if missing := sorted(needed - pieces.keys() - lost):
            raise ReplicaAltered(f"no head of the replica names {missing[0]}")
        aside: list[str] = []
        fetched, size = await _fetch_files(store, vault, pieces, aside, progress)
        await log.take_place()
    finally:
        await log.close()
    last = heads[-1]
    await asyncio.to_thread(write_note, vault, Note(replica, last.number, last.seq, last.hash))
    return RebuiltVault(
        last.seq, last.hash, len(pieces), fetched, size, tuple(sorted(lost)), tuple(aside)
    )


async def _heads(store: ReplicaStore, progress: Progress) -> list[Head]:
    """All heads, each bound to the one before it."""
    mark = await store.mark()
    count = await store.count() if mark is not None else 0
    if mark is None or not count:
        raise NoReplica("the replica holds no vault")
    heads: list[Head] = []
    before, seq = "", 0
    for first in range(1, count + 1, _HEADS_AT_ONCE):
        numbers = range(first, min(first + _HEADS_AT_ONCE, count + 1))
        for head, sha256 in await in_parallel(store.head(number) for number in numbers):
            follows = head.previous == before and head.segment.first == seq + 1
            if head.vault != mark.vault or not follows or head.segment.last != head.seq:
                raise ReplicaAltered(f"head {head.number} does not follow the one before it")
            heads.append(head)
            before, seq = sha256, head.seq
        progress("heads", len(heads), count)
    return heads


def _check_anchors(anchors: Sequence[Anchor], head: Head) -> None:
    top = max((anchor.seq for anchor in anchors), default=0)
    if top > head.seq:
        raise AuditBroken(
            f"the replica ends at record {head.seq}, but an anchor saw record {top}",
            next_step="what was recorded in between is lost; to go on without it, move"
            " audit_anchor_file, and anchors.jsonl in the vault, away and rebuild again",
        )


async def _fetch_rows(
    store: ReplicaStore,
    heads: Sequence[Head],
    log: LogRebuilding,
    anchors: Sequence[Anchor],
    progress: Progress,
) -> set[str]:
    """Write the log anew; the paths of files with a backup that was not purged."""
    backups: dict[tuple[str, str], set[str]] = {}
    anchored = {anchor.seq: anchor.hash for anchor in anchors}
    for head in heads:
        rows = decode_rows(await store.get(head.segment), head.segment.key)
        await log.add(rows)
        if log.head != (head.seq, head.hash):
            raise ReplicaAltered(f"head {head.number} is not that of its records")
        for row in rows:
            if anchored.get(row.seq, row.hash.hex()) != row.hash.hex():
                raise AuditBroken(f"audit record {row.seq} is not the one that an anchor saw")
            _note_backup(row, backups)
        progress("audit log", head.seq, heads[-1].seq)
    return {path for (_, path), keys in backups.items() if keys}


def _note_backup(row: Row, backups: dict[tuple[str, str], set[str]]) -> None:
    if row.kind not in ("intent", "purged"):
        return
    entry = entry_of(row)
    record = entry.record
    if isinstance(record, Intent):
        backups.setdefault((entry.operation_id, record.backup.path), set()).add(record.key)
    elif isinstance(record, Purged):
        backups.get((record.from_operation, record.path), set()).discard(record.key)


def _pieces_of(heads: Sequence[Head], needed: set[str]) -> dict[str, list[Piece]]:
    pieces: dict[str, list[Piece]] = {}
    for head in heads:
        for piece in head.pieces:
            if piece.path in needed:
                pieces.setdefault(piece.path, []).append(piece)
    return {path: sorted(of, key=lambda piece: piece.end) for path, of in pieces.items()}


async def _fetch_files(
    store: ReplicaStore,
    vault: Path,
    pieces: dict[str, list[Piece]],
    aside: list[str],
    progress: Progress,
) -> tuple[int, int]:
    """Bring back what is not there; how many files that were, and how many bytes all are.

    A pack that holds more than was shipped is put `aside` first.
    """
    files = BackupFiles(vault)
    at_once = asyncio.Semaphore(_FILES_AT_ONCE)
    fetched = done = size = 0

    async def bring(path: str, of: list[Piece]) -> None:
        nonlocal fetched, done, size
        async with at_once:
            if is_pack(path) and await asyncio.to_thread(holds_more, vault, path, of[-1].end):
                aside.append(await asyncio.to_thread(set_aside, vault, path))
            ranges = [(piece.start, piece.end, piece.sha256) for piece in of]
            if not await asyncio.to_thread(holds, vault, path, ranges):
                await _fetch(store, vault, path, of)
                fetched += 1
            if is_pack(path):
                await asyncio.to_thread(files.end_pack, path, of[-1].end)
            done, size = done + 1, size + of[-1].end
            progress("backups", done, len(pieces))

    await in_parallel(bring(path, of) for path, of in sorted(pieces.items()))
    return fetched, size


async def _fetch(store: ReplicaStore, vault: Path, path: str, pieces: Sequence[Piece]) -> None:
    file = Refilling(vault, path)
    try:
        await asyncio.to_thread(file.begin)
        for piece in pieces:
            data = await store.get(piece)
            if len(data) != piece.end - piece.start:
                raise ReplicaAltered(f"{piece.key} in the replica has another size than its head")
            await asyncio.to_thread(file.write, piece.start, data)
        await asyncio.to_thread(file.finish)
    finally:
        file.close()
