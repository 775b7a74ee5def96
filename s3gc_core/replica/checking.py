"""Looking at a replica: how far it is behind, and whether backups can be had from it."""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from s3gc_core.config import Config
from s3gc_core.errors import ReplicaAltered
from s3gc_core.replica.contents import Piece
from s3gc_core.replica.note import read_note
from s3gc_core.replica.store import ReplicaStore, replica_id
from s3gc_core.vault import AuditLog, BackupDamaged, BackupFiles, Intent, StoredBackup

# More is held in a nameless file beside the vault.
_IN_MEMORY = 32 << 20


@dataclass(frozen=True, slots=True)
class ReplicaLag:
    """What would be lost with the vault: records and stored bytes that were not shipped, and how
    long the oldest of them has been waiting, in seconds. `problem` is what the last try ran into.
    """

    name: str
    durability: str
    seq: int
    records: int
    bytes: int
    seconds: float
    problem: str = ""


async def replica_lag(config: Config, audit: AuditLog, now: datetime) -> ReplicaLag | None:
    """How far the configured replica is behind, by what this vault knows; None without one."""
    if config.replica is None:
        return None
    note = await asyncio.to_thread(read_note, config.vault_path, replica_id(config))
    head, _ = await audit.head()
    size, seconds = 0, 0.0
    if head > note.seq:
        async for page in audit.entries(after=note.seq, limit=1):
            seconds = max(0.0, (now - page[0].at).total_seconds())
        async for page in audit.entries(kinds=("intent",), after=note.seq):
            intents = [entry.record for entry in page if isinstance(entry.record, Intent)]
            size += sum(intent.backup.stored_size for intent in intents)
    replica = config.replica
    name = f"{replica.bucket}/{replica.prefix}".rstrip("/")
    behind = max(0, head - note.seq)
    return ReplicaLag(name, replica.durability.value, note.seq, behind, size, seconds, note.problem)


async def verify_replica(
    store: ReplicaStore, audit: AuditLog, files: BackupFiles, spool: Path, *, sample: int | None
) -> AsyncIterator[tuple[str, str | None]]:
    """Fetch backups from the replica, decode them and compare; yields (key, what is wrong or None).

    With `sample` about that many, chosen by chance; without it all that were shipped.
    """
    pieces: dict[str, list[Piece]] = {}
    count = await store.newest(0)
    seq = 0
    for number in range(1, count + 1):
        head, _ = await store.head(number)
        seq = head.seq
        for piece in head.pieces:
            pieces.setdefault(piece.path, []).append(piece)
    shipped = 0
    async for page in audit.entries(kinds=("intent",)):
        shipped += sum(entry.seq <= seq for entry in page)
    share = 1.0 if sample is None or not shipped else sample / shipped
    async for page in audit.entries(kinds=("intent",)):
        for entry in page:
            if entry.seq > seq or random.random() >= share:  # a sample, not a secret
                continue
            if isinstance(entry.record, Intent):
                backup = entry.record.backup
                wrong = await _wrong(store, files, backup, pieces.get(backup.path, []), spool)
                yield entry.record.key, wrong


async def _wrong(
    store: ReplicaStore,
    files: BackupFiles,
    backup: StoredBackup,
    pieces: list[Piece],
    spool: Path,
) -> str | None:
    start = backup.offset or 0
    end = start + backup.stored_size
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(spool)) as held:
        try:
            reached = start
            for piece in sorted(pieces, key=lambda piece: piece.start):
                if piece.start <= reached < min(piece.end, end):
                    data = await store.get(piece)
                    held.write(data[reached - piece.start : end - piece.start])
                    reached = min(piece.end, end)
            if reached != end:
                return "it was not shipped, or was damaged before"
            return await asyncio.to_thread(_compare, held, files, backup)
        except (ReplicaAltered, BackupDamaged) as error:
            return error.what


def _compare(held: IO[bytes], files: BackupFiles, backup: StoredBackup) -> str | None:
    stored, raw, size = hashlib.sha256(), hashlib.sha256(), 0
    held.seek(0)
    while chunk := held.read(1 << 20):
        stored.update(chunk)
    if stored.hexdigest() != backup.stored_sha256:
        return f"{backup.path} has other stored bytes than recorded (SHA-256)"
    held.seek(0)
    for chunk in files.decoded(held, backup):
        raw.update(chunk)
        size += len(chunk)
        if size > backup.raw_size:
            break
    if size != backup.raw_size or raw.hexdigest() != backup.raw_sha256:
        return f"{backup.path} has other raw bytes than recorded (SHA-256)"
    return None
