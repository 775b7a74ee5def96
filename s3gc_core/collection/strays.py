"""The folder of an operation that has ended: nothing in it that no audit record names."""

from __future__ import annotations

import asyncio

from s3gc_core.vault import AuditLog, BackupFiles, Intent
from s3gc_core.vault.manifest import MANIFEST
from s3gc_core.vault.places import PART, place_of
from s3gc_core.vault.tar import end_of


async def tidy(
    audit: AuditLog, files: BackupFiles, operation_id: str, *, changed: bool = False
) -> int:
    """Leave in an operation's folder what it, or any other, recorded to be there, its packs cut to
    that and sealed, and a manifest of its backups; returns how many files were removed.

    `changed` says that the manifest, if there is one, may no longer be right.

    The bytes come before the records in the durable order, so what has no record was never relied
    on. The operation must not be running. Raises `AuditIndexDamaged` before any file is removed.
    """
    known = await audit.backup_paths(operation_id)
    # All its backups may lie in packs of others; it has its manifest all the same.
    listed = bool(known) or await _has_backups(audit, operation_id)
    expected = known | {place_of(operation_id, MANIFEST)} if listed else known
    strays = await asyncio.to_thread(files.strays, operation_id, expected)
    if any(stray.name != MANIFEST and not stray.name.endswith(PART) for stray in strays):
        # What is known came through indexes: a record that one hides would cost its backup.
        await audit.check_indexes()
    for stray in strays:
        await asyncio.to_thread(files.remove, stray)
    for path, end in (await pack_ends(audit, operation_id)).items():
        if path in known:
            await asyncio.to_thread(files.end_pack, path, end)
    if listed and (changed or not await asyncio.to_thread(files.has_manifest, operation_id)):
        await files.write_manifest(operation_id, audit.backups(operation_id))
    return len(strays)


async def _has_backups(audit: AuditLog, operation_id: str) -> bool:
    async for page in audit.backups(operation_id):
        if page:
            return True
    return False


async def pack_ends(audit: AuditLog, operation_id: str) -> dict[str, int]:
    """Where the last recorded backup of each of its packs ends, purged ones included."""
    ends: dict[str, int] = {}
    async for page in audit.entries(operation_id, kinds=("intent",)):
        for entry in page:
            backup = entry.record.backup if isinstance(entry.record, Intent) else None
            if backup is not None and backup.offset is not None:
                end = end_of(backup.offset, backup.stored_size)
                ends[backup.path] = max(end, ends.get(backup.path, 0))
    return ends
