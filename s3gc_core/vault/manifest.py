"""The manifest of an operation: a line for each of its backups, for `grep` and a text editor.

Made from the audit log when the operation has ended, and made again where it is missing; removed
before any backup that it names is. Nothing of ours reads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.vault.backup_states import BackupState
from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.places import PART, create_file, operation_folder, write_all
from s3gc_core.vault.records import Fidelity

MANIFEST = "manifest.jsonl"


class ManifestLine(msgspec.Struct, frozen=True):
    """A backup: its object, and where its stored bytes lie. `offset` and `member` in packs only;
    `level` is zstd's, else 0. `fidelity` is `lossy` where the stored bytes are not the object's,
    but a picture of `width` times `height` pixels.
    One that is `reused` may lie in a pack of another operation, as its `path` says. One that is
    `sealed` is encrypted: `age -d` comes before anything else; `copy_*` are of a compact copy that
    comes out then.
    """

    key: str
    path: str
    offset: int | None
    member: str | None
    codec: str
    raw_size: int
    raw_sha256: str
    stored_size: int
    stored_sha256: str
    etag: str
    version_id: str | None
    last_modified: datetime
    headers: ObjectHeaders
    level: int = 0
    fidelity: Fidelity = "exact"
    width: int = 0
    height: int = 0
    reused: bool = False
    sealed: str = ""
    copy_size: int = 0
    copy_sha256: str = ""


class ManifestWriter:
    """Writes the manifest of an operation, durable and under its name once `finish` returns.

    For threads. All methods raise `VaultFull`, `VaultUnreachable`.
    """

    def __init__(self, vault: Path, operation_id: str) -> None:
        self._vault = vault
        self._operation_id = operation_id
        self._descriptor = -1

    def add(self, states: Iterable[BackupState]) -> None:
        """Write the next lines."""
        lines = b"".join(msgspec.json.encode(_line(state)) + b"\n" for state in states)
        try:
            if self._descriptor < 0:
                self._begin()
            write_all(self._descriptor, lines)
        except OSError as error:
            raise disk_failure("writing a manifest", error) from error

    def finish(self) -> None:
        """Sync what was written and give it its name, over an older one."""
        try:
            with operation_folder(self._vault, self._operation_id) as folder:
                os.fsync(self._descriptor)
                os.rename(MANIFEST + PART, MANIFEST, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
        except OSError as error:
            raise disk_failure("writing a manifest", error) from error

    def close(self) -> None:
        """Close the file, whatever became of it; a temporary one is a stray for the next time."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _begin(self) -> None:
        with operation_folder(self._vault, self._operation_id) as folder:
            with suppress(FileNotFoundError):
                os.unlink(MANIFEST + PART, dir_fd=folder)
            self._descriptor = create_file(folder, MANIFEST + PART)


def has_manifest(vault: Path, operation_id: str) -> bool:
    """Whether there is one. An operation without a folder needs none, and has one in this sense."""
    try:
        with operation_folder(vault, operation_id) as folder:
            return _is_there(folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise disk_failure("looking for a manifest", error) from error


def remove_manifest(vault: Path, operation_id: str) -> None:
    """Remove it, durably. One that is not there is no error. Raises `VaultUnreachable`."""
    try:
        with operation_folder(vault, operation_id) as folder:
            os.unlink(MANIFEST, dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_failure("removing a manifest", error) from error


def _is_there(folder: int) -> bool:
    try:
        os.stat(MANIFEST, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _line(state: BackupState) -> ManifestLine:
    intent, backup = state.intent, state.intent.backup
    return ManifestLine(
        intent.key,
        backup.path,
        backup.offset,
        backup.member,
        backup.codec,
        backup.raw_size,
        backup.raw_sha256,
        backup.stored_size,
        backup.stored_sha256,
        intent.etag,
        intent.version_id,
        intent.last_modified,
        intent.headers,
        backup.level,
        backup.fidelity,
        backup.width,
        backup.height,
        backup.reused,
        backup.sealed,
        backup.copy_size,
        backup.copy_sha256,
    )
