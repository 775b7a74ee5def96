"""A large backup that is in the vault already, once more: a hard link, which the disk counts.

So each operation's folder holds what it needs, and removing one name takes nothing from the others.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from s3gc_core.vault.failures import BackupNotDurable
from s3gc_core.vault.places import PART, operation_folder, split_place
from s3gc_core.vault.records import StoredBackup

# ext4 takes that many names of one file (vault notes, section 3).
MAX_LINKS = 65_000
# The file is gone, or cannot get another name: not on this disk, or not by us.
_NO_LINK = frozenset(
    {errno.ENOENT, errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP}
)


def link_backups(
    vault: Path, operation_id: str, pairs: Sequence[tuple[StoredBackup, StoredBackup]]
) -> list[StoredBackup | None]:
    """Give files of the vault another name each, in the operation's folder, durably.

    Each pair is a backup that was closed and not settled, and one of equal bytes that is in a file
    of its own; the first's own bytes are removed. None where there is no link: it is still to be
    settled. For a thread. Raises `BackupNotDurable`.
    """
    made: list[StoredBackup | None] = []
    try:
        with operation_folder(vault, operation_id) as folder:
            for new, old in pairs:
                of, name = split_place(new.path)
                if of != operation_id:
                    raise ValueError("a backup of another operation")
                linked = _link(vault, folder, name, old)
                if linked:
                    os.unlink(name + PART, dir_fd=folder)
                made.append(
                    msgspec.structs.replace(old, path=new.path, reused=True) if linked else None
                )
            if any(made):
                os.fsync(folder)
    except OSError as error:
        raise BackupNotDurable(f"the disk did not confirm: {error}") from error
    return made


def _link(vault: Path, folder: int, name: str, old: StoredBackup) -> bool:
    operation_id, there = split_place(old.path)
    try:
        with operation_folder(vault, operation_id) as source:
            found = os.stat(there, dir_fd=source, follow_symlinks=False)
            whole = stat.S_ISREG(found.st_mode) and found.st_size == old.stored_size
            if not whole or found.st_nlink >= MAX_LINKS:
                return False
            os.link(there, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True
