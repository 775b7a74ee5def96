"""Places in the vault: opened step by step, so that no link leads out of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from s3gc_core.vault.failures import BackupDamaged
from s3gc_core.vault.names import NAME, PACK_NAME

BACKUPS = "backups"
PART = ".part"
_OPERATION_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = _FOLDER | os.O_NOFOLLOW


def checked_operation_id(operation_id: str) -> str:
    """The id, if it can be the name of a folder. Raises `ValueError`."""
    if not _OPERATION_ID.fullmatch(operation_id):
        raise ValueError(f"{operation_id!r} is no operation id")
    return operation_id


def place_of(operation_id: str, name: str) -> str:
    """Where a backup lies, relative to the vault folder, as records have it."""
    return f"{BACKUPS}/{operation_id}/{name}"


def split_place(path: str, *, packed: bool = False) -> tuple[str, str]:
    """Operation id and file name of a recorded path: of a pack, or of a file with one backup.

    Raises `BackupDamaged` for any other path.
    """
    top, _, rest = path.partition("/")
    operation_id, _, name = rest.partition("/")
    names = PACK_NAME if packed else NAME
    if top != BACKUPS or not _OPERATION_ID.fullmatch(operation_id) or not names.fullmatch(name):
        raise BackupDamaged(f"{path!r} is no place in the vault")
    return operation_id, name


@contextmanager
def open_folder(vault: Path, *below: str) -> Iterator[int]:
    """A descriptor of a folder below the vault. Raises `OSError`; a link on the way is one.

    The vault folder itself may be reached through links: the operator named it.
    """
    descriptor = os.open(vault, _FOLDER)
    try:
        for name in below:
            inner = os.open(name, _BELOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def operation_folder(vault: Path, operation_id: str) -> AbstractContextManager[int]:
    """A descriptor of the folder that holds an operation's backups."""
    return open_folder(vault, BACKUPS, checked_operation_id(operation_id))


def create_file(folder: int, name: str) -> int:
    """Open a new file (0600) for writing. Raises `OSError`; a file or link there is one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=folder)


def open_file(folder: int, name: str, flags: int = os.O_RDONLY) -> int:
    """Open a file that is there. Raises `OSError`; a link is one."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def make_folder(parent: int, name: str) -> None:
    """Make a folder (0700) durable in its parent; one that is there already is made durable too."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    os.fsync(parent)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, however little the disk takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
