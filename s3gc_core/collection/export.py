"""Export: kept backups as plain files with a manifest, readable without s3gc.

Into a new folder, or a new tar file. It appears under its name when it is whole and read back.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection.folder import sha256_of
from s3gc_core.errors import VaultUnreachable
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    BackupState,
    Fidelity,
    Outcome,
)
from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.names import slug_of

MANIFEST = "manifest.jsonl"
_PART = ".part"
_CHUNK = 1 << 20


class Line(msgspec.Struct, frozen=True):
    """One line of the manifest: the object as it was, and the file that holds its bytes.

    `at` (UTC) is when its backup or what became of it (`outcome`) was recorded. Of `lossy` fidelity
    the file is the compact copy of a picture, and size and SHA-256 are its own.
    """

    key: str
    file: str
    operation_id: str
    size: int
    sha256: str
    etag: str
    version_id: str | None
    last_modified: datetime
    at: datetime
    outcome: Outcome | None
    headers: ObjectHeaders
    fidelity: Fidelity = "exact"


class Sink(Protocol):
    """What an export is written to. All methods are for a thread."""

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write one file."""
        ...

    def finish(self, written: dict[str, tuple[int, str]]) -> None:
        """Make it durable, read it back (name -> size and SHA-256), give it its name."""
        ...

    def abandon(self) -> None:
        """Remove what was written."""
        ...


class FolderSink:
    """A new folder."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _new_part(path)
        with _disk(path):
            self._part.mkdir(mode=0o700, parents=True)

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """See `Sink`."""
        with _disk(self._path):
            place = self._part / name
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with place.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())

    def finish(self, written: dict[str, tuple[int, str]]) -> None:
        """See `Sink`."""
        with _disk(self._path):
            for name, expected in written.items():
                _compare(name, sha256_of(self._part / name), expected)
            for folder in (self._part, *(p for p in self._part.rglob("*") if p.is_dir())):
                _sync_folder(folder)
            _refuse_existing(self._path)
            self._part.rename(self._path)
            _sync_folder(self._path.parent)

    def abandon(self) -> None:
        """See `Sink`."""
        shutil.rmtree(self._part, ignore_errors=True)


class TarSink:
    """A new tar file."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _new_part(path)
        with _disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
            self._tar = tarfile.TarFile(
                fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_CHUNK
            )

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """See `Sink`."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        with _disk(self._path):
            self._tar.addfile(member, _Chunks(chunks))

    def finish(self, written: dict[str, tuple[int, str]]) -> None:
        """See `Sink`."""
        with _disk(self._path):
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._read_back(written)
            # Never over a file that came meanwhile, as a rename would be.
            os.link(self._part, self._path)
            self._part.unlink()
            _sync_folder(self._path.parent)

    def _read_back(self, written: dict[str, tuple[int, str]]) -> None:
        left = dict(written)
        with tarfile.open(self._part, "r|") as tar:
            for member in tar:
                file = tar.extractfile(member)
                digest = hashlib.sha256()
                while file is not None and (chunk := file.read(_CHUNK)):
                    digest.update(chunk)
                _compare(member.name, (member.size, digest.hexdigest()), left.pop(member.name))
        if left:
            raise VaultUnreachable(f"{next(iter(left))} is not in the exported file")

    def abandon(self) -> None:
        """See `Sink`."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class _Chunks:
    """Chunks as a file that tarfile reads, which takes a short read for the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = bytearray()

    def read(self, size: int = _CHUNK, /) -> bytes:
        """Exactly `size` bytes, but for the last ones."""
        while len(self._left) < size and (chunk := next(self._chunks, None)) is not None:
            self._left += chunk
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken


@dataclass(slots=True)
class Export:
    """One export. `damaged` holds key and reason of each backup that is not in it; `lossy` is how
    many are compact copies.
    """

    audit: AuditLog
    files: BackupFiles
    exported: int = 0
    lossy: int = 0
    bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, path: Path, operation_id: str | None, prefix: str) -> None:
        """Write all kept backups of an operation, or of keys with a prefix, or all there are.

        Raises `VaultUnreachable` where something is at `path`; nothing stays of an export that
        did not end.
        """
        kind = TarSink if path.name.endswith(".tar") else FolderSink
        sink: Sink = await asyncio.to_thread(kind, path)
        try:
            await self._write(sink, operation_id, prefix)
        except BaseException:
            await to_the_end(asyncio.to_thread(sink.abandon))
            raise

    async def _write(self, sink: Sink, operation_id: str | None, prefix: str) -> None:
        written: dict[str, tuple[int, str]] = {}
        lines: list[bytes] = []
        async for page in self.audit.backups(operation_id):
            for backup in page:
                if not backup.intent.key.startswith(prefix):
                    continue
                stored = backup.intent.backup
                try:
                    await self.files.verify(stored)
                except BackupDamaged as error:
                    self.damaged.append((backup.intent.key, error.what))
                    continue
                self.exported += 1
                self.bytes += stored.given_size
                self.lossy += stored.is_lossy
                line = _line(backup, self.exported)
                chunks = self.files.open_raw(stored)
                await to_the_end(asyncio.to_thread(sink.add, line.file, line.size, chunks))
                written[line.file] = (line.size, line.sha256)
                lines.append(msgspec.json.encode(line) + b"\n")
        # The manifest comes last: an export that has one is whole.
        manifest = b"".join(lines)
        await to_the_end(asyncio.to_thread(sink.add, MANIFEST, len(manifest), [manifest]))
        written[MANIFEST] = (len(manifest), hashlib.sha256(manifest).hexdigest())
        await to_the_end(asyncio.to_thread(sink.finish, written))


def _line(backup: BackupState, number: int) -> Line:
    intent = backup.intent
    # Numbered: any key, any number of times, on any file system. The slug only helps people.
    name = "-".join(filter(None, (f"{number:08}", slug_of(intent.key))))
    return Line(
        intent.key,
        f"objects/{backup.operation_id}/{name}",
        backup.operation_id,
        intent.backup.given_size,
        intent.backup.given_sha256,
        intent.etag,
        intent.version_id,
        intent.last_modified,
        backup.at,
        backup.outcome,
        intent.headers,
        intent.backup.fidelity,
    )


def _new_part(path: Path) -> Path:
    part = path.with_name(path.name + _PART)
    for place in (path, part):
        _refuse_existing(place)
    return part


def _refuse_existing(place: Path) -> None:
    if os.path.lexists(place):
        raise VaultUnreachable(
            f"{place} is already there",
            why="an export never overwrites anything",
            next_step="name a place where nothing is yet, or remove it",
        )


def _compare(name: str, found: tuple[int, str], expected: tuple[int, str]) -> None:
    if found != expected:
        raise VaultUnreachable(f"{name} was read back with other bytes than were written")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_failure(f"exporting to {path}", error) from error
