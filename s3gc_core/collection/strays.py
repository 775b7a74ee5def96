"""Strays: files in an operation's folder that no audit record names."""

from __future__ import annotations

import asyncio

from s3gc_core.vault import AuditLog, BackupFiles


async def remove_strays(audit: AuditLog, files: BackupFiles, operation_id: str) -> int:
    """Remove what an operation left behind without a record; how many files.

    The records come first in the durable order, so a file without one was never relied on. The
    operation must not be running.
    """
    known = await audit.backup_paths(operation_id)
    strays = await asyncio.to_thread(files.strays, operation_id, known)
    for stray in strays:
        await asyncio.to_thread(files.remove, stray)
    return len(strays)
