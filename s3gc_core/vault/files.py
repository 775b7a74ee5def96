"""The backup files of the vault: `backups/<operation_id>/<name>`, durable before they count.

The order is the vault notes' (section 5): write under a temporary name, fsync, rename, fsync the
folder, read back from the disk. Files are 0600, folders 0700; no link below the vault is followed.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import inspect
import os
import stat
from collections.abc import AsyncIterator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.vault.encoding import decode
from s3gc_core.vault.failures import BackupDamaged, BackupNotDurable, disk_failure
from s3gc_core.vault.places import (
    BACKUPS,
    PART,
    checked_operation_id,
    make_folder,
    open_file,
    open_folder,
    operation_folder,
    place_of,
    split_place,
)
from s3gc_core.vault.records import StoredBackup
from s3gc_core.vault.writer import BackupWriter

if TYPE_CHECKING:
    from hashlib import _Hash

# Threads that sync files at once: three to four times the rate of one (vault notes, section 3).
SYNC_THREADS = 16
_LOST = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EIO})


class BackupFiles:
    """All backup files of one vault.

    The coroutines do their work in threads and may be cancelled: what a thread has begun it ends.
    The plain methods touch the disk only briefly, or, where they say so, belong in a thread.
    """

    def __init__(self, vault_path: Path) -> None:
        self._vault = vault_path

    async def create_operation(self, operation_id: str) -> None:
        """Make the operation's folder, durable with its parents.

        Raises `VaultFull`, `VaultUnreachable`.
        """
        await asyncio.to_thread(self._create_operation, checked_operation_id(operation_id))

    def open_writer(
        self, operation_id: str, key: str, level: int, size: int | None
    ) -> BackupWriter:
        """A writer for one object's backup; touches no disk yet.

        `level` is zstd's, for what compresses; `size` (bytes) is checked where it is given.
        """
        checked_operation_id(operation_id)
        return BackupWriter(self._vault, operation_id, key, level, size)

    async def settle(self, operation_id: str, backups: Sequence[StoredBackup]) -> None:
        """Make closed backups durable under their final names; returns only when they are.

        Raises `BackupNotDurable` where the disk does not confirm one of them. None of this batch
        may then be relied on, and nothing is tried again on the same files.
        """
        if backups:
            await asyncio.to_thread(self._settle, operation_id, backups)

    async def verify(self, backup: StoredBackup) -> None:
        """Read a settled backup back from the disk, not from memory, and compare everything.

        Stored bytes, decoded bytes, both sizes. Raises `BackupDamaged`, `VaultUnreachable`.
        """
        await asyncio.to_thread(self._verify, backup)

    async def read(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        """`open_raw` for the event loop: each chunk is read and decoded in a thread."""
        chunks = self.open_raw(backup)
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                yield chunk
        finally:
            # Cancelled midway, the thread still is in it, and ends it by dropping it.
            if inspect.getgeneratorstate(chunks) != inspect.GEN_RUNNING:
                chunks.close()

    def open_raw(self, backup: StoredBackup) -> Generator[bytes, None, None]:
        """The object's bytes in chunks of at most 1 MiB. For a thread.

        Raises `BackupDamaged`, at the latest after the last chunk: whoever writes the bytes
        elsewhere must not call it done before this ends well.
        """
        yield from self._checked(backup, from_disk=False)

    def strays(self, operation_id: str, known: set[str]) -> list[Path]:
        """Files of an operation that no record knows, temporary ones included.

        `known` holds recorded paths, relative to the vault. An operation without a folder has none.
        """
        try:
            with operation_folder(self._vault, operation_id) as folder, os.scandir(folder) as found:
                places = [
                    place_of(operation_id, entry.name)
                    for entry in found
                    if not entry.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_failure(f"looking through backups of {operation_id}", error) from error
        return [self._vault / place for place in sorted(places) if place not in known]

    def remove(self, path: Path) -> None:
        """Remove a stray. One that is gone already is no error; a link is removed, not followed."""
        operation_id, name = path.relative_to(self._vault / BACKUPS).parts
        self._unlink(operation_id, name)

    def remove_backup(self, backup: StoredBackup) -> None:
        """Remove the file of a purged backup. One that is gone already is no error."""
        self._unlink(*split_place(backup.path))

    def is_present(self, backup: StoredBackup) -> bool:
        """Whether the file is there in its full size; what it holds only `verify` tells."""
        operation_id, name = split_place(backup.path)
        try:
            with operation_folder(self._vault, operation_id) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in _LOST:
                return False
            raise disk_failure(f"looking at {backup.path}", error) from error
        return stat.S_ISREG(found.st_mode) and found.st_size == backup.stored_size

    def free_space(self) -> int:
        """Bytes that we may still write to the vault's disk."""
        try:
            disk = os.statvfs(self._vault)
        except OSError as error:
            raise disk_failure("asking for the free space", error) from error
        return disk.f_bavail * disk.f_frsize

    # In threads

    def _create_operation(self, operation_id: str) -> None:
        try:
            with open_folder(self._vault) as vault:
                make_folder(vault, BACKUPS)
            with open_folder(self._vault, BACKUPS) as backups:
                make_folder(backups, operation_id)
            with operation_folder(self._vault, operation_id) as folder:
                os.fsync(folder)
        except OSError as error:
            raise disk_failure(f"making the folder of {operation_id}", error) from error

    def _settle(self, operation_id: str, backups: Sequence[StoredBackup]) -> None:
        names = [split_place(backup.path) for backup in backups]
        if any(of != operation_id for of, _ in names):
            raise ValueError("a backup of another operation")
        try:
            with (
                operation_folder(self._vault, operation_id) as folder,
                ThreadPoolExecutor(min(SYNC_THREADS, len(names))) as threads,
            ):
                # All are waited for, also when one fails; then nothing is renamed.
                list(threads.map(lambda of_name: _sync(folder, of_name[1] + PART), names))
                for _, name in names:
                    _give_name(folder, name)
                os.fsync(folder)
        except OSError as error:
            raise BackupNotDurable(f"the disk did not confirm: {error}") from error

    def _verify(self, backup: StoredBackup) -> None:
        for _ in self._checked(backup, from_disk=True):
            pass

    def _checked(self, backup: StoredBackup, *, from_disk: bool) -> Generator[bytes, None, None]:
        source = _open_source(self._vault, backup, from_disk=from_disk)
        raw_sha256, raw_size = hashlib.sha256(), 0
        try:
            for chunk in decode(source, backup.codec):
                raw_sha256.update(chunk)
                raw_size += len(chunk)
                if raw_size > backup.raw_size:
                    break
                yield chunk
        except BackupDamaged as error:
            raise BackupDamaged(f"{backup.path}: {error.what}") from error
        except OSError as error:
            raise _unreadable(backup, error) from error
        finally:
            source.close()
        _compare(backup, "stored", source.size, source.sha256)
        _compare(backup, "raw", raw_size, raw_sha256)

    def _unlink(self, operation_id: str, name: str) -> None:
        try:
            with operation_folder(self._vault, operation_id) as folder:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_failure(f"removing {place_of(operation_id, name)}", error) from error


