"""Which bytes of the vault several backups share: computed from the audit log whenever it is asked.

Nothing is counted by hand; the disk is asked which files are links of one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from s3gc_core.actions.parts import Parts
from s3gc_core.vault import StoredBackup

# A place in a pack, or a file whatever its names are.
Bytes = tuple[str | int, int]


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes that backups use again: `places` of all of them, `reused` such backups, and how many
    bytes more there would be without (`saved`).
    """

    places: frozenset[Bytes] = frozenset()
    reused: int = 0
    saved: int = 0


async def shared(parts: Parts) -> Shared:
    """Look through all kept backups: once where none is reused, else twice."""
    sizes: dict[Bytes, int] = {}
    reused = size = 0
    async for page in parts.audit.backups():
        again = [state.intent.backup for state in page if state.intent.backup.reused]
        for backup, place in zip(again, await bytes_of(parts, again), strict=True):
            sizes[place] = backup.stored_size
            reused, size = reused + 1, size + backup.stored_size
    if not sizes:
        return Shared()
    # Those whose first backup was purged are what keeps the bytes now.
    orphaned = dict(sizes)
    async for page in parts.audit.backups():
        firsts = [state.intent.backup for state in page if not state.intent.backup.reused]
        for place in await bytes_of(parts, firsts):
            orphaned.pop(place, None)
    return Shared(frozenset(sizes), reused, size - sum(orphaned.values()))


async def bytes_of(parts: Parts, backups: list[StoredBackup]) -> list[Bytes]:
    """Where the bytes of each lie: the same for two that share them."""
    if not backups:
        return []
    return await asyncio.to_thread(lambda: [parts.files.bytes_of(backup) for backup in backups])
