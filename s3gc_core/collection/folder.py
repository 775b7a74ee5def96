"""Restore into a folder: safe against `..`, links, and names no file system can carry."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection.restore import Selection, select
from s3gc_core.errors import VaultUnreachable
from s3gc_core.jobs import JobJournal
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    DeletedObject,
    Restored,
    RestoreOutcome,
)

INDEX = "s3gc-restored.jsonl"
_AWKWARD = "s3gc-awkward-keys"
# Objects written between two audit commits.
_BATCH = 64


def relative_name(key: str) -> str:
    """Where a key goes below the folder: as it reads where that is a plain path, hashed otherwise.

    Plain means: every part is a name of at most 255 bytes without control characters, and none
    is empty, `.` or `..`.
    """
    parts = key.split("/")
    plain = all(
        part not in ("", ".", "..", INDEX, _AWKWARD)
        and part.isprintable()
        and "\\" not in part
        and len(part.encode()) <= 255
        for part in parts
    )
    return key if plain else hashed_name(key)


def hashed_name(key: str) -> str:
    """A name for a key that cannot be a path; the index file tells which key it is."""
    return f"{_AWKWARD}/{hashlib.sha256(key.encode()).hexdigest()}"


class Folder:
    """A folder that restored objects are written into; existing files are never replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def write(self, files: BackupFiles, backup: DeletedObject) -> str:
        """Write one object, proven before and synced after; returns its name below the folder.

        Raises `BackupDamaged`, and `FileExistsError` where something is already there under both
        of its names.
        """
        intent = backup.intent
        await files.verify(intent.backup)
        names = dict.fromkeys((relative_name(intent.key), hashed_name(intent.key)))
        for name in names:
            try:
                descriptor = await asyncio.to_thread(self._create, name)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                # `a` beside `a/b`, or a file of an earlier restore: take the other name.
                continue
            await self._fill(descriptor, files.read(intent.backup))
            await asyncio.to_thread(self._index, name, backup)
            return name
        raise FileExistsError(f"{next(iter(names))} is already there")

    def _create(self, name: str) -> int:
        """Open a new file below the folder, without following a link at any step."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise VaultUnreachable(f"cannot open {self._path}: {error.strerror}") from error
        try:
            *parents, last = name.split("/")
            for part in parents:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.open(last, flags, 0o600, dir_fd=folder)
        except OSError as error:
            if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
                raise
            raise VaultUnreachable(f"cannot write below {self._path}: {error.strerror}") from error
        finally:
            os.close(folder)

    async def _fill(self, descriptor: int, chunks: AsyncIterator[bytes]) -> None:
        with os.fdopen(descriptor, "wb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(file.flush)
            await asyncio.to_thread(os.fsync, file.fileno())

    def _index(self, name: str, backup: DeletedObject) -> None:
        line = msgspec.json.encode(
            {
                "key": backup.intent.key,
                "file": name,
                "size": backup.intent.size,
                "sha256": backup.intent.backup.raw_sha256,
                "headers": backup.intent.headers,
            }
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path / INDEX, flags, 0o600)
        except OSError as error:
            raise VaultUnreachable(
                f"cannot write {self._path / INDEX}: {error.strerror}"
            ) from error
        with os.fdopen(descriptor, "ab") as index:
            index.write(line + b"\n")


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
    """One restore into a folder. `counts` tells how many objects ended how."""

    audit: AuditLog
    files: BackupFiles
    journal: JobJournal
    operation_id: str
    path: Path
    counts: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0

    async def run(self, selection: Selection) -> None:
        """Write everything selected. One object's failure does not stop the others.

        May wait, or raise `OperationCancelled`, between two batches, each of which is recorded.
        """
        folder = Folder(self.path)
        async for backups, _ in select(self.audit, selection):
            for start in range(0, len(backups), _BATCH):
                await self.journal.checkpoint()
                written = [await self._one(folder, b) for b in backups[start : start + _BATCH]]
                await self.audit.append(self.operation_id, written)
                self._note(written)

    def _note(self, written: Sequence[Restored]) -> None:
        self.counts.update(result.outcome.value for result in written)
        for result in written:
            if result.outcome is RestoreOutcome.FAILED:
                self.journal.object_ended(result.outcome.value, result.key, result.reason)
        self.journal.tally(self.counts, restored=self.bytes_written)
        self.journal.progress("restore", sum(self.counts.values()))

    async def _one(self, folder: Folder, backup: DeletedObject) -> Restored:
        outcome, reason = RestoreOutcome.FAILED, ""
        try:
            reason = f"written to {await folder.write(self.files, backup)}"
            outcome = RestoreOutcome.EXPORTED
            self.bytes_written += backup.intent.size
        except BackupDamaged as error:
            reason = error.what
        except FileExistsError as error:
            reason = str(error)
        return Restored(backup.intent.key, backup.operation_id, outcome, reason=reason)