class _Source:
    """A file being read, hashed as it passes. For `decode`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int) -> bytes:
        data = os.read(self._descriptor, size)
        self.sha256.update(data)
        self.size += len(data)
        return data

    def close(self) -> None:
        os.close(self._descriptor)


def _open_source(vault: Path, backup: StoredBackup, *, from_disk: bool) -> _Source:
    operation_id, name = split_place(backup.path)
    try:
        with operation_folder(vault, operation_id) as folder:
            descriptor = open_file(folder, name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(backup, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BackupDamaged(f"{backup.path} is no file")
    if from_disk:
        drop_cached(descriptor)
    return _Source(descriptor)


def drop_cached(descriptor: int) -> None:
    """Make the next read come from the disk (where the system can), not from the page cache."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _unreadable(backup: StoredBackup, error: OSError) -> Exception:
    if error.errno in _LOST:
        return BackupDamaged(f"{backup.path} cannot be read: {error.strerror}")
    return disk_failure(f"reading {backup.path}", error)


def _compare(backup: StoredBackup, what: str, size: int, sha256: _Hash) -> None:
    if size != getattr(backup, f"{what}_size"):
        raise BackupDamaged(f"{backup.path} has another {what} size than recorded")
    if sha256.hexdigest() != getattr(backup, f"{what}_sha256"):
        raise BackupDamaged(f"{backup.path} has other {what} bytes than recorded (SHA-256)")


def _sync(folder: int, name: str) -> None:
    descriptor = open_file(folder, name)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_name(folder: int, name: str) -> None:
    """Rename to the final name; never over a file, which could be the backup of a record."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name + PART, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise FileExistsError(errno.EEXIST, "a file of this name is already there", name)
