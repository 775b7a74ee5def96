"""Restore drills: backups chosen by chance are restored, compared in everything, and removed again.

Nothing proves a backup but its restore. A drill goes the way of a restore, to a place beside the
live objects: a prefix of the bucket that is ours alone, or a folder.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from s3gc_core import log
from s3gc_core.bucket import Bucket, DeleteOutcome, Versioning
from s3gc_core.collection.comparison import header_differences
from s3gc_core.collection.folder import Folder, indexed, sha256_of
from s3gc_core.collection.write_back import write_back
from s3gc_core.errors import S3gcError, VaultUnreachable
from s3gc_core.jobs import JobJournal
from s3gc_core.parallel import in_parallel, to_the_end
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    BackupState,
    DeletedObject,
    DrillDiffered,
    Drilled,
    RestoreOutcome,
)

FOLDER = "s3gc-drill-"
# Objects tried between two audit commits: so many lie in the scratch place at a time.
_BATCH = 16
_PLACE = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})/[0-9]{8}")


async def draw(audit: AuditLog, count: int, seed: int) -> list[BackupState]:
    """`count` of all kept backups, each as likely as any other; the same log and seed, the same."""
    chance = random.Random(seed)
    drawn: list[BackupState] = []
    seen = 0
    async for page in audit.backups():
        for backup in page:
            seen += 1
            if len(drawn) < count:
                drawn.append(backup)
            elif (place := chance.randrange(seen)) < count:
                drawn[place] = backup
    return drawn


class Scratch(Protocol):
    """Where a drill restores to. `where` is how the audit log and people call it."""

    where: str
    concurrency: int

    async def differs(self, number: int, backup: BackupState) -> str | None:
        """Restore one backup, compare, remove; in words what differs, None where nothing does."""
        ...

    async def clear(self, operations: Collection[str]) -> list[str]:
        """Remove what drills of these operations left behind; what could not be removed."""
        ...


class ScratchPrefix:
    """A drill in the bucket, below `prefix` and the drill's operation id.

    Where the bucket keeps versions, those that the drill made go as well. One that the store does
    not let go (Object Lock, MFA delete, a right that is missing) lies hidden and is told in the
    log: the drill proved what it is there to prove.
    """

    def __init__(
        self,
        bucket: Bucket,
        files: BackupFiles,
        prefix: str,
        operation_id: str,
        concurrency: int,
        versioning: Versioning = Versioning.DISABLED,
    ) -> None:
        self._bucket = bucket
        self._files = files
        self._prefix = prefix
        self._operation_id = operation_id
        self.where = f"s3://{bucket.name}/{prefix}"
        self.concurrency = concurrency
        self._keeps_versions = versioning is not Versioning.DISABLED

    async def differs(self, number: int, backup: BackupState) -> str | None:
        """See `Scratch`."""
        # Numbered, never named for the object: no store can take such a key for a live one's.
        key = f"{self._prefix}{self._operation_id}/{number:08}"
        intent = msgspec.structs.replace(backup.intent, key=key)
        written = await write_back(self._bucket, self._files, intent, accept_lossy=True)
        if written.etag is not None:
            await to_the_end(self._remove(key, written.etag))
        if written.outcome is RestoreOutcome.RESTORED:
            return None
        return written.reason or "something is in its place already"

    async def clear(self, operations: Collection[str]) -> list[str]:
        """See `Scratch`."""
        left = []
        async for page in self._bucket.list_pages(self._prefix):
            ours = [(one.key, one.etag) for one in page if self._is_ours(one.key, operations)]
            results = await self._bucket.delete_batch(ours) if ours else {}
            gone = (DeleteOutcome.DELETED, DeleteOutcome.VANISHED)
            left += [key for key, result in results.items() if result.outcome not in gone]
        if self._keeps_versions:
            await self._clear_versions(operations)
        return left

    async def _remove(self, key: str, etag: str) -> None:
        """What cannot be removed here is tried again, and told, by `clear`."""
        await self._bucket.delete_batch([(key, etag)])
        if self._keeps_versions:
            with suppress(S3gcError):
                await self._bucket.remove_scratch(key, lambda found, _: found == key)

    async def _clear_versions(self, operations: Collection[str]) -> None:
        def is_ours(key: str, _: Sequence[int]) -> bool:
            return self._is_ours(key, operations)

        try:
            left = await self._bucket.remove_scratch(self._prefix, is_ours)
        except S3gcError as error:
            left = {self._prefix: error.what}
        if left:
            key, reason = next(iter(left.items()))
            log.warning("drill_versions_left", keys=len(left), first=key, detail=reason)

    def _is_ours(self, key: str, operations: Collection[str]) -> bool:
        """Beyond doubt: the id of a drill in our own audit log, and a number, are its whole key."""
        match = _PLACE.fullmatch(key[len(self._prefix) :])
        return match is not None and match[1] in operations


class ScratchFolder:
    """A drill on a disk, in a folder of its own below `parent`."""

    # One after the other: the disk is the vault's own, or as slow.
    concurrency = 1

    def __init__(self, files: BackupFiles, parent: Path, operation_id: str) -> None:
        self._files = files
        self._parent = parent
        self._folder = parent / f"{FOLDER}{operation_id}"
        self.where = str(parent)

    async def differs(self, number: int, backup: BackupState) -> str | None:
        """See `Scratch`."""
        await asyncio.to_thread(self._make)
        place = self._folder / f"{number:08}"
        found = DeletedObject(backup.operation_id, backup.at, backup.intent)
        try:
            placed = await Folder(place).write(self._files, found)
            return await asyncio.to_thread(_compare, place, placed.name, backup)
        except BackupDamaged as error:
            return error.what
        finally:
            await to_the_end(asyncio.to_thread(shutil.rmtree, place, ignore_errors=True))

    async def clear(self, operations: Collection[str]) -> list[str]:
        """See `Scratch`."""
        return await asyncio.to_thread(self._clear, operations)

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise VaultUnreachable(f"cannot create {self._folder}: {error.strerror}") from error

    def _clear(self, operations: Collection[str]) -> list[str]:
        left = []
        for operation_id in operations:
            folder = self._parent / f"{FOLDER}{operation_id}"
            if folder.is_symlink() or not folder.is_dir():
                continue
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                left.append(str(folder))
        return left


def _compare(place: Path, name: str, backup: BackupState) -> str | None:
    """How a written file and its line in the index differ from the backup, LOSSY or not."""
    stored = backup.intent.backup
    size, digest = sha256_of(place / name)
    if (size, digest) != (stored.given_size, stored.given_sha256):
        return "the restored file has other bytes than the backup"
    key, headers = indexed(place)[name]
    if key != backup.intent.key:
        return "the index names another key"
    names = header_differences(backup.intent.headers, headers)
    return f"the restored file differs in {', '.join(names)}" if names else None


@dataclass(slots=True)
class Drill:
    """One drill. `differing` tells key and reason of each object that is not as it was."""

    audit: AuditLog
    journal: JobJournal
    operation_id: str
    scratch: Scratch
    sample: int
    seed: int
    checked: int = 0
    differing: int = 0
    left: tuple[str, ...] = ()

    async def run(self, earlier: Collection[str]) -> None:
        """Restore, compare and remove; first what drills of `earlier` operations left behind.

        May wait, or raise `OperationCancelled`, between two batches, each of which is recorded.
        """
        began = time.monotonic()
        drawn = await draw(self.audit, self.sample, self.seed)
        try:
            await self.scratch.clear(earlier)
            for start in range(0, len(drawn), _BATCH):
                await self.journal.checkpoint()
                await self._batch(start, drawn[start : start + _BATCH])
        finally:
            self.left = tuple(await to_the_end(self.scratch.clear([*earlier, self.operation_id])))
        seconds = round(time.monotonic() - began, 3)
        where, left = self.scratch.where, len(self.left)
        record = Drilled(self.sample, self.seed, self.checked, self.differing, seconds, where, left)
        if drawn:
            # A drill of nothing proves nothing: the one before it stays the last.
            await self.audit.append(self.operation_id, [record])

    async def _batch(self, first: int, batch: Sequence[BackupState]) -> None:
        at_once = asyncio.Semaphore(self.scratch.concurrency)

        async def one(number: int, backup: BackupState) -> str | None:
            async with at_once:
                return await self.scratch.differs(number, backup)

        found = await in_parallel(one(first + n, backup) for n, backup in enumerate(batch))
        records = [
            DrillDiffered(backup.intent.key, backup.operation_id, reason)
            for backup, reason in zip(batch, found, strict=True)
            if reason is not None
        ]
        await self.audit.append(self.operation_id, records)
        self.checked += len(batch)
        self.differing += len(records)
        for record in records:
            self.journal.object_ended("differing", record.key, record.reason)
        self.journal.tally(
            {"identical": self.checked - self.differing, "differing": self.differing}
        )
        self.journal.progress("drill", self.checked)
