"""Where an export is written to: a new folder, or a new tar file.

It appears under its name when it is whole and read back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from s3gc_core.collection.folder import sha256_of
from s3gc_core.errors import VaultUnreachable
from s3gc_core.vault.failures import disk_failure

_PART = ".part"
_CHUNK = 1 << 20


class Written(NamedTuple):
    """One file of an export: its size in bytes, and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class Sink(Protocol):
    """What an export is written to. All methods are for a thread."""

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write one file."""
        ...

    def finish(self, written: Iterator[Written]) -> None:
        """Make it durable, compare it with all that was `written`, in that order, and give it its
        name.
        """
        ...

    def abandon(self) -> None:
        """Remove what was written."""
        ...


class FolderSink:
    """A new folder."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, _new_part(path)
        with disk_errors(path):
            self._part.mkdir(mode=0o700, parents=True)

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """See `Sink`."""
        with disk_errors(self._path):
            place = self._part / name
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with place.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())

    def finish(self, written: Iterator[Written]) -> None:
        """See `Sink`."""
        with disk_errors(self._path):
            for file in written:
                _compare(Written(file.name, *sha256_of(self._part / file.name)), file)
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
        with disk_errors(path):
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
        with disk_errors(self._path):
            self._tar.addfile(member, _Chunks(chunks))
            _forget_members(self._tar)

    def finish(self, written: Iterator[Written]) -> None:
        """See `Sink`."""
        with disk_errors(self._path):
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._read_back(written)
            # Never over a file that came meanwhile, as a rename would be.
            os.link(self._part, self._path)
            self._part.unlink()
            _sync_folder(self._path.parent)

    def _read_back(self, written: Iterator[Written]) -> None:
        with tarfile.open(self._part, "r|") as tar:
            for member in tar:
                file = tar.extractfile(member)
                digest = hashlib.sha256()
                while file is not None and (chunk := file.read(_CHUNK)):
                    digest.update(chunk)
                found = Written(member.name, member.size, digest.hexdigest())
                _compare(found, next(written, None))
                _forget_members(tar)
        if missing := next(written, None):
            raise VaultUnreachable(f"{missing.name} is not in the exported file")

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


def _forget_members(tar: tarfile.TarFile) -> None:
    # It remembers each that it read or wrote, and there may be millions.
    tar.members = []  # type: ignore[attr-defined]


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


def _compare(found: Written, expected: Written | None) -> None:
    if found != expected:
        raise VaultUnreachable(f"{found.name} was read back with other bytes than were written")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raises what stands in the way of writing there as `VaultUnreachable` and the like."""
    try:
        yield
    except OSError as error:
        raise disk_failure(f"exporting to {path}", error) from error
