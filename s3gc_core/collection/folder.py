"""Restore into a folder: safe against `..`, links, and names no file system can carry."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection.below import IN_THE_WAY, PART, Below, Found
from s3gc_core.collection.restore import Selection, select
from s3gc_core.collection.write_back import LOSSY, Standby, Written, proven, refused_as_lossy
from s3gc_core.errors import VaultUnreachable
from s3gc_core.jobs import JobJournal
from s3gc_core.parallel import in_parallel, to_the_end
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    DeletedObject,
    Restored,
    RestoreOutcome,
    StoredBackup,
)

INDEX = "s3gc-restored.jsonl"
_AWKWARD = "s3gc-awkward-keys"
# Objects written between two audit commits.
_BATCH = 64
_AS_INTENDED = frozenset({RestoreOutcome.EXPORTED, RestoreOutcome.ALREADY_THERE})


def relative_name(key: str) -> str:
    """Where a key goes below the folder: as it reads where that is a plain path, hashed otherwise.

    Plain means: every part is a name of at most 255 bytes without control characters, and none
    is empty, `.` or `..`, nor one that restores use for themselves.
    """
    parts = key.split("/")
    plain = all(
        part not in ("", ".", "..", INDEX, _AWKWARD)
        and not part.startswith(PART)
        and part.isprintable()
        and "\\" not in part
        and len(part.encode()) <= 255
        for part in parts
    )
    return key if plain else hashed_name(key)


def hashed_name(key: str) -> str:
    """A name for a key that cannot be a path; the index file tells which key it is."""
    return f"{_AWKWARD}/{hashlib.sha256(key.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an object is below the folder; `already`: an earlier restore had written it.

    `told` says where its bytes are from, if not from the vault.
    """

    name: str
    already: bool = False
    told: str = ""


class Folder:
    """A folder that restored objects are written into; existing files are never replaced."""

    def __init__(self, path: Path, standby: Standby | None = None) -> None:
        self._path = path
        self._standby = standby
        self._below = Below(path)
        self._index_turn = asyncio.Lock()
        # Hashes of the lines of the index; None before it was read.
        self._lines: set[bytes] | None = None

    async def write(self, files: BackupFiles, backup: DeletedObject) -> Placed:
        """Write one object, proven before and synced after, unless the same bytes are there.

        The file has its name only once it is whole. Raises `BackupDamaged`, and
        `FileExistsError` where something else is already there under both of its names.
        """
        intent = backup.intent
        stored = intent.backup
        names = dict.fromkeys((relative_name(intent.key), hashed_name(intent.key)))
        for name in names:
            try:
                found = await asyncio.to_thread(
                    self._below.look, name, stored.given_size, stored.given_sha256
                )
                if found is Found.ANOTHER:
                    continue
                told = ""
                if found is Found.NOTHING:
                    told = await self._fill(name, files, stored)
            except IN_THE_WAY:
                # `a` beside `a/b`, or a file of somebody else: take the other name.
                continue
            # Also where the file was there: the restore that wrote it may have died before.
            async with self._index_turn:
                await asyncio.to_thread(self._index, name, backup)
            return Placed(name, already=found is Found.THE_SAME, told=told)
        raise FileExistsError(f"{next(iter(names))} is already there")

    async def _fill(self, name: str, files: BackupFiles, stored: StoredBackup) -> str:
        source = await proven(files, stored, self._standby)
        descriptor = await asyncio.to_thread(self._below.begin, name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in source.body:
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(file.flush)
                await asyncio.to_thread(os.fsync, file.fileno())
            await to_the_end(asyncio.to_thread(self._below.publish, name))
        except BaseException as error:
            await to_the_end(asyncio.to_thread(self._below.drop, name))
            if isinstance(error, OSError) and not isinstance(error, IN_THE_WAY):
                what = f"cannot write below {self._path}: {error.strerror}"
                raise VaultUnreachable(what) from error
            raise
        return source.told

    def _index(self, name: str, backup: DeletedObject) -> None:
        stored = backup.intent.backup
        line = msgspec.json.encode(
            {
                "key": backup.intent.key,
                "file": name,
                "size": stored.given_size,
                "sha256": stored.given_sha256,
                "headers": backup.intent.headers,
                **({"fidelity": "lossy"} if stored.is_lossy else {}),
            }
        )
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path / INDEX, flags, 0o600)
        except OSError as error:
            raise VaultUnreachable(
                f"cannot write {self._path / INDEX}: {error.strerror}"
            ) from error
        with os.fdopen(descriptor, "r+b") as index:
            if self._lines is None:
                self._lines = _lines_of(index)
            if (known := _hash(line)) not in self._lines:
                index.write(line + b"\n")
                self._lines.add(known)


