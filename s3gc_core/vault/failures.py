"""What can be wrong with a backup, and how errors of the local disk and of SQLite are told."""

from __future__ import annotations

import errno
import sqlite3

from s3gc_core.errors import AuditBroken, S3gcError, VaultFull, VaultUnreachable

# No room on the disk, over the user's quota, or over the process's file size limit.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_A_DATABASE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class BackupDamaged(S3gcError):
    """A backup is not, byte for byte, what was recorded: it cannot be read, decoded or trusted."""

    why = "an object may only be deleted or restored when its backup is proven to be exact"
    next_step = (
        "check the vault's disk; with a replica `s3gc vault verify --repair` puts the file back,"
        " else do it from a copy of the vault folder"
    )


class BackupNotDurable(S3gcError):
    """The disk did not confirm a backup. Nothing that depends on it may be deleted.

    After a failed fsync the kernel may have dropped the data, so a second fsync that succeeds
    says nothing: the file must be written anew.
    """

    why = "what is not durably on disk is no backup"
    next_step = "check the vault's disk (`dmesg`), then run again"


def disk_failure(doing: str, error: OSError) -> VaultFull | VaultUnreachable:
    """The error to raise where the vault's disk refused: no room, or anything else."""
    if error.errno in _NO_ROOM:
        return VaultFull(f"vault-space: no room while {doing}: {error.strerror}")
    return VaultUnreachable(f"failed while {doing}: {error.strerror}")


def database_failure(error: sqlite3.Error) -> S3gcError:
    """The error to raise where SQLite failed on the audit log."""
    # Python sets the code only where SQLite itself reported the error; the low byte is the class.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return VaultFull(f"vault-space: no room for the audit log: {error}")
    if code in _NOT_A_DATABASE:
        return AuditBroken(f"audit.db is damaged: {error}")
    return VaultUnreachable(f"the audit log cannot be used: {error}")
