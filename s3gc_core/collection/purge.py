"""Backup clean-up: removes backups that nothing needs any more, and never a sole copy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from s3gc_core.bucket import Bucket, ObjectState
from s3gc_core.collection.comparison import header_differences
from s3gc_core.collection.strays import tidy
from s3gc_core.vault import AuditLog, BackupFiles, BackupState, Intent, Purged

SAME_OBJECT = "the same object is in the bucket"


@dataclass(frozen=True, slots=True)
class PurgeSummary:
    """`purged` backups and their `bytes` were removed (or would be); `sole_copies` stayed.

    One that uses the bytes of another counts none: they go with the last that needs them.
    """

    purged: int
    bytes: int
    sole_copies: int
    too_young: int


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
    operation_id: str,
    *,
    now: datetime,
    horizon: timedelta,
    dry_run: bool,
) -> PurgeSummary:
    """Remove what nothing needs; each removal is recorded before the file goes.

    Died in between, the file is a stray without record, and removed with all others at the end;
    so is a pack once nothing in it is needed.
    Raises `BucketUnreachable`: without an answer nothing goes.
    """
    # Which backups share a place, and which are kept, is asked through indexes.
    await audit.check_indexes()
    purged = size = sole = young = 0
    changed: set[str] = set()
    async for page in audit.backups():
        for backup in page:
            if now - backup.at < horizon:
                young += 1
                continue
            if not may_go(backup.intent, await _object_now(bucket, backup.intent.key)):
                sole += 1
                continue
            purged += 1
            size += 0 if backup.intent.backup.reused else backup.intent.backup.stored_size
            if not dry_run:
                await _remove(audit, files, operation_id, backup)
                changed.add(backup.operation_id)
    if not dry_run:
        for operation in await audit.operations():
            if operation.operation_id != operation_id:
                of = operation.operation_id
                await tidy(audit, files, of, changed=of in changed)
    return PurgeSummary(purged, size, sole, young)


async def _object_now(bucket: Bucket, key: str) -> ObjectState | None:
    state = await bucket.head(key)
    if state is None:
        return None
    headers = msgspec.structs.replace(state.headers, tags=await bucket.tags(key))
    return msgspec.structs.replace(state, headers=headers)


async def _remove(
    audit: AuditLog, files: BackupFiles, operation_id: str, backup: BackupState
) -> None:
    intent = backup.intent
    # Bytes that another backup brought are counted with that one.
    own = intent.backup.offset is not None and not intent.backup.reused
    packed_bytes = intent.backup.stored_size if own else 0
    record = Purged(intent.key, backup.operation_id, intent.backup.path, SAME_OBJECT, packed_bytes)
    await audit.append(operation_id, [record])
    await asyncio.to_thread(files.remove_backup, intent.backup)
