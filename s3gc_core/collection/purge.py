"""Backup clean-up: removes backups that nothing needs any more, and never a sole copy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket, ObjectGone, ObjectState
from s3gc_core.collection.comparison import header_differences
from s3gc_core.collection.recovery import UNSEEN
from s3gc_core.collection.strays import tidy
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.jobs import JobJournal
from s3gc_core.vault import AuditLog, BackupFiles, BackupState, Intent, Purged

SAME_OBJECT = "the same object is in the bucket"


@dataclass(frozen=True, slots=True)
class PurgeSummary:
    """`purged` backups and their `bytes` were removed (or would be); `sole_copies` stayed.

    One that uses the bytes of another counts none: they go with the last that needs them. Of the
    sole copies, as far as anybody knows, are those of objects that were `unseen`: they cannot be
    looked at.
    """

    purged: int
    bytes: int
    sole_copies: int
    too_young: int
    unseen: int = 0


def may_go(intent: Intent, now: ObjectState | None) -> bool:
    """Whether a backup past its horizon may go: only while the very object is in the bucket, with
    its ETag, headers and tags.

    What the log says became of the object does not count here, only the bucket's word does.
    """
    if now is None or now.etag != intent.etag:
        return False
    return not header_differences(intent.headers, now.headers)


async def purge(
    bucket: Bucket,
    audit: AuditLog,
    files: BackupFiles,
    journal: JobJournal,
    operation_id: str,
    *,
    now: datetime,
    horizon: timedelta,
    dry_run: bool,
) -> PurgeSummary:
    """Remove what nothing needs; each removal is recorded before the file goes.

    Died in between, the file is a stray without record, and removed with all others at the end;
    so is a pack once nothing in it is needed.
    An object that cannot be looked at is told to `journal`, and keeps its backup.
    Raises `BucketUnreachable`, `StoreFailed`: without an answer nothing goes.
    """
    # Which backups share a place, and which are kept, is asked through indexes.
    await audit.check_indexes()
    run = _Purge(bucket, audit, files, journal, operation_id, now, horizon, dry_run)
    whole = False
    try:
        async for page in audit.backups():
            for backup in page:
                await run.one(backup)
        whole = True
    finally:
        await run.tidy(whole=whole)
    return PurgeSummary(run.purged, run.size, run.sole, run.young, run.unseen)


@dataclass(slots=True)
class _Purge:
    """One purge of what is older than `horizon`; `changed` operations lost backups to it."""

    bucket: Bucket
    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    now: datetime
    horizon: timedelta
    dry_run: bool
    purged: int = 0
    size: int = 0
    sole: int = 0
    young: int = 0
    unseen: int = 0
    changed: set[str] = field(default_factory=set)
    _unserved: Unserved = field(init=False)

    def __post_init__(self) -> None:
        self._unserved = Unserved(self.bucket)

    async def one(self, backup: BackupState) -> None:
        """Look at the object of one backup, and remove that where it is needless."""
        if self.now - backup.at < self.horizon:
            self.young += 1
        elif not may_go(backup.intent, await self._object_of(backup.intent.key)):
            self.sole += 1
        else:
            self.purged += 1
            self.size += 0 if backup.intent.backup.reused else backup.intent.backup.stored_size
            if not self.dry_run:
                await self._remove(backup)

    async def tidy(self, *, whole: bool) -> None:
        """Tidy all operations, or, where the purge was ended early, those that it changed."""
        if self.dry_run:
            return
        for operation in await self.audit.operations():
            of = operation.operation_id
            if of in self.changed or (whole and of != self.operation_id):
                await tidy(self.audit, self.files, of, changed=of in self.changed)

    async def _object_of(self, key: str) -> ObjectState | None:
        """The object that is at a key now; None, too, where nobody can tell which that is."""
        try:
            found = await _object_now(self.bucket, key)
        except ObjectGone:
            return None  # removed after it was looked at
        except UNSEEN as error:
            why = error.what
        except OF_ONE_OR_OF_ALL as error:
            why = await self._unserved.excuse(error)
        else:
            self._unserved.served()
            return found
        self.unseen += 1
        self.journal.object_ended("unseen", key, why)
        log.warning("backup_kept", key=key, what=why)
        return None

    async def _remove(self, backup: BackupState) -> None:
        intent, of = backup.intent, backup.operation_id
        if of not in self.changed:
            # First: wherever we die, no manifest names what is gone.
            self.changed.add(of)
            await asyncio.to_thread(self.files.remove_manifest, of)
        # Bytes that another backup brought are counted with that one.
        own = intent.backup.offset is not None and not intent.backup.reused
        packed_bytes = intent.backup.stored_size if own else 0
        record = Purged(intent.key, of, intent.backup.path, SAME_OBJECT, packed_bytes)
        await self.audit.append(self.operation_id, [record])
        await asyncio.to_thread(self.files.remove_backup, intent.backup)


async def _object_now(bucket: Bucket, key: str) -> ObjectState | None:
    state = await bucket.head(key)
    if state is None:
        return None
    headers = msgspec.structs.replace(state.headers, tags=await bucket.tags(key))
    return msgspec.structs.replace(state, headers=headers)
