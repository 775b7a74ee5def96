"""The vault's files as bytes, for whoever copies them elsewhere, and brings them back. For threads.

What the bytes must be is told by hashes; what they mean is nobody's business here.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from s3gc_core.vault.failures import BackupDamaged, disk_failure
from s3gc_core.vault.keyring import Keyring
from s3gc_core.vault.names import PACK_NAME
from s3gc_core.vault.packs import SEALED_MODE, cut_and_seal
from s3gc_core.vault.places import (
    BACKUPS,
    PART,
    create_file,
    make_folder,
    open_file,
    open_folder,
    operation_folder,
    split_place,
    write_all,
)
from s3gc_core.vault.records import StoredBackup
from s3gc_core.vault.stored_bytes import LOST, damage_of, drop_cached

_CHUNK = 1 << 20
_PAGE = 4096


def is_pack(path: str) -> bool:
    """Whether a recorded path is that of a pack."""
    return PACK_NAME.fullmatch(path.rpartition("/")[2]) is not None


def read_range(vault: Path, path: str, start: int, end: int) -> bytes:
    """Bytes `start` to `end` of a file of the vault.

    Raises `BackupDamaged` where the file is gone or shorter, `VaultUnreachable`.
    """
    operation_id, name = split_place(path, packed=is_pack(path))
    try:
        with operation_folder(vault, operation_id) as folder:
            descriptor = open_file(folder, name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            data = _read(descriptor, start, end)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) != end - start:
        raise BackupDamaged(f"{path} is shorter than recorded")
    return data


def sha256_of_file(vault: Path, path: str) -> str:
    """SHA-256 (hex) of a whole file. Raises as `read_range`."""
    operation_id, name = split_place(path, packed=is_pack(path))
    digest = hashlib.sha256()
    try:
        with operation_folder(vault, operation_id) as folder:
            descriptor = open_file(folder, name, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def holds(vault: Path, path: str, ranges: Iterable[tuple[int, int, str]]) -> bool:
    """Whether a file is there with these (start, end, SHA-256 in hex), and, unless it is a pack,
    nothing else.
    """
    end = 0
    try:
        for start, end, sha256 in ranges:
            if hashlib.sha256(read_range(vault, path, start, end)).hexdigest() != sha256:
                return False
        if is_pack(path):
            return True
        operation_id, name = split_place(path)
        with operation_folder(vault, operation_id) as folder:
            return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size == end
    except BackupDamaged:
        return False


def holds_more(vault: Path, path: str, end: int) -> bool:
    """Whether a pack that is still written to is there, and holds more than `end` bytes."""
    operation_id, name = split_place(path, packed=True)
    try:
        with operation_folder(vault, operation_id) as folder:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk_failure(f"looking at {path}", error) from error
    return stat.S_IMODE(found.st_mode) != SEALED_MODE and found.st_size > end


class Refilling:
    """A file of the vault, written anew from its parts; it has its name once `finish` returns.

    All methods raise `VaultFull`, `VaultUnreachable`. In a thread each has to come to its end
    before `close`, also where its caller is cancelled: a closed file's number is given to another.
    """

    def __init__(self, vault: Path, path: str) -> None:
        self._vault = vault
        self._path = path
        self._operation_id, self._name = split_place(path, packed=is_pack(path))
        self._descriptor = -1

    def begin(self) -> None:
        """Make the file, under a temporary name, and its folder."""
        try:
            with open_folder(self._vault) as vault:
                make_folder(vault, BACKUPS)
            with open_folder(self._vault, BACKUPS) as backups:
                make_folder(backups, self._operation_id)
            with operation_folder(self._vault, self._operation_id) as folder:
                _remove(folder, self._name + PART)
                self._descriptor = create_file(folder, self._name + PART)
        except OSError as error:
            raise disk_failure(f"making {self._path}", error) from error

    def write(self, start: int, data: bytes) -> None:
        """Put a part where it belongs."""
        try:
            os.lseek(self._descriptor, start, os.SEEK_SET)
            write_all(self._descriptor, data)
        except OSError as error:
            raise disk_failure(f"writing {self._path}", error) from error

    def copy_old(self) -> None:
        """Take over what the disk still gives of the file that has the name now."""
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                old = open_file(folder, self._name, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in LOST:
                return
            raise disk_failure(f"reading {self._path}", error) from error
        with os.fdopen(old, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(old).st_mode):
                return
            for start in range(0, os.fstat(old).st_size, _CHUNK):
                self._copy(file.fileno(), start, _CHUNK)

    def _copy(self, old: int, start: int, size: int) -> None:
        try:
            data = os.pread(old, size, start)
        except OSError as error:
            if error.errno not in LOST:
                raise disk_failure(f"reading {self._path}", error) from error
            # What the disk has lost is left out, and of what lies around it as little as can be.
            if size > _PAGE:
                for page in range(start, start + size, _PAGE):
                    self._copy(old, page, _PAGE)
        else:
            self.write(start, data)

    def seal(self, end: int) -> None:
        """Cut and seal it as a pack whose last recorded backup ends at `end`: see `end_pack`."""
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                cut_and_seal(folder, self._name + PART, end)
        except OSError as error:
            raise disk_failure(f"sealing {self._path}", error) from error

    def damage(
        self, backups: Iterable[StoredBackup], keyring: Keyring
    ) -> list[BackupDamaged | None]:
        """What is wrong with each of the file's backups, as the disk has them under the temporary
        name; None where nothing is. What no key is here for is compared as it is stored.
        """
        try:
            os.fsync(self._descriptor)
            with operation_folder(self._vault, self._operation_id) as folder:
                descriptor = open_file(folder, self._name + PART)
        except OSError as error:
            raise disk_failure(f"writing {self._path}", error) from error
        try:
            drop_cached(descriptor)
            return [
                damage_of(descriptor, backup, keyring, opened=keyring.may_open(backup))
                for backup in backups
            ]
        finally:
            os.close(descriptor)

    def sha256(self) -> str:
        """SHA-256 (hex) of all that was written."""
        digest = hashlib.sha256()
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                descriptor = open_file(folder, self._name + PART)
            with os.fdopen(descriptor, "rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise disk_failure(f"reading {self._path}{PART}", error) from error
        return digest.hexdigest()

    def drop(self) -> None:
        """Remove the file under its temporary name; the one that has the name stays."""
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                _remove(folder, self._name + PART)
        except OSError as error:
            raise disk_failure(f"removing {self._path}{PART}", error) from error

    def finish(self) -> None:
        """Sync the file and give it its name, over one that is not what it should be."""
        try:
            os.fsync(self._descriptor)
            with operation_folder(self._vault, self._operation_id) as folder:
                os.rename(self._name + PART, self._name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
        except OSError as error:
            raise disk_failure(f"writing {self._path}", error) from error

    def close(self) -> None:
        """Close the file, whatever became of it."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _read(descriptor: int, start: int, end: int) -> bytes:
    pieces = []
    while start < end and (piece := os.pread(descriptor, end - start, start)):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


def _unreadable(path: str, error: OSError) -> Exception:
    if error.errno in LOST:
        return BackupDamaged(f"{path} cannot be read: {error.strerror}")
    return disk_failure(f"reading {path}", error)
