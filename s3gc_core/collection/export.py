"""Export: kept backups as plain files with a manifest, readable without s3gc."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection.sinks import FolderSink, Sink, TarSink, Written, disk_errors
from s3gc_core.parallel import to_the_end
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    BackupState,
    Fidelity,
    Outcome,
)
from s3gc_core.vault.names import slug_of

MANIFEST = "manifest.jsonl"
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


class _Manifest:
    """The lines of the manifest, on the disk until the end: there may be millions."""

    def __init__(self, folder: Path) -> None:
        self._file = _temporary(folder)
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, line: Line) -> None:
        """Add a line."""
        data = msgspec.json.encode(line) + b"\n"
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """All of it, for the sink."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk

    def written(self) -> Iterator[Written]:
        """The files that it names, and itself."""
        self._file.seek(0)
        for data in self._file:
            line = msgspec.json.decode(data, type=_File)
            yield Written(line.file, line.size, line.sha256)
        yield Written(MANIFEST, self.size, self._digest.hexdigest())

    def close(self) -> None:
        """Let it go."""
        self._file.close()


class _File(msgspec.Struct, frozen=True):
    file: str
    size: int
    sha256: str


def _temporary(folder: Path) -> IO[bytes]:
    with disk_errors(folder):
        return tempfile.TemporaryFile(dir=folder)


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
            manifest = await asyncio.to_thread(_Manifest, path.parent)
            try:
                await self._write(sink, manifest, operation_id, prefix)
            finally:
                manifest.close()
        except BaseException:
            await to_the_end(asyncio.to_thread(sink.abandon))
            raise

    async def _write(
        self, sink: Sink, manifest: _Manifest, operation_id: str | None, prefix: str
    ) -> None:
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
                await to_the_end(asyncio.to_thread(_add, sink, manifest, line, chunks))
        # The manifest comes last: an export that has one is whole.
        await to_the_end(asyncio.to_thread(sink.add, MANIFEST, manifest.size, manifest.chunks()))
        await to_the_end(asyncio.to_thread(sink.finish, manifest.written()))


def _add(sink: Sink, manifest: _Manifest, line: Line, chunks: Iterable[bytes]) -> None:
    sink.add(line.file, line.size, chunks)
    with disk_errors(Path(line.file)):
        manifest.add(line)


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
