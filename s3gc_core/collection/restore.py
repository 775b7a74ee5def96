"""Restore: bring back any deleted object exactly as it was, to the bucket or to a folder.

Never over a newer object unless asked; what is written is read back and compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from s3gc_core.bucket import Bucket, ObjectChanged, ObjectGone, ObjectUnreadable
from s3gc_core.collection.comparison import differences
from s3gc_core.jobs import JobJournal
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    DeletedObject,
    Intent,
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


class Written(NamedTuple):
    """How writing one object back ended; `etag` is that of the object now at the key."""

    outcome: RestoreOutcome
    etag: str | None = None
    reason: str = ""


async def write_back(
    bucket: Bucket, files: BackupFiles, backup: Intent, overwrite_etag: str | None = None
) -> Written:
    """Write one object as it was backed up to `backup.key`, and compare what is there then.

    Every restore into a bucket goes this way. Never over an object but the one with
    `overwrite_etag`; what concerns this object alone is an outcome, not an exception.
    """
    try:
        if overwrite_etag is None and await bucket.head(backup.key) is not None:
            # Asked as well as bound by If-None-Match: a store that ignores the latter must not
            # cost a newer object its life.
            return await _occupied(bucket, backup)
        try:
            # The whole file is proven before its first byte goes to the bucket.
            await files.verify(backup.backup)
            etag = await bucket.put(
                backup.key,
                files.read(backup.backup),
                size=backup.size,
                headers=backup.headers,
                if_match=overwrite_etag,
            )
        except ObjectChanged:
            return await _occupied(bucket, backup)
        unequal = await differences(bucket, backup)
    except (BackupDamaged, ObjectChanged, ObjectGone, ObjectUnreadable) as error:
        return Written(RestoreOutcome.FAILED, None, error.what)
    if unequal is not None:
        return Written(RestoreOutcome.FAILED, etag, f"read back: {unequal}")
    return Written(RestoreOutcome.RESTORED, etag)


async def _occupied(bucket: Bucket, backup: Intent) -> Written:
    """Another object lives at the key: the same one, or a newer one that stays."""
    unequal = await differences(bucket, backup)
    if unequal is None:
        return Written(RestoreOutcome.ALREADY_THERE, backup.etag)
    return Written(RestoreOutcome.NEWER_KEPT, None, unequal)


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
            key = backup.intent.key
            async with at_once:
                written = await write_back(self.bucket, self.files, backup.intent, overwriting[key])
            return Restored(key, backup.operation_id, *written)

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
