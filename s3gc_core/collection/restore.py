"""Restore: bring back any deleted object exactly as it was, to the bucket or to a folder.

Never over a newer object unless asked; what is written is read back and compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket, ObjectChanged, ObjectUnreadable, WriteDenied
from s3gc_core.collection.claims import why_claimed
from s3gc_core.collection.comparison import differences
from s3gc_core.collection.unhiding import UNHIDDEN, unhide
from s3gc_core.collection.write_back import (
    FROM_REPLICA,
    OF_ONE_OBJECT,
    Elsewhere,
    Standby,
    Written,
    left_alone,
    placed,
    write_back,
)
from s3gc_core.jobs import JobJournal
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    DeletedObject,
    Intent,
    Restored,
    RestoreIntent,
    RestoreOutcome,
)

# Objects restored at a time between two audit commits, each of which waits for the disk.
_BATCH = 256

_WRITTEN = frozenset({RestoreOutcome.RESTORED, RestoreOutcome.EXPORTED})
_AS_INTENDED = _WRITTEN | {RestoreOutcome.ALREADY_THERE}
# Something lives at the key, and was left as it is.
_EXISTS = frozenset({RestoreOutcome.ALREADY_THERE, RestoreOutcome.NEWER_KEPT})


class Selection(msgspec.Struct, frozen=True):
    """What to restore: keys, a prefix, or an operation; `as_of` (UTC) picks the state of then."""

    keys: tuple[str, ...] = ()
    prefix: str | None = None
    operation_id: str | None = None
    as_of: datetime | None = None


def choose(backups: Iterable[DeletedObject], as_of: datetime | None) -> DeletedObject | None:
    """Of all backups of one key, in the order of the log, the one to restore.

    Without `as_of` the last, whatever the clocks said when it was made; with it the one that was
    the live object at that time: modified before, deleted after.
    """
    if as_of is None:
        return next(reversed(list(backups)), None)
    live = [b for b in backups if b.intent.last_modified <= as_of < b.deleted_at]
    return max(live, key=lambda b: b.intent.last_modified, default=None)


class Selected(NamedTuple):
    """A page of what a selection names: the backups to restore, one a key, and the keys of which
    there are backups, but none of the time that was asked for.
    """

    backups: list[DeletedObject]
    without: list[str]


async def select(
    audit: AuditLog, selection: Selection, *, open_too: bool = False
) -> AsyncIterator[Selected]:
    """What a selection names, by key, in pages.

    A key that is named gets any backup there is, whatever the log says became of its object: a
    delete whose answer came after our death is not known to anyone. So does a time: what was
    backed up and then kept or overwritten was the live object, too. With `open_too` also what is
    still to be recovered: it may be gone, and a copy of it elsewhere does no harm.
    """
    async for page in audit.deleted_objects(
        keys=selection.keys,
        prefix=selection.prefix,
        operation_id=selection.operation_id,
        every_backup=bool(selection.keys) or selection.as_of is not None,
        open_too=open_too,
    ):
        chosen = {key: choose(of_key, selection.as_of) for key, of_key in _by_key(page).items()}
        yield Selected(
            [backup for backup in chosen.values() if backup is not None],
            [key for key, backup in chosen.items() if backup is None],
        )


def _by_key(page: Iterable[DeletedObject]) -> dict[str, list[DeletedObject]]:
    groups: dict[str, list[DeletedObject]] = {}
    for backup in page:
        groups.setdefault(backup.intent.key, []).append(backup)
    return groups


@dataclass(slots=True)
class Restore:
    """One restore into the bucket. `counts` tells how many objects ended how, `lossy` how many are
    compact copies now, which only `accept_lossy` lets come back.

    `standby` has what is damaged or gone in the vault; `from_replica` objects came from there.
    `left_open` is what recovery could not look at, and why.
    """

    bucket: Bucket
    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    overwrite: bool
    concurrency: int
    elsewhere: Elsewhere | None = None
    accept_lossy: bool = False
    standby: Standby | None = None
    left_open: Mapping[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    bytes_restored: int = 0
    unhidden: int = 0
    lossy: int = 0
    from_replica: int = 0
    denied: int = 0

    async def run(self, selection: Selection) -> None:
        """Restore everything selected. One object's failure does not stop the others.

        May wait, or raise `OperationCancelled`, between two batches, each of which is recorded.
        Raises `WriteDenied` where every object so far was denied: so would be all others.
        """
        # What recovery had to leave open fails here, so that it is told.
        async for backups, without in select(self.audit, selection, open_too=True):
            for start in range(0, len(backups), _BATCH):
                await self.journal.checkpoint()
                await self._restore_batch(backups[start : start + _BATCH])
            if selection.as_of is not None and self.elsewhere is None:
                await self._note([], await self._leave(without, selection.as_of))

    async def _restore_batch(self, batch: list[DeletedObject]) -> None:
        there = [placed(backup.intent, self.elsewhere) for backup in batch]
        claimed: dict[str, str] = {}
        at_once = asyncio.Semaphore(self.concurrency)

        async def to_overwrite(intent: Intent) -> str | None:
            async with at_once:
                return await self._etag_to_overwrite(intent.key)

        overwriting = await in_parallel(map(to_overwrite, there))
        if self.elsewhere is None:
            # Elsewhere an object whose end nobody heard of is simply found there next time.
            intents = [
                RestoreIntent(backup.intent.key, backup.operation_id, etag)
                for backup, etag in zip(batch, overwriting, strict=True)
            ]
            left_to_others = await self.audit.claim(self.operation_id, intents)
            vault, unseen = self.journal.vault_path, self.left_open
            claimed = await why_claimed(self.audit, vault, left_to_others, unseen)
        denials: list[WriteDenied] = []

        async def one(backup: DeletedObject, intent: Intent, etag: str | None) -> Restored:
            if intent.key in claimed:
                left = Written(RestoreOutcome.FAILED, None, claimed[intent.key])
                return left.of(backup.intent.key, backup.operation_id)
            async with at_once:
                written = await self._unhidden(backup) if etag is None else None
                try:
                    if written is None:
                        written = await write_back(
                            self.bucket,
                            self.files,
                            intent,
                            etag,
                            differences,
                            self.standby,
                            accept_lossy=self.accept_lossy,
                        )
                        self.from_replica += written.reason.startswith(FROM_REPLICA)
                except WriteDenied as error:
                    # Here only, or everywhere: what became of the others tells.
                    denials.append(error)
                    written = Written(RestoreOutcome.FAILED, None, error.what)
            if self.elsewhere is not None:
                written = self.elsewhere.told(written, intent)
            return written.of(backup.intent.key, backup.operation_id)

        await self._note(batch, await in_parallel(map(one, batch, there, overwriting)))
        self.denied += len(denials)
        if denials and self.denied == sum(self.counts.values()):
            raise denials[0]

    async def _leave(self, keys: list[str], as_of: datetime) -> list[Restored]:
        """Keys of which there is no backup of that time: they are left as they are, and told."""
        return [(await left_alone(self.bucket, key, as_of)).of(key, "") for key in keys]

    async def _note(self, batch: list[DeletedObject], restored: list[Restored]) -> None:
        await self.audit.append(self.operation_id, restored)
        self.counts.update(result.outcome.value for result in restored)
        for result in restored:
            if result.outcome not in _AS_INTENDED or result.lossy:
                self.journal.object_ended(result.outcome.value, result.key, result.reason)
            _tell(result)
        self.lossy += sum(result.lossy for result in restored)
        self.bytes_restored += sum(
            backup.intent.backup.given_size if result.lossy else backup.intent.size
            for backup, result in zip(batch, restored, strict=False)
            if result.outcome in _WRITTEN
        )
        self.journal.tally(self.counts, restored=self.bytes_restored)
        self.journal.progress("restore", sum(self.counts.values()))

    async def _etag_to_overwrite(self, key: str) -> str | None:
        if not self.overwrite:
            return None
        try:
            state = await self.bucket.head(key)
        except (ObjectChanged, ObjectUnreadable):
            # Without its ETag nothing is overwritten; the object itself fails further on.
            return None
        return state.etag if state else None

    async def _unhidden(self, backup: DeletedObject) -> Written | None:
        """Bring the very version back by removing what hides it; None where that is not enough."""
        intent = backup.intent
        if backup.marker is None or self.elsewhere is not None:
            return None
        try:
            unhidden = await unhide(self.bucket, intent, backup.marker)
        except OF_ONE_OBJECT as error:
            return Written(RestoreOutcome.FAILED, None, error.what)
        if unhidden is None:
            return None
        if unhidden.unequal is not None:
            reason = f"{UNHIDDEN}, but {unhidden.unequal}: restore it with --overwrite"
            return Written(RestoreOutcome.FAILED, intent.etag, reason)
        self.unhidden += 1
        reason = f"{UNHIDDEN}: version {intent.version_id} is current again, with its date"
        return Written(RestoreOutcome.RESTORED, intent.etag, reason)


def _tell(result: Restored) -> None:
    told = {"key": result.key, "outcome": result.outcome.value, "reason": result.reason}
    if result.outcome in _WRITTEN:
        log.debug("object_restored", **told, lossy=result.lossy)
    elif result.outcome in _EXISTS:
        log.debug("restore_skipped_exists", **told)
    else:
        log.warning("restore_object_failed", **told)
