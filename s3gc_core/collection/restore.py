"""Restore: bring back any deleted object exactly as it was, to the bucket or to a folder.

Never over a newer object unless asked; what is written is read back and compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from s3gc_core.bucket import Bucket, ObjectChanged, ObjectGone, ObjectUnreadable
from s3gc_core.collection.comparison import differences
from s3gc_core.collection.unhiding import UNHIDDEN, Unhidden, unhide
from s3gc_core.jobs import JobJournal
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    DeletedObject,
    Restored,
    RestoreIntent,
    RestoreOutcome,
)

# Objects restored at a time between two audit commits.
_BATCH = 64

_AS_INTENDED = frozenset({RestoreOutcome.RESTORED, RestoreOutcome.ALREADY_THERE})


class Selection(msgspec.Struct, frozen=True):
    """What to restore: keys, a prefix, or an operation; `as_of` (UTC) picks the state of then."""

    keys: tuple[str, ...] = ()
    prefix: str | None = None
    operation_id: str | None = None
    as_of: datetime | None = None


def choose(backups: Iterable[DeletedObject], as_of: datetime | None) -> DeletedObject | None:
    """Of all backups of one key, the one to restore.

    Without `as_of` the one deleted last; with it the one that was the live object at that time:
    modified before, deleted after.
    """
    if as_of is None:
        return max(backups, key=lambda b: b.deleted_at, default=None)
    live = [b for b in backups if b.intent.last_modified <= as_of < b.deleted_at]
    return max(live, key=lambda b: b.intent.last_modified, default=None)


async def select(audit: AuditLog, selection: Selection) -> AsyncIterator[list[DeletedObject]]:
    """The backups that a selection names, one a key, by key, in pages.

    A key that is named gets any backup there is, whatever the log says became of its object: a
    delete whose answer came after our death is not known to anyone.
    """
    async for page in audit.deleted_objects(
        keys=selection.keys,
        prefix=selection.prefix,
        operation_id=selection.operation_id,
        every_backup=bool(selection.keys),
    ):
        chosen = [choose(of_key, selection.as_of) for of_key in _by_key(page)]
        yield [backup for backup in chosen if backup is not None]


def _by_key(page: Iterable[DeletedObject]) -> Iterator[list[DeletedObject]]:
    groups: dict[str, list[DeletedObject]] = {}
    for backup in page:
        groups.setdefault(backup.intent.key, []).append(backup)
    yield from groups.values()


@dataclass(slots=True)
class Restore:
    """One restore into the bucket. `counts` tells how many objects ended how."""

    bucket: Bucket
    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    overwrite: bool
    concurrency: int
    counts: Counter[str] = field(default_factory=Counter)
    bytes_restored: int = 0
    unhidden: int = 0

    async def run(self, selection: Selection) -> None:
        """Restore everything selected. One object's failure does not stop the others.

        May wait, or raise `OperationCancelled`, between two batches, each of which is recorded.
        """
        async for page in select(self.audit, selection):
            for start in range(0, len(page), _BATCH):
                await self.journal.checkpoint()
                await self._restore_batch(page[start : start + _BATCH])
                self.journal.tally(self.counts, restored=self.bytes_restored)
                self.journal.progress("restore", sum(self.counts.values()))

    async def _restore_batch(self, batch: list[DeletedObject]) -> None:
        overwriting = {
            backup.intent.key: await self._etag_to_overwrite(backup.intent.key) for backup in batch
        }
        await self.audit.append(
            self.operation_id,
            [RestoreIntent(b.intent.key, b.operation_id, overwriting[b.intent.key]) for b in batch],
        )
        at_once = asyncio.Semaphore(self.concurrency)

        async def one(backup: DeletedObject) -> Restored:
            async with at_once:
                try:
                    return await self._one(backup, overwriting[backup.intent.key])
                except (BackupDamaged, ObjectChanged, ObjectGone, ObjectUnreadable) as error:
                    # One object that cannot be restored does not stop the others.
                    return self._ended(backup, RestoreOutcome.FAILED, None, error.what)

        restored = await in_parallel(one(backup) for backup in batch)
        await self.audit.append(self.operation_id, restored)
        self.counts.update(result.outcome.value for result in restored)
        for result in restored:
            if result.outcome not in _AS_INTENDED:
                self.journal.object_ended(result.outcome.value, result.key, result.reason)
        self.bytes_restored += sum(
            backup.intent.size
            for backup, result in zip(batch, restored, strict=True)
            if result.outcome is RestoreOutcome.RESTORED
        )

    async def _etag_to_overwrite(self, key: str) -> str | None:
        if not self.overwrite:
            return None
        try:
            state = await self.bucket.head(key)
        except ObjectUnreadable:
            # Without its ETag nothing is overwritten; the object itself fails further on.
            return None
        return state.etag if state else None

    async def _one(self, backup: DeletedObject, overwrite_etag: str | None) -> Restored:
        intent = backup.intent
        if overwrite_etag is None and await self.bucket.head(intent.key) is not None:
            # Asked as well as bound by If-None-Match: a store that ignores the latter must not
            # cost a newer object its life.
            return await self._occupied(backup)
        if backup.marker is not None and overwrite_etag is None:
            unhidden = await unhide(self.bucket, intent, backup.marker)
            if unhidden is not None:
                return self._unhidden(backup, unhidden)
        try:
            # The whole file is proven before its first byte goes to the bucket.
            await self.files.verify(intent.backup)
            etag = await self.bucket.put(
                intent.key,
                self.files.read(intent.backup),
                size=intent.size,
                headers=intent.headers,
                if_match=overwrite_etag,
            )
        except ObjectChanged:
            return await self._occupied(backup)
        unequal = await differences(self.bucket, intent)
        if unequal is not None:
            return self._ended(backup, RestoreOutcome.FAILED, etag, f"read back: {unequal}")
        return self._ended(backup, RestoreOutcome.RESTORED, etag)

    def _unhidden(self, backup: DeletedObject, unhidden: Unhidden) -> Restored:
        etag = backup.intent.etag
        if unhidden.unequal is not None:
            reason = f"{UNHIDDEN}, but {unhidden.unequal}: restore it with --overwrite"
            return self._ended(backup, RestoreOutcome.FAILED, etag, reason)
        self.unhidden += 1
        reason = f"{UNHIDDEN}: version {backup.intent.version_id} is current again, with its date"
        return self._ended(backup, RestoreOutcome.RESTORED, etag, reason)

    async def _occupied(self, backup: DeletedObject) -> Restored:
        """Another object lives at the key: the same one, or a newer one that stays."""
        unequal = await differences(self.bucket, backup.intent)
        if unequal is None:
            return self._ended(backup, RestoreOutcome.ALREADY_THERE, backup.intent.etag)
        return self._ended(backup, RestoreOutcome.NEWER_KEPT, None, unequal)

    @staticmethod
    def _ended(
        backup: DeletedObject, outcome: RestoreOutcome, etag: str | None, reason: str = ""
    ) -> Restored:
        return Restored(backup.intent.key, backup.operation_id, outcome, etag, reason)
