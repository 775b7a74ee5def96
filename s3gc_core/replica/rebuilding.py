"""A whole vault from its replica: heads, then the log in a file beside its place, then the backups;
the log takes its place last, so that there is a vault only once there is all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s3gc_core.bucket import ObjectUnreadable
from s3gc_core.errors import AuditBroken, NoReplica, ReplicaAltered
from s3gc_core.jobs import Progress
from s3gc_core.parallel import in_parallel, to_the_end
from s3gc_core.replica.contents import Head, Piece, decode_rows
from s3gc_core.replica.note import Note, write_note
from s3gc_core.replica.store import ReplicaStore
from s3gc_core.vault import Anchor, BackupDamaged, BackupFiles, Intent, Purged
from s3gc_core.vault.aside import set_aside
from s3gc_core.vault.chain import Row, entry_of
from s3gc_core.vault.log_rebuilding import LogRebuilding, refuse_a_log
from s3gc_core.vault.shipping_bytes import (
    Refilling,
    holds,
    holds_more,
    is_pack,
    sha256_of_file,
)

_HEADS_AT_ONCE = 16
_FILES_AT_ONCE = 4


_ALTERED = (
    "change nothing in the replica; bring back what it says is gone or altered there (its bucket's"
    " versions may have it), and rebuild again"
)


@dataclass(frozen=True, slots=True)
class LostBackup:
    """A kept backup that neither the replica nor the vault has as it was recorded: `reason`."""

    key: str
    operation_id: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class RebuiltVault:
    """What came back: audit records, files with backups (`fetched` of them over the network, the
    others were there), their bytes. `doubtful` are files that did not come whole, `lost` the
    backups that this costs; all others in such a file are there.
    `set_aside` is where files lie now that were there, and that no record of the replica knows.
    """

    records: int
    head: str
    files: int
    fetched: int
    bytes: int
    doubtful: tuple[str, ...] = ()
    lost: tuple[LostBackup, ...] = ()
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

    The log has to come whole. A backup that does not costs no other one: the files are named, and
    the caller tells which backups are lost. Begun again, it fetches only what is not there. Raises
    `VaultNotEmpty`, `NoReplica`, `ReplicaAltered`, `AuditBroken` (also where an anchor saw more
    than the replica has), `VaultFull`.
    """
    await refuse_a_log(vault)
    log = LogRebuilding(vault)
    try:
        try:
            heads = await _heads(store, progress)
            _check_anchors(anchors, heads[-1])
            await log.begin()
            needed = await _fetch_rows(store, heads, log, anchors, progress)
        except ReplicaAltered as error:
            raise ReplicaAltered(error.what, next_step=_ALTERED) from error
        pieces = _pieces_of(heads, needed)
        fetching = _Fetching(store, vault, needed, progress)
        # What was damaged before it was shipped, and what no head names.
        fetching.doubtful.update({path for head in heads for path in head.lost} & needed.keys())
        fetching.doubtful.update(needed.keys() - pieces.keys())
        await fetching.bring_all(pieces)
        await log.take_place()
    finally:
        await log.close()
    last = heads[-1]
    await asyncio.to_thread(write_note, vault, Note(replica, last.number, last.seq, last.hash))
    return RebuiltVault(
        last.seq,
        last.hash,
        fetching.files,
        fetching.fetched,
        fetching.size,
        tuple(sorted(fetching.doubtful)),
        set_aside=tuple(fetching.aside),
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
) -> dict[str, str | None]:
    """Write the log anew; the files with a backup that was not purged, by their paths, and the
    SHA-256 (hex) that it records of a whole one; None of a pack.
    """
    backups: dict[tuple[str, str], set[str]] = {}
    stored: dict[str, str] = {}
    anchored = {anchor.seq: anchor.hash for anchor in anchors}
    for head in heads:
        data = await store.get(head.segment)
        rows = await asyncio.to_thread(decode_rows, data, head.segment.key)
        await log.add(rows)
        if log.head != (head.seq, head.hash):
            raise ReplicaAltered(f"head {head.number} is not that of its records")
        for row in rows:
            if anchored.get(row.seq, row.hash.hex()) != row.hash.hex():
                raise AuditBroken(f"audit record {row.seq} is not the one that an anchor saw")
            _note_backup(row, backups, stored)
        progress("audit log", head.seq, heads[-1].seq)
    return {path: stored.get(path) for (_, path), keys in backups.items() if keys}


