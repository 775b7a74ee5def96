"""The backup files of the vault: `backups/<operation_id>/<name>`, durable before they count.

The order is the vault notes' (section 5): small backups are appended to a pack, which is synced;
larger ones are written under a temporary name, synced, renamed, and their folder is synced; then
all are read back from the disk. Files are 0600, folders 0700; no link below the vault is followed.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import stat
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.parallel import to_the_end
from s3gc_core.vault.backup_states import BackupState
from s3gc_core.vault.compact import refuse_unlike
from s3gc_core.vault.encoding import Source
from s3gc_core.vault.failures import BackupDamaged, BackupNotDurable, disk_failure
from s3gc_core.vault.keyring import Keyring
from s3gc_core.vault.links import link_backups
from s3gc_core.vault.manifest import ManifestWriter, has_manifest, remove_manifest
from s3gc_core.vault.packs import PACKED_BELOW, HeldBackup, PackAppender, end_pack
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
from s3gc_core.vault.stored_bytes import (
    LOST,
    check_stored,
    checked_bytes,
    damage_of,
    decoded,
    drop_cached,
    open_stored,
    place_of_backup,
)
from s3gc_core.vault.writer import BackupWriter

# Threads that sync files at once: three to four times the rate of one (vault notes, section 3).
SYNC_THREADS = 16
# Up to this an object is read, compared and handed on by one visit to the disk and one thread.
HELD_BYTES = 1 << 20


class BackupFiles:
    """All backup files of one vault. Backups of fewer stored bytes than `packed_below` share packs.

    The coroutines do their work in threads and may be cancelled: what a thread has begun it ends.
    The plain methods touch the disk only briefly, or, where they say so, belong in a thread.
    """

    def __init__(
        self,
        vault_path: Path,
        *,
        packed_below: int = PACKED_BELOW,
        keyring: Keyring | None = None,
    ) -> None:
        """`keyring`: who backups are encrypted for, and what opens them; None: nothing of it."""
        self._vault = vault_path
        self.keyring = keyring or Keyring()
        self._packed_below = packed_below
        self._packs: dict[str, PackAppender] = {}  # of operations that run

    async def create_operation(self, operation_id: str) -> None:
        """Make the operation's folder, durable with its parents.

        Raises `VaultFull`, `VaultUnreachable`.
        """
        await asyncio.to_thread(self._create_operation, checked_operation_id(operation_id))

    def open_writer(
        self,
        operation_id: str,
        key: str,
        level: int,
        size: int | None,
        headers: ObjectHeaders | None = None,
        *,
        jpegxl: bool = False,
        compact: bool = False,
    ) -> BackupWriter:
        """A writer for one object's backup; touches no disk yet.

        `level` is zstd's, for what compresses; `size` (bytes) is checked where it is given;
        `headers` are noted beside the bytes in a pack. With `jpegxl` a JPEG is stored as JPEG XL
        where that gives back exactly its bytes; with `compact` a picture is stored LOSSY where
        `compact_rules` allow it.
        """
        checked_operation_id(operation_id)
        return BackupWriter(
            self._vault,
            operation_id,
            key,
            level,
            size,
            headers,
            self._packed_below,
            jpegxl=jpegxl,
            compact=compact,
            sealer=self.keyring.sealer(operation_id),
        )

    async def settle(
        self, operation_id: str, backups: Sequence[StoredBackup]
    ) -> list[StoredBackup]:
        """Make closed backups durable in their final places, which it returns in the same order.

        Returns only when they are. Raises `BackupNotDurable` where the disk does not confirm one
        of them. None of this batch may then be relied on, and nothing is tried again on the same
        files.
        """
        if not backups:
            return []
        # Cancelled, it is waited for: its folder may be tidied next, and its packs cut.
        return await to_the_end(asyncio.to_thread(self._settle, operation_id, backups))

    async def link(
        self, operation_id: str, pairs: Sequence[tuple[StoredBackup, StoredBackup]]
    ) -> list[StoredBackup | None]:
        """Settle closed backups as links to files of equal bytes: see `link_backups`."""
        if not pairs:
            return []
        return await to_the_end(asyncio.to_thread(link_backups, self._vault, operation_id, pairs))

    async def forget(self, operation_id: str, backups: Sequence[StoredBackup]) -> None:
        """Give up settled backups of this process that no record names: they are to be made anew.

        What lies in a pack is cut off when the operation is tidied. Raises `VaultUnreachable`.
        """
        await to_the_end(asyncio.to_thread(self._forget, operation_id, backups))

    async def verify(self, backup: StoredBackup) -> None:
        """Read a settled backup back from the disk, not from memory, and compare everything.

        Stored bytes, decoded bytes, both sizes. Raises `BackupDamaged`, `VaultUnreachable`.
        """
        await asyncio.to_thread(self._verify, backup)

    async def verify_as_far(self, backup: StoredBackup) -> bool:
        """`verify`, or `verify_stored` where nothing is here to open it with; whether it was
        opened. Never enough for a delete. Raises as `verify`, and `IdentityWrong`.
        """
        if self.keyring.may_open(backup):
            await self.verify(backup)
            return True
        await self.verify_stored(backup)
        return False

    async def verify_stored(self, backup: StoredBackup) -> None:
        """As `verify`, but of the stored bytes alone, which takes no key: see `check_stored`."""
        await asyncio.to_thread(check_stored, self._vault, backup)

    async def refuse_unlike(self, backup: StoredBackup) -> None:
        """Decode a settled compact copy, as it is on the disk, once more.

        Raises `BackupDamaged` where it is no picture of the recorded size, `VaultUnreachable`.
        """
        await asyncio.to_thread(self._refuse_unlike, backup)

    async def verify_packed(self, backups: Sequence[StoredBackup]) -> list[BackupDamaged | None]:
        """`verify` for a batch that was just packed; for each what is wrong with it, or None.

        A pack with a backup that is damaged gets no further ones. Raises `VaultUnreachable`.
        """
        return await asyncio.to_thread(self._verify_packed, backups)

    async def write_manifest(
        self, operation_id: str, pages: AsyncIterator[list[BackupState]]
    ) -> None:
        """Write the operation's manifest, a line for each backup, over an older one: durable when
        this returns. Raises `VaultFull`, `VaultUnreachable`.
        """
        writer = ManifestWriter(self._vault, operation_id)
        # To their ends, whoever cancels: the file is closed then, and its number given to another.
        try:
            await to_the_end(asyncio.to_thread(writer.add, ()))
            async for page in pages:
                await to_the_end(asyncio.to_thread(writer.add, page))
            await to_the_end(asyncio.to_thread(writer.finish))
        finally:
            writer.close()

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

    async def proven(self, backup: StoredBackup) -> AsyncIterator[bytes]:
        """The object's bytes, all of them read from the disk and compared before this returns.

        What is small is held in memory until it is taken, at most `HELD_BYTES`; what is not is
        read twice. Raises `BackupDamaged`, `VaultUnreachable`.
        """
        if backup.raw_size > HELD_BYTES:
            await self.verify(backup)
            return self.read(backup)
        return _one_piece(await asyncio.to_thread(self._whole, backup))

    def open_raw(self, backup: StoredBackup) -> Generator[bytes, None, None]:
        """The object's bytes in chunks of at most 1 MiB. For a thread.

        Raises `BackupDamaged`, at the latest after the last chunk: whoever writes the bytes
        elsewhere must not call it done before this ends well.
        """
        yield from checked_bytes(self._vault, backup, self.keyring, from_disk=False)

    def decoded(self, source: Source, backup: StoredBackup) -> Iterator[bytes]:
        """What stored bytes from elsewhere hold, in chunks: see `stored_bytes.decoded`."""
        return decoded(source, backup, self.keyring)

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
        """Remove the file of a purged backup. One that is gone already is no error.

        A packed one stays where it is: the pack goes as a stray, once no record needs it.
        """
        operation_id, name = place_of_backup(backup)
        if backup.offset is None:
            self._unlink(operation_id, name)

    def has_manifest(self, operation_id: str) -> bool:
        """Whether the operation has its manifest; one without a folder needs none."""
        return has_manifest(self._vault, operation_id)

    def remove_manifest(self, operation_id: str) -> None:
        """Remove the operation's manifest, durably: before what it names goes. One that is not
        there is no error. Raises `VaultUnreachable`.
        """
        remove_manifest(self._vault, operation_id)

    def end_pack(self, path: str, end: int) -> None:
        """Cut a recorded pack where its last recorded backup ends, and seal it: see `packs`."""
        end_pack(self._vault, path, end)

    def end_operation(self, operation_id: str) -> None:
        """Forget where the operation's last pack ends: nothing of it is stored any more."""
        self._packs.pop(operation_id, None)

    def is_present(self, backup: StoredBackup) -> bool:
        """Whether the file is there in its full size; what it holds only `verify` tells."""
        operation_id, name = place_of_backup(backup)
        try:
            with operation_folder(self._vault, operation_id) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in LOST:
                return False
            raise disk_failure(f"looking at {backup.path}", error) from error
        if backup.offset is not None:
            whole = found.st_size >= backup.offset + backup.stored_size
        else:
            whole = found.st_size == backup.stored_size
        return stat.S_ISREG(found.st_mode) and whole

    def bytes_of(self, backup: StoredBackup) -> tuple[str | int, int]:
        """Where its bytes lie, equal for backups that share them: a place in a pack, or a file,
        whatever its names. One that is missing shares nothing.
        """
        if backup.offset is not None:
            return backup.path, backup.offset
        operation_id, name = place_of_backup(backup)
        try:
            with operation_folder(self._vault, operation_id) as folder:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in LOST:
                return backup.path, 0
            raise disk_failure(f"looking at {backup.path}", error) from error
        return found.st_dev, found.st_ino

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

    def _settle(self, operation_id: str, backups: Sequence[StoredBackup]) -> list[StoredBackup]:
        held = [backup for backup in backups if isinstance(backup, HeldBackup)]
        loose = [backup for backup in backups if not isinstance(backup, HeldBackup)]
        names = [split_place(backup.path) for backup in loose]
        of = [operation for operation, _ in names] + [backup.path for backup in held]
        if set(of) != {operation_id}:
            raise ValueError("a backup of another operation")
        packed = iter(self._appender(operation_id).append(held) if held else ())
        if names:
            self._give_names(operation_id, [name for _, name in names])
        return [next(packed) if isinstance(b, HeldBackup) else b for b in backups]

    def _forget(self, operation_id: str, backups: Sequence[StoredBackup]) -> None:
        # Bytes of a pack that were used again are those of another record.
        own = [backup for backup in backups if backup.offset is None or not backup.reused]
        if any(place_of_backup(backup)[0] != operation_id for backup in own):
            raise ValueError("a backup of another operation")
        for backup in own:
            self.remove_backup(backup)
        if any(backup.offset is not None for backup in own):
            self._appender(operation_id).abandon()

    def _appender(self, operation_id: str) -> PackAppender:
        return self._packs.setdefault(operation_id, PackAppender(self._vault, operation_id))

    def _give_names(self, operation_id: str, names: Sequence[str]) -> None:
        try:
            with (
                operation_folder(self._vault, operation_id) as folder,
                ThreadPoolExecutor(min(SYNC_THREADS, len(names))) as threads,
            ):
                # All are waited for, also when one fails; then nothing is renamed.
                list(threads.map(lambda name: _sync(folder, name + PART), names))
                for name in names:
                    _give_name(folder, name)
                os.fsync(folder)
        except OSError as error:
            raise BackupNotDurable(f"the disk did not confirm: {error}") from error

    def _verify(self, backup: StoredBackup) -> None:
        for _ in checked_bytes(self._vault, backup, self.keyring, from_disk=True):
            pass

    def _whole(self, backup: StoredBackup) -> bytes:
        return b"".join(checked_bytes(self._vault, backup, self.keyring, from_disk=True))

    def _refuse_unlike(self, backup: StoredBackup) -> None:
        refuse_unlike(self._whole(backup), backup.width, backup.height)

    def _verify_packed(self, backups: Sequence[StoredBackup]) -> list[BackupDamaged | None]:
        found: list[BackupDamaged | None] = []
        for path, of_pack in groupby(backups, key=lambda backup: backup.path):
            members = list(of_pack)
            try:
                descriptor = open_stored(self._vault, members[0])
            except BackupDamaged as error:
                found += [error] * len(members)
            else:
                try:
                    drop_cached(descriptor)
                    found += [damage_of(descriptor, backup, self.keyring) for backup in members]
                finally:
                    os.close(descriptor)
            if any(found[-len(members) :]):
                self._appender(split_place(path, packed=True)[0]).abandon()
        return found

    def _unlink(self, operation_id: str, name: str) -> None:
        try:
            with operation_folder(self._vault, operation_id) as folder:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_failure(f"removing {place_of(operation_id, name)}", error) from error


async def _one_piece(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


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
