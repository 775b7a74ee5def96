"""Backup clean-up: removes backups that nothing needs any more, and never a sole copy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from s3gc_core.collection.strays import remove_strays
from s3gc_core.vault import AuditLog, BackupFiles, Intent, Outcome, Purged, RestoreOutcome


@dataclass(frozen=True, slots=True)
class PurgeSummary:
    """`purged` backups and their `bytes` were removed (or would be); `sole_copies` stayed."""

    purged: int
    bytes: int
    sole_copies: int
    too_young: int


def purge_reason(
    outcome: Outcome | None, restored: RestoreOutcome | None, age: timedelta, horizon: timedelta
) -> str | None:
    """Why a backup may go; None where it must stay.

    A deleted object that was not restored lives in the vault only: its backup always stays.
    """
    if age < horizon or outcome is None:
        return None
    if outcome is not Outcome.DELETED:
        return f"the object was not deleted ({outcome})"
    if restored in (RestoreOutcome.RESTORED, RestoreOutcome.ALREADY_THERE):
        return "the object was restored"
    return None


async def purge(
    audit: AuditLog,
    files: BackupFiles,
    operation_id: str,
    *,
    now: datetime,
    horizon: timedelta,
    dry_run: bool,
) -> PurgeSummary:
    """Remove what nothing needs; each removal is recorded before the file goes.

    Died in between, the file is a stray without record, and removed with all others at the end.
    """
    purged = size = sole = young = 0
    async for page in audit.backups():
        for entry in page:
            intent = entry.intent
            reason = purge_reason(entry.outcome, entry.restored, now - entry.at, horizon)
            if reason is not None:
                purged += 1
                size += intent.backup.stored_size
                if not dry_run:
                    await _remove(audit, files, operation_id, entry.operation_id, intent, reason)
            elif entry.outcome is Outcome.DELETED and now - entry.at >= horizon:
                sole += 1
            else:
                young += 1
    if not dry_run:
        for operation in await audit.operations():
            await remove_strays(audit, files, operation.operation_id)
    return PurgeSummary(purged, size, sole, young)


async def _remove(
    audit: AuditLog,
    files: BackupFiles,
    operation_id: str,
    from_operation: str,
    intent: Intent,
    reason: str,
) -> None:
    record = Purged(intent.key, from_operation, intent.backup.path, reason)
    await audit.append(operation_id, [record])
    await asyncio.to_thread(files.remove_backup, intent.backup)
