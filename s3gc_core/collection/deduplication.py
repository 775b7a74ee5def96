"""Equal bytes are stored once: which backups may stand for new ones, and which may not.

The audit log is the list of references; nothing is counted. An old copy is read back from the disk
and compared before it stands for a new delete, once in each operation: otherwise one rotten blob
would take every object that shares it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from s3gc_core import log
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    BackupState,
    CopyDamaged,
    HeldBackup,
    Intent,
    StoredBackup,
)

# What may differ between two backups of one content. A field that is added later has to be equal:
# another fidelity or encryption is another content.
_OF_THE_COPY = frozenset(
    {"path", "offset", "member", "stored_size", "stored_sha256", "level", "reused"}
)
_OF_THE_CONTENT = tuple(f for f in StoredBackup.__struct_fields__ if f not in _OF_THE_COPY)

Content = tuple[object, ...]
Place = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class OldCopies:
    """Proven copies by content; alarms about damaged ones, by the content that they should hold."""

    proven: dict[Content, StoredBackup]
    alarms: dict[Content, CopyDamaged]


class Deduplication:
    """Looks for copies during one operation, which holds the vault: none is purged meanwhile."""

    def __init__(self, audit: AuditLog, files: BackupFiles, at_once: asyncio.Semaphore) -> None:
        self._audit = audit
        self._files = files
        self._at_once = at_once
        self._proven: dict[Content, StoredBackup] = {}
        self._damaged: set[Place] = set()

    async def old_copies(self, backups: Iterable[StoredBackup]) -> OldCopies:
        """Recorded copies of these closed backups, each proven in this operation.

        A copy that is damaged is told in the log, once. Raises `VaultUnreachable`.
        """
        wanted = {content_of(backup) for backup in backups}
        unknown = {content for content in wanted if content not in self._proven}
        recorded = await self._audit.copies({_sha256(content) for content in unknown})
        found = {
            content: state
            for content in unknown
            if (state := self._candidate(content, recorded[_sha256(content)])) is not None
        }
        alarms: dict[Content, CopyDamaged] = {}
        for content, damage in await self._read_back(found):
            state = found[content]
            if damage is None:
                self._proven[content] = state.intent.backup
                continue
            self._damaged.add(place(state.intent.backup))
            alarms[content] = _alarm(state, damage)
        proven = {c: self._proven[c] for c in wanted if c in self._proven}
        return OldCopies(proven, alarms)

    def _candidate(self, content: Content, states: Sequence[BackupState]) -> BackupState | None:
        for state in states:
            backup = state.intent.backup
            if content_of(backup) != content or place(backup) in self._damaged:
                continue
            # What cannot be proven here, for want of a key, stands for nothing.
            if self._files.keyring.may_open(backup):
                return state
        return None

    async def _read_back(
        self, found: dict[Content, BackupState]
    ) -> list[tuple[Content, BackupDamaged | None]]:
        """What is wrong with each, read from the disk; a pack is read in its order."""
        backups = [(content, state.intent.backup) for content, state in found.items()]
        packed = [one for one in backups if one[1].offset is not None]
        packed.sort(key=lambda one: (one[1].path, one[1].offset or 0))
        loose = [one for one in backups if one[1].offset is None]
        damage = await self._files.verify_packed([backup for _, backup in packed])
        damage += await in_parallel(self._read_one(backup) for _, backup in loose)
        return [
            (content, wrong) for (content, _), wrong in zip([*packed, *loose], damage, strict=True)
        ]

    async def _read_one(self, backup: StoredBackup) -> BackupDamaged | None:
        async with self._at_once:
            try:
                await self._files.verify(backup)
            except BackupDamaged as error:
                return error
        return None


def content_of(backup: StoredBackup) -> Content:
    """What two backups have in common of which one can stand for the other.

    Both are in packs, or both are files: a pack's bytes can be pointed to, a file can be linked.
    """
    packed = isinstance(backup, HeldBackup) or backup.offset is not None
    return (backup.raw_sha256, packed, *(getattr(backup, name) for name in _OF_THE_CONTENT))


def place(backup: StoredBackup) -> Place:
    """Where the bytes lie: one place in a pack may be that of many backups."""
    return backup.path, backup.offset


def twins_of(intents: Sequence[Intent]) -> tuple[list[Intent], list[tuple[Intent, str]]]:
    """Of a batch those that have to be stored, and each other one with the key of the one that it
    equals.
    """
    first: dict[Content, str] = {}
    firsts: list[Intent] = []
    twins: list[tuple[Intent, str]] = []
    for intent in intents:
        key = first.setdefault(content_of(intent.backup), intent.key)
        if key == intent.key:
            firsts.append(intent)
        else:
            twins.append((intent, key))
    return firsts, twins


def _sha256(content: Content) -> str:
    return str(content[0])


def _alarm(state: BackupState, damage: BackupDamaged) -> CopyDamaged:
    backup = state.intent.backup
    log.warning("copy_damaged", operation=state.operation_id, path=backup.path, what=damage.what)
    return CopyDamaged(state.intent.key, state.operation_id, backup.path, damage.what)
