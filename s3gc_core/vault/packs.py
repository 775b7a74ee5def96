"""Packs: plain tar files that hold many small backups, so that a batch costs one sync.

Append only. Each batch is a member `_batch/NNNNNN.jsonl`, a line for each backup with its true key,
and the backups themselves. What no audit record names was never relied on: the tail of a pack that
a crash tore is cut off when the operation's folder is tidied, and the pack is sealed then.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.vault import tar
from s3gc_core.vault.failures import BackupNotDurable, disk_failure
from s3gc_core.vault.names import backup_name, pack_name
from s3gc_core.vault.places import (
    create_file,
    open_file,
    operation_folder,
    place_of,
    split_place,
    write_all,
)
from s3gc_core.vault.records import Fidelity, StoredBackup

# Above, a file of its own is as fast, and nicer (vault notes, section 3).
PACKED_BELOW = 128 << 10
# A pack that has reached this size gets no further batch.
SEALED_AT = 256 << 20
SEALED_MODE = 0o400
# Written at a time.
_PIECE = 1 << 20


class HeldBackup(StoredBackup, frozen=True, kw_only=True):
    """A small backup, encoded, that waits in memory for its place in a pack. Never recorded."""

    key: str
    data: bytes
    headers: ObjectHeaders | None = None


class BatchLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of `_batch/NNNNNN.jsonl`: what is needed to understand a member without the audit."""

    key: str
    member: str
    codec: str
    raw_size: int
    raw_sha256: str
    stored_size: int
    stored_sha256: str
    headers: ObjectHeaders | None
    fidelity: Fidelity = "exact"
    sealed: str = ""


class PackAppender:
    """The packs of one operation while it runs; appends to the newest. For threads, one at a time.

    After any failure the pack is left as it is, and the next batch goes to a new one.
    """

    def __init__(self, vault: Path, operation_id: str) -> None:
        self._vault = vault
        self._operation_id = operation_id
        self._number = 0
        self._name = ""  # none is open for appending
        self._end = 0
        self._batches = 0

    def append(self, held: Sequence[HeldBackup]) -> list[StoredBackup]:
        """Write a batch and sync it, once; where each backup lies now, in their order.

        Raises `BackupNotDurable` where the disk does not confirm it.
        """
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                descriptor = self._open(folder)
                try:
                    return self._append(folder, descriptor, held)
                finally:
                    os.close(descriptor)
        except OSError as error:
            self.abandon()
            raise BackupNotDurable(f"the disk did not confirm: {error}") from error
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Append nothing more to this pack."""
        self._name = ""

    def _open(self, folder: int) -> int:
        if self._name and self._end < SEALED_AT:
            descriptor = open_file(folder, self._name, os.O_WRONLY)
            if os.fstat(descriptor).st_size == self._end:
                os.lseek(descriptor, self._end, os.SEEK_SET)
                return descriptor
            # Not as we left it: what is in it stays, and nothing follows.
            os.close(descriptor)
        while True:
            self._number += 1
            try:
                descriptor = create_file(folder, pack_name(self._number))
            except FileExistsError:
                continue
            self._name, self._end, self._batches = pack_name(self._number), 0, 0
            return descriptor

    def _append(
        self, folder: int, descriptor: int, held: Sequence[HeldBackup]
    ) -> list[StoredBackup]:
        path = place_of(self._operation_id, self._name)
        is_new = self._end == 0
        self._batches += 1
        index = b"".join(msgspec.json.encode(_line(one)) + b"\n" for one in held)
        name = f"_batch/{self._batches:06}.jsonl"
        position = self._end + tar.BLOCK
        position = tar.end_of(position, len(index))
        placed = []
        for one in held:
            placed.append(_placed(one, path, position + tar.BLOCK))
            position = tar.end_of(position + tar.BLOCK, one.stored_size)
        members = [(name, index), *((member_name(one), one.data) for one in held)]
        for piece in _pieces(members):
            write_all(descriptor, piece)
        os.fdatasync(descriptor)
        if is_new:
            os.fsync(folder)
        self._end = position
        return placed


def member_name(backup: HeldBackup) -> str:
    """The name in the pack: that of the file it would be otherwise."""
    return backup_name(backup.key, backup.codec, sealed=bool(backup.sealed))


def end_pack(vault: Path, path: str, end: int) -> None:
    """Cut off what follows `end`, the end of the last recorded member, and seal the pack.

    A sealed one stays as it is; so does one that is gone, or is shorter than recorded, which
    `verify` tells. Raises `VaultFull`, `VaultUnreachable`.
    """
    operation_id, name = split_place(path, packed=True)
    try:
        with operation_folder(vault, operation_id) as folder:
            cut_and_seal(folder, name, end)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_failure(f"sealing {path}", error) from error


def cut_and_seal(folder: int, name: str, end: int) -> None:
    """As `end_pack`, for a pack by its name in an open folder. Raises `OSError`."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    sealed = stat.S_IMODE(found.st_mode) == SEALED_MODE
    if not stat.S_ISREG(found.st_mode) or sealed or found.st_size < end:
        return
    descriptor = open_file(folder, name, os.O_RDWR)
    try:
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        write_all(descriptor, tar.END)
        os.fsync(descriptor)
        os.fchmod(descriptor, SEALED_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(backup: HeldBackup) -> BatchLine:
    return BatchLine(
        backup.key,
        member_name(backup),
        backup.codec,
        backup.raw_size,
        backup.raw_sha256,
        backup.stored_size,
        backup.stored_sha256,
        backup.headers,
        backup.fidelity,
        backup.sealed,
    )


def _placed(backup: HeldBackup, path: str, offset: int) -> StoredBackup:
    return StoredBackup(
        path,
        backup.codec,
        backup.raw_size,
        backup.raw_sha256,
        backup.stored_size,
        backup.stored_sha256,
        offset,
        member_name(backup),
        backup.level,
        backup.fidelity,
        backup.width,
        backup.height,
        sealed=backup.sealed,
        copy_size=backup.copy_size,
        copy_sha256=backup.copy_sha256,
    )


def _pieces(members: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    """The members as the tar file has them, about a MiB at a time."""
    parts: list[bytes] = []
    size = 0
    for name, data in members:
        parts += (tar.header(name, len(data)), data, tar.padding(len(data)))
        size += len(data) + tar.BLOCK
        if size >= _PIECE:
            yield b"".join(parts)
            parts.clear()
            size = 0
    yield b"".join(parts)
