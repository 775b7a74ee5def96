"""Looking at a replica: how far it is behind, and whether backups can be had from it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from s3gc_core.config import Config
from s3gc_core.errors import ReplicaAltered
from s3gc_core.replica.fetching import ReplicaBackups
from s3gc_core.replica.note import read_note
from s3gc_core.replica.store import ReplicaStore, replica_id
from s3gc_core.vault import AuditLog, BackupDamaged, BackupFiles, Intent, StoredBackup


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
    store: ReplicaStore,
    audit: AuditLog,
    files: BackupFiles,
    spool: Path,
    *,
    acknowledged: int,
    sample: int | None,
    unopened: Callable[[str], None] | None = None,
) -> AsyncIterator[tuple[str, str | None]]:
    """Fetch backups from the replica, decode them and compare; yields (key, what is wrong or None).

    With `sample` about that many, chosen by chance; without it all that were shipped. Of encrypted
    ones, where nothing is here to open them with, only the stored bytes are compared: `unopened` is
    called with their keys. Raises `ReplicaAltered` where it has not the records up to the one that
    it `acknowledged`.
    """
    replica = await ReplicaBackups.read(store, audit, spool, files.keyring)
    if replica.seq < acknowledged:
        what = f"record {acknowledged} was shipped, and the replica ends at {replica.seq}"
        raise ReplicaAltered(what)
    shipped = 0
    async for page in audit.entries(kinds=("intent",)):
        shipped += sum(entry.seq <= replica.seq for entry in page)
    share = 1.0 if sample is None or not shipped else sample / shipped
    async for page in audit.entries(kinds=("intent",)):
        for entry in page:
            if entry.seq > replica.seq or random.random() >= share:  # a sample, not a secret
                continue
            if isinstance(entry.record, Intent):
                opened = replica.keyring.may_open(entry.record.backup)
                if unopened is not None and not opened:
                    unopened(entry.record.key)
                yield entry.record.key, await _wrong(replica, entry.record.backup, opened)


async def _wrong(replica: ReplicaBackups, backup: StoredBackup, opened: bool) -> str | None:
    try:
        async with replica.held(backup, opened=opened):
            return None
    except BackupDamaged as error:
        return error.what
