"""Reading backups, from files of their own and from packs: every byte is compared on its way."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.errors import IdentityWrong
from s3gc_core.vault import jpegxl, tar
from s3gc_core.vault.encoding import Source, decode
from s3gc_core.vault.failures import BackupDamaged, disk_failure
from s3gc_core.vault.keyring import Keyring
from s3gc_core.vault.places import open_file, operation_folder, split_place
from s3gc_core.vault.records import COMPACT, StoredBackup
from s3gc_core.vault.sealing import Unsealed

if TYPE_CHECKING:
    from hashlib import _Hash

LOST = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EIO})
_PAGE = 4096
_CHUNK = 1 << 20


def checked_bytes(
    vault: Path, backup: StoredBackup, keyring: Keyring, *, from_disk: bool
) -> Generator[bytes, None, None]:
    """The object's bytes, or those of its compact copy, in chunks; raises `BackupDamaged` at the
    latest after the last one. Of an encrypted one also `IdentityMissing`, `IdentityWrong`.
    """
    descriptor = open_stored(vault, backup)
    try:
        if from_disk:
            drop_cached(descriptor, backup)
        yield from checked_from(descriptor, backup, keyring)
    finally:
        os.close(descriptor)


def decoded(source: Source, backup: StoredBackup, keyring: Keyring) -> Generator[bytes, None, None]:
    """What stored bytes hold, decrypted and decoded, in chunks. Raises as `decode`, and
    `IdentityMissing`, `IdentityWrong`.
    """
    if not backup.sealed:
        yield from decode(source, backup.codec)
        return
    unsealed = Unsealed(source, keyring.identities(backup), backup.stored_size)
    try:
        yield from decode(unsealed, backup.codec)
    finally:
        unsealed.close()


def checked_from(
    descriptor: int, backup: StoredBackup, keyring: Keyring
) -> Generator[bytes, None, None]:
    """`checked_bytes` of a file that is open already."""
    if (backup.fidelity == "lossy") != (backup.codec == COMPACT):
        raise BackupDamaged(f"{place_in_words(backup)}: {backup.codec} is not {backup.fidelity}")
    source = _Source(descriptor, backup)
    raw_sha256, raw_size = hashlib.sha256(), 0
    try:
        if backup.codec == jpegxl.CODEC:
            # A decoder of pictures sees no byte that we did not store.
            for _ in decode(source, "raw"):
                pass
            _compare(backup, "stored", source.size, source.sha256)
            source = _Source(descriptor, backup)
        for chunk in decoded(source, backup, keyring):
            raw_sha256.update(chunk)
            raw_size += len(chunk)
            if raw_size > backup.given_size:
                break
            yield chunk
    except IdentityWrong:
        # A damaged header looks like that of somebody else; what is damaged is never "not ours".
        _compare(backup, "stored", source.size, source.sha256)
        raise
    except BackupDamaged as error:
        raise BackupDamaged(f"{place_in_words(backup)}: {error.what}") from error
    except OSError as error:
        raise _unreadable(backup, error) from error
    _compare(backup, "stored", source.size, source.sha256)
    _compare(backup, "given", raw_size, raw_sha256)


def damage_of(
    descriptor: int, backup: StoredBackup, keyring: Keyring, *, opened: bool = True
) -> BackupDamaged | None:
    """What is wrong with a backup in a file that is open already; None where nothing is.

    Not `opened`, only its stored bytes are compared, which takes no key.
    """
    try:
        if not opened:
            _check_stored_in(descriptor, backup)
            return None
        for _ in checked_from(descriptor, backup, keyring):
            pass
    except BackupDamaged as error:
        return error
    return None


def check_stored(vault: Path, backup: StoredBackup) -> None:
    """Read a backup's stored bytes from the disk and compare them, as they are: no key is needed,
    and nothing is told of what they decode to. Raises `BackupDamaged`, `VaultUnreachable`.
    """
    descriptor = open_stored(vault, backup)
    try:
        drop_cached(descriptor, backup)
        _check_stored_in(descriptor, backup)
    finally:
        os.close(descriptor)


def _check_stored_in(descriptor: int, backup: StoredBackup) -> None:
    source = _Source(descriptor, backup)
    try:
        while source.read(_CHUNK):
            pass
    except OSError as error:
        raise _unreadable(backup, error) from error
    _compare(backup, "stored", source.size, source.sha256)


def place_of_backup(backup: StoredBackup) -> tuple[str, str]:
    """Operation id and file name. Raises `BackupDamaged` where no backup of ours lies so."""
    offset = backup.offset
    if offset is not None and (offset < tar.BLOCK or offset % tar.BLOCK):
        raise BackupDamaged(f"{place_in_words(backup)} is no place in the vault")
    return split_place(backup.path, packed=offset is not None)


def place_in_words(backup: StoredBackup) -> str:
    """Where it lies, for people."""
    if backup.offset is None:
        return backup.path
    return f"{backup.path} at {backup.offset}"


def open_stored(vault: Path, backup: StoredBackup) -> int:
    """Open the file that a backup lies in. Raises `BackupDamaged`, `VaultUnreachable`."""
    operation_id, name = place_of_backup(backup)
    try:
        with operation_folder(vault, operation_id) as folder:
            descriptor = open_file(folder, name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(backup, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BackupDamaged(f"{backup.path} is no file")
    return descriptor


def drop_cached(descriptor: int, backup: StoredBackup | None = None) -> None:
    """Make the next read come from the disk (where the system can), not from the page cache.

    Without `backup` of the whole file.
    """
    start = end = 0
    if backup is not None and backup.offset is not None:
        # Only whole pages are dropped.
        start = backup.offset - backup.offset % _PAGE
        end = backup.offset + backup.stored_size + _PAGE
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, start, end - start, os.POSIX_FADV_DONTNEED)


class _Source:
    """A backup's stored bytes being read, hashed as they pass. For `decode`."""

    def __init__(self, descriptor: int, backup: StoredBackup) -> None:
        self._descriptor = descriptor
        self._position = backup.offset or 0
        # A file of its own is read to its end, so that one byte too many is seen.
        self._end = None if backup.offset is None else backup.offset + backup.stored_size
        self.sha256 = hashlib.sha256()
        self.size = 0

    def read(self, size: int) -> bytes:
        if self._end is not None:
            size = min(size, self._end - self._position)
        data = os.pread(self._descriptor, size, self._position) if size > 0 else b""
        self._position += len(data)
        self.sha256.update(data)
        self.size += len(data)
        return data


def _unreadable(backup: StoredBackup, error: OSError) -> Exception:
    if error.errno in LOST:
        return BackupDamaged(f"{place_in_words(backup)} cannot be read: {error.strerror}")
    return disk_failure(f"reading {backup.path}", error)


def _compare(backup: StoredBackup, what: str, size: int, sha256: _Hash) -> None:
    place = place_in_words(backup)
    told = "raw" if what == "given" else what
    if size != getattr(backup, f"{what}_size"):
        raise BackupDamaged(f"{place} has another {told} size than recorded")
    if sha256.hexdigest() != getattr(backup, f"{what}_sha256"):
        raise BackupDamaged(f"{place} has other {told} bytes than recorded (SHA-256)")