def _lines_of(index: IO[bytes]) -> set[bytes]:
    """Hashes of the lines of an index, whose torn end, if it has one, is cut off."""
    lines, whole = set(), 0
    for line in index:
        if not line.endswith(b"\n"):
            index.truncate(whole)
            break
        lines.add(_hash(line[:-1]))
        whole += len(line)
    return lines


def _hash(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def indexed(path: Path) -> dict[str, tuple[str, ObjectHeaders]]:
    """What the index of a folder says: name -> key and headers. For a thread."""
    lines = (path / INDEX).read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=_Indexed) for line in lines]
    return {one.file: (one.key, one.headers) for one in found}


def sha256_of(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a file. For a thread."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


class _Indexed(msgspec.Struct, frozen=True):
    key: str
    file: str
    headers: ObjectHeaders


@dataclass(slots=True)
class FolderRestore:
    """One restore into a folder. `counts` and `lossy` are as those of `Restore`."""

    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    path: Path
    concurrency: int = 1
    accept_lossy: bool = False
    standby: Standby | None = None
    counts: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0
    lossy: int = 0
    from_replica: int = 0

    async def run(self, selection: Selection) -> None:
        """Write everything selected. One object's failure does not stop the others.

        An interrupted restore goes on where it stopped: what is there as it was is left alone.
        May wait, or raise `OperationCancelled`, between two batches, each of which is recorded.
        """
        folder = Folder(self.path, self.standby)
        async for backups, _ in select(self.audit, selection, open_too=True):
            for start in range(0, len(backups), _BATCH):
                await self.journal.checkpoint()
                written = await self._batch(folder, backups[start : start + _BATCH])
                await self.audit.append(self.operation_id, written)
                self._note(written)

    async def _batch(self, folder: Folder, batch: Sequence[DeletedObject]) -> list[Restored]:
        at_once = asyncio.Semaphore(self.concurrency)

        async def one(backup: DeletedObject) -> Restored:
            async with at_once:
                return await self._one(folder, backup)

        # `a` and `a/b` want the same name: which of them gets it must not be chance.
        keys = {backup.intent.key for backup in batch}
        below = [b for b in batch if keys & set(map(str, PurePosixPath(b.intent.key).parents))]
        later = {backup.intent.key for backup in below}
        written = await in_parallel(one(b) for b in batch if b.intent.key not in later)
        return [*written, *[await one(backup) for backup in below]]

    def _note(self, written: Sequence[Restored]) -> None:
        self.counts.update(result.outcome.value for result in written)
        self.lossy += sum(result.lossy for result in written)
        for result in written:
            if result.outcome not in _AS_INTENDED or result.lossy:
                self.journal.object_ended(result.outcome.value, result.key, result.reason)
        self.journal.tally(self.counts, restored=self.bytes_written)
        self.journal.progress("restore", sum(self.counts.values()))

    async def _one(self, folder: Folder, backup: DeletedObject) -> Restored:
        outcome, reason = RestoreOutcome.FAILED, ""
        lossy = backup.intent.backup.is_lossy
        if refused := refused_as_lossy(backup.intent, accept_lossy=self.accept_lossy):
            return refused.of(backup.intent.key, backup.operation_id)
        try:
            placed = await folder.write(self.files, backup)
            if placed.already:
                outcome, reason = RestoreOutcome.ALREADY_THERE, f"as {placed.name} in the folder"
            else:
                outcome, reason = RestoreOutcome.EXPORTED, f"written to {placed.name}"
                if placed.told:
                    self.from_replica += 1
                    reason += f"; {placed.told}"
                self.bytes_written += backup.intent.backup.given_size
        except BackupDamaged as error:
            reason = error.what
        except FileExistsError as error:
            reason = str(error)
        lossy &= outcome in _AS_INTENDED
        reason += f"; {LOSSY}" if lossy else ""
        return Written(outcome, None, reason, lossy).of(backup.intent.key, backup.operation_id)
