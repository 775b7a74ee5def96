"""Named instants of the product at which a child process ends itself, or is made wrong on purpose.

The product knows nothing of this: its functions are wrapped from outside, in the child only.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from s3gc_core import local_store
from s3gc_core.actions import repairing
from s3gc_core.bucket import Bucket, deleting
from s3gc_core.collection import deduplication, execute, recovery, restore
from s3gc_core.collection.below import Below
from s3gc_core.collection.execute import Execution
from s3gc_core.collection.folder import Folder
from s3gc_core.judgement import Catalogue
from s3gc_core.references import catching_up
from s3gc_core.replica import ReplicaStore
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    Intent,
    anchors,
    audit,
    files,
    manifest,
    packs,
    shipping_bytes,
)
from s3gc_core.vault.writer import BackupWriter

Function = Callable[..., Any]

# Where each point lies: the object that holds the function, and the function's name there.
POINTS: dict[str, tuple[Any, str]] = {
    "audit-append": (AuditLog, "_add"),
    "audit-rows": (audit, "_append"),  # within the transaction: its rows are not committed yet
    "anchor": (AuditLog, "anchor"),
    "anchor-line": (anchors, "write_all"),
    "make-folder": (BackupFiles, "create_operation"),
    "write": (BackupWriter, "write"),
    "close": (BackupWriter, "close"),
    "settle": (BackupFiles, "settle"),
    "link": (files, "link_backups"),
    "reused": (deduplication.Deduplication, "old_copies"),
    "fsync": (os, "fsync"),
    "rename": (os, "rename"),
    "pack-bytes": (packs, "write_all"),  # those of the end too
    "pack-sync": (os, "fdatasync"),
    "pack-end": (BackupFiles, "end_pack"),
    "pack-cut": (os, "ftruncate"),
    "pack-sealed": (os, "fchmod"),
    "manifest": (BackupFiles, "write_manifest"),
    "manifest-bytes": (manifest, "write_all"),
    "verify": (BackupFiles, "verify"),
    "read-back": (BackupFiles, "verify_packed"),
    "judge-again": (Execution, "_judge_again"),
    "delete": (Bucket, "delete_batch"),
    "probe-delete": (deleting, "delete_one"),  # of the store's probe, with a wrong ETag
    "head": (Bucket, "head"),
    "put": (Bucket, "put"),
    "compare": (restore, "differences"),
    "folder-publish": (Below, "publish"),
    "folder-index": (Folder, "_index"),
    "classify": (recovery, "classify_intent"),
    "remove-stray": (BackupFiles, "remove"),
    "add-listing": (Catalogue, "add_listing"),
    "refresh": (catching_up, "refresh"),
    "add-unreferenced": (Catalogue, "add_unreferenced"),
    "add-candidates": (Catalogue, "add_candidates"),
    "add-folders": (Catalogue, "add_folders"),
    "create-plan": (Catalogue, "create_plan"),
    "finish-scan": (Catalogue, "finish_scan"),
    "replica-put": (ReplicaStore, "put"),
    "repair-bytes": (shipping_bytes, "write_all"),
    "repair-finish": (shipping_bytes.Refilling, "finish"),
    "repair-tidy": (repairing, "tidy"),
}


class Fault:
    """`POINT:WHEN:N[:SIGNAL]`: at the Nth call of POINT, `before`, `after` or `half` of it, the
    process sends itself SIGNAL (SIGKILL).
    """

    def __init__(self, text: str) -> None:
        point, self.when, number, *sent = text.split(":")
        self.where = POINTS[point]
        self.number = int(number)
        self.signal = signal.Signals[sent[0]] if sent else signal.SIGKILL
        self._calls = 0
        self._lock = threading.Lock()  # some points lie in threads

    def install(self) -> None:
        """Wrap the function."""
        holder, name = self.where
        original: Function = getattr(holder, name)
        wrapper = self._in_loop if inspect.iscoroutinefunction(original) else self._in_thread
        setattr(holder, name, wrapper(original))

    def _is_now(self) -> bool:
        with self._lock:
            self._calls += 1
            return self._calls == self.number

    def _fire(self) -> None:
        os.kill(os.getpid(), self.signal)

    def _in_loop(self, original: Function) -> Function:
        @functools.wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            now = self._is_now()
            if now and self.when == "before":
                self._fire()
            result = await original(*args, **kwargs)
            if now and self.when == "after":
                self._fire()
            return result

        return wrapped

    def _in_thread(self, original: Function) -> Function:
        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            now = self._is_now()
            if now and self.when == "half":
                descriptor, data = args
                original(descriptor, data[: len(data) // 2])
            if now and self.when in ("before", "half"):
                self._fire()
            result = original(*args, **kwargs)
            if now and self.when == "after":
                self._fire()
            return result

        return wrapped


def install(faults: str) -> None:
    """Install faults, separated by commas."""
    for text in faults.split(","):
        Fault(text).install()


def make_batches_small(objects: int) -> None:
    """Several batches of few objects, so that an instant can lie between any two of them."""
    setattr(execute, "BATCH_OBJECTS", objects)  # noqa: B010 - a constant to everyone but us
    setattr(restore, "_BATCH", objects)  # noqa: B010


def delete_before_the_commit() -> None:
    """Wrong on purpose: the delete is sent before its intent is in the audit log."""
    commit = Execution._commit

    async def wrong(self: Execution, intents: Sequence[Intent]) -> frozenset[str]:
        if intents:
            await self._delete(intents)
        return await commit(self, intents)

    setattr(Execution, "_commit", wrong)  # noqa: B010


def record_before_the_rename() -> None:
    """Wrong on purpose: backups get their final names a moment after they were recorded."""
    settle = BackupFiles.settle
    late: list[Any] = []

    async def later(self: BackupFiles, operation_id: str, backups: Sequence[Any]) -> list[Any]:
        held = [backup for backup in backups if isinstance(backup, packs.HeldBackup)]
        loose = [backup for backup in backups if not isinstance(backup, packs.HeldBackup)]
        packed = iter(await settle(self, operation_id, held))
        late.append(functools.partial(settle, self, operation_id, loose))
        return [next(packed) if isinstance(b, packs.HeldBackup) else b for b in backups]

    async def unchecked(self: BackupFiles, backup: Any) -> None:
        await asyncio.sleep(0)

    add = AuditLog._add

    async def wrong(self: AuditLog, how: Any, operation_id: str, records: Sequence[Any]) -> Any:
        added = await add(self, how, operation_id, records)
        while late:
            await late.pop()()
        return added

    setattr(BackupFiles, "settle", later)  # noqa: B010
    setattr(BackupFiles, "verify", unchecked)  # noqa: B010
    setattr(AuditLog, "_add", wrong)  # noqa: B010


def record_before_the_pack() -> None:
    """Wrong on purpose: the bytes of a pack are written a moment after they were recorded."""
    late: list[tuple[Path, int, bytes]] = []

    def later(descriptor: int, data: bytes) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        where = os.lseek(descriptor, 0, os.SEEK_CUR)
        late.append((path, where + sum(len(piece) for _, _, piece in late), data))

    async def unchecked(self: BackupFiles, backups: Sequence[Any]) -> list[None]:
        await asyncio.sleep(0)
        return [None] * len(backups)

    add = AuditLog._add

    async def wrong(self: AuditLog, how: Any, operation_id: str, records: Sequence[Any]) -> Any:
        added = await add(self, how, operation_id, records)
        os.fdatasync(1)  # where a fault can lie: between the record and its bytes
        for path, where, data in late:
            with path.open("r+b") as pack:
                pack.seek(where)
                pack.write(data)
        late.clear()
        return added

    setattr(packs, "write_all", later)  # noqa: B010
    setattr(BackupFiles, "verify_packed", unchecked)  # noqa: B010
    setattr(AuditLog, "_add", wrong)  # noqa: B010


def pack_not_synced() -> None:
    """Wrong on purpose: what is written to a pack may be lost with the power."""
    setattr(os, "fdatasync", lambda _: None)  # noqa: B010
    _nor_by_the_way()


def files_not_synced() -> None:
    """Wrong on purpose: backups in files of their own may be lost with the power."""
    setattr(files, "_sync", lambda *_: None)  # noqa: B010
    _nor_by_the_way()


def _nor_by_the_way() -> None:
    # Linux writes a file down before it drops its pages, and the log's next sync waits for that:
    # with the read-back from the disk, ext4 loses nothing, whoever forgot to sync.
    setattr(os, "posix_fadvise", lambda *_: None)  # noqa: B010


def log_not_synced() -> None:
    """Wrong on purpose: SQLite commits without waiting for the disk."""
    connect = local_store._connect

    def wrong(path: Path, schema: str, durable: bool) -> sqlite3.Connection:
        connection = connect(path, schema, durable)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    setattr(local_store, "_connect", wrong)  # noqa: B010


# What the oracle must notice, or a green result proves nothing.
WRONGS: dict[str, Callable[[], None]] = {
    "delete-before-commit": delete_before_the_commit,
    "record-before-rename": record_before_the_rename,
    "record-before-pack": record_before_the_pack,
    # Harmless to a process that is killed: for power cuts only.
    "pack-not-synced": pack_not_synced,
    "files-not-synced": files_not_synced,
    "log-not-synced": log_not_synced,
}
