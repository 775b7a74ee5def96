"""Writing the audit log anew, row by row as it was hashed, for a vault that was lost.

It grows beside its place, through the same triggers, and takes it only as a whole: a log that lacks
its last records would have their backups cleared away as strays.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from s3gc_core.errors import VaultNotEmpty, VaultUnreachable
from s3gc_core.local_store import LocalStore
from s3gc_core.vault import audit_reading as reading
from s3gc_core.vault.audit import FILE
from s3gc_core.vault.audit_indexes import check_indexes
from s3gc_core.vault.audit_schema import SCHEMA, guard
from s3gc_core.vault.chain import ChainCheck, Row
from s3gc_core.vault.failures import database_failure, disk_failure
from s3gc_core.vault.places import open_folder

_BESIDE = f"{FILE}.rebuilding"
_SIDE_FILES = ("", "-wal", "-shm")


async def refuse_a_log(vault: Path) -> None:
    """Raise `VaultNotEmpty` where the vault has an audit log with a record in it."""
    if not (vault / FILE).exists():
        return
    store = await LocalStore.open(vault / FILE)
    try:
        seq, _ = await store.read(_head)
    except sqlite3.Error as error:
        raise database_failure(error) from error
    finally:
        await store.close()
    if seq:
        raise VaultNotEmpty(f"{vault} holds an audit log of {seq} records")


class LogRebuilding:
    """A log that grows beside its place: `begin`, `add` in order, `take_place`, and `close`."""

    def __init__(self, vault: Path) -> None:
        self._vault = vault
        self._chain = ChainCheck()
        self._store: LocalStore | None = None

    async def begin(self) -> None:
        """Begin with an empty log, whatever an earlier try left. Raises `VaultUnreachable`."""
        await asyncio.to_thread(_remove, self._vault, _BESIDE)
        self._store = await LocalStore.open(self._vault / _BESIDE, SCHEMA)
        await self._store.run(guard)

    async def add(self, rows: Sequence[Row]) -> None:
        """Add the next rows. Raises `AuditBroken` where they do not continue the chain."""
        if self._store is None:
            raise RuntimeError("not begun")
        self._chain.follow(rows)
        try:
            await self._store.run(_insert, rows)
        except sqlite3.Error as error:
            raise database_failure(error) from error

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash (hex) of the last row that was added."""
        return self._chain.seq, self._chain.hash.hex()

    async def take_place(self) -> None:
        """Make it the vault's audit log, durably. Raises `VaultNotEmpty` where there is one, and
        `VaultUnreachable` where the disk does not take all of it.
        """
        await self.close()
        await refuse_a_log(self._vault)
        # As it is on the disk: closing says nothing of a disk that became full at the last moment.
        await asyncio.to_thread(check_indexes, self._vault / _BESIDE)
        await asyncio.to_thread(_move, self._vault)

    async def close(self) -> None:
        """Close the file; SQLite then has all of it in its one file."""
        store, self._store = self._store, None
        if store is not None:
            await store.close()


def _head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit'").fetchone()
    return reading.head(connection) if known else (0, b"")


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _remove(vault: Path, name: str) -> None:
    try:
        for suffix in _SIDE_FILES:
            with suppress(FileNotFoundError):
                (vault / (name + suffix)).unlink()
    except OSError as error:
        raise disk_failure(f"removing {name}", error) from error


def _move(vault: Path) -> None:
    try:
        unwritten = (vault / f"{_BESIDE}-wal").stat().st_size
    except FileNotFoundError:
        unwritten = 0
    if unwritten:
        raise VaultUnreachable(f"{vault}: {unwritten} bytes of the log are not in their place yet")
    _remove(vault, FILE)
    try:
        with open_folder(vault) as folder:
            os.rename(_BESIDE, FILE, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise disk_failure(f"writing {FILE}", error) from error
