"""The folder of an operation that has ended: nothing in it that no audit record names."""

from __future__ import annotations

import asyncio

from s3gc_core.vault import AuditLog, BackupFiles, Intent
from s3gc_core.vault.tar import end_of


async def tidy(audit: AuditLog, files: BackupFiles, operation_id: str) -> int:
    """Leave in an operation's folder what is recorded, its packs cut to that and sealed; returns
    how many files were removed.

    The bytes come before the records in the durable order, so what has no record was never relied
    on. The operation must not be running.
    """
    known = await audit.backup_paths(operation_id)
    strays = await asyncio.to_thread(files.strays, operation_id, known)
    for stray in strays:
        await asyncio.to_thread(files.remove, stray)
    for path, end in (await _pack_ends(audit, operation_id)).items():
        if path in known:
            await asyncio.to_thread(files.end_pack, path, end)
    return len(strays)


async def _pack_ends(audit: AuditLog, operation_id: str) -> dict[str, int]:
    """Where the last recorded backup of each of its packs ends, purged ones included."""
    ends: dict[str, int] = {}
    async for page in audit.entries(operation_id, kinds=("intent",)):
        for entry in page:
            backup = entry.record.backup if isinstance(entry.record, Intent) else None
            if backup is not None and backup.offset is not None:
                end = end_of(backup.offset, backup.stored_size)
                ends[backup.path] = max(end, ends.get(backup.path, 0))
    return ends
