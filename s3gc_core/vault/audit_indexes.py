"""The audit log's indexes: whether they hold every record, and making them anew.

The hash chain speaks of the records, not of the indexes by which they are found: one that lost an
entry on the disk would hide a record from a question, though it is there and the chain verifies.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from s3gc_core.errors import AuditIndexDamaged, VaultUnreachable


def check_indexes(file: Path) -> None:
    """Compare every index with its table (SQLite: PRAGMA integrity_check).

    Raises `AuditIndexDamaged`, `VaultUnreachable`. Reads the whole file.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as found:
            [(told,), *_] = found.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise VaultUnreachable(f"{file} cannot be read: {error}") from error
        raise AuditIndexDamaged(f"{file}: {error}") from error
    if told != "ok":
        raise AuditIndexDamaged(f"{file}: {told}")


def remake_indexes(file: Path) -> None:
    """Make every index anew from its table. Raises `AuditIndexDamaged`, `VaultUnreachable`."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as log:
            log.execute("PRAGMA synchronous = FULL")
            log.execute("REINDEX")
    except sqlite3.OperationalError as error:
        raise VaultUnreachable(f"{file} cannot be written: {error}") from error
    except sqlite3.DatabaseError as error:
        raise AuditIndexDamaged(f"{file}: {error}") from error
    check_indexes(file)