def _note_backup(
    row: Row, backups: dict[tuple[str, str], set[str]], stored: dict[str, str]
) -> None:
    if row.kind not in ("intent", "purged"):
        return
    entry = entry_of(row)
    record = entry.record
    if isinstance(record, Intent):
        backups.setdefault((entry.operation_id, record.backup.path), set()).add(record.key)
        if record.backup.offset is None:
            stored[record.backup.path] = record.backup.stored_sha256
    elif isinstance(record, Purged):
        backups.get((record.from_operation, record.path), set()).discard(record.key)


def _pieces_of(heads: Sequence[Head], needed: Collection[str]) -> dict[str, list[Piece]]:
    pieces: dict[str, list[Piece]] = {}
    for head in heads:
        for piece in head.pieces:
            if piece.path in needed:
                pieces.setdefault(piece.path, []).append(piece)
    return {path: sorted(of, key=lambda piece: piece.end) for path, of in pieces.items()}


@dataclass(slots=True)
class _Fetching:
    """Brings back what is not there. `needed` as from `_fetch_rows`.

    `files` of `size` bytes are there at the end, `fetched` of them came over the network;
    `doubtful` ones did not come whole. A pack that holds more than was shipped is put `aside`
    first.
    """

    store: ReplicaStore
    vault: Path
    needed: Mapping[str, str | None]
    progress: Progress
    files: int = 0
    fetched: int = 0
    size: int = 0
    doubtful: set[str] = field(default_factory=set)
    aside: list[str] = field(default_factory=list)

    async def bring_all(self, pieces: Mapping[str, list[Piece]]) -> None:
        """Bring back every file, some at a time."""
        left = enumerate(sorted(pieces.items()), 1)

        async def bring_next() -> None:
            for number, (path, of) in left:
                await self._bring(path, of)
                self.progress("backups", number, len(pieces))

        await in_parallel(bring_next() for _ in range(_FILES_AT_ONCE))

    async def _bring(self, path: str, of: list[Piece]) -> None:
        end = of[-1].end
        if is_pack(path) and await asyncio.to_thread(holds_more, self.vault, path, end):
            self.aside.append(await asyncio.to_thread(set_aside, self.vault, path))
        if not await asyncio.to_thread(_is_there, self.vault, path, of, self.needed[path]):
            if not await self._fetch(path, of):
                return
            self.fetched += 1
        if is_pack(path):
            await asyncio.to_thread(BackupFiles(self.vault).end_pack, path, end)
        self.files, self.size = self.files + 1, self.size + end

    async def _fetch(self, path: str, of: Sequence[Piece]) -> bool:
        """Whether there is a new file. A pack has what came, and keeps what it had of the rest."""
        file, came = Refilling(self.vault, path), 0
        try:
            await to_the_end(asyncio.to_thread(file.begin))
            if is_pack(path):
                await to_the_end(asyncio.to_thread(file.copy_old))
            for piece in of:
                data = await self._piece(piece)
                if data is None:
                    self.doubtful.add(path)
                    continue
                await to_the_end(asyncio.to_thread(file.write, piece.start, data))
                came += 1
            whole = self.needed[path]
            if not came or (whole and await to_the_end(asyncio.to_thread(file.sha256)) != whole):
                self.doubtful.add(path)
                await to_the_end(asyncio.to_thread(file.drop))
                return False
            await to_the_end(asyncio.to_thread(file.finish))
            return True
        finally:
            file.close()

    async def _piece(self, piece: Piece) -> bytes | None:
        """None where it cannot be had: the other pieces, and other files, are none the worse."""
        try:
            data = await self.store.get(piece)
        except (ReplicaAltered, ObjectUnreadable):
            return None
        return data if len(data) == piece.end - piece.start else None


def _is_there(vault: Path, path: str, of: Sequence[Piece], whole: str | None) -> bool:
    """For a thread. The pieces are right by themselves, and together only if the log says so."""
    if not holds(vault, path, [(piece.start, piece.end, piece.sha256) for piece in of]):
        return False
    try:
        return whole in (None, of[0].sha256) or sha256_of_file(vault, path) == whole
    except BackupDamaged:
        return False
