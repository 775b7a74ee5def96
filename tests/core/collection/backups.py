"""Deleted objects with real backups, for restores without a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import structs
from ulid import ULID

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.vault import BackupFiles, DeletedObject, Intent, StoredBackup

START = datetime(2026, 1, 1, tzinfo=UTC)
STORED = StoredBackup("backups/x/y", "raw", 3, "r", 3, "s")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def intent(key: str = "a.jpg", modified: float = 0, etag: str = '"e"') -> Intent:
    """A backup's record, of an object modified on a day."""
    return Intent(key, etag, None, 3, day(modified), ObjectHeaders(), STORED)


def deleted(operation_id: str, deleted_on: float, modified: float = 0) -> DeletedObject:
    return DeletedObject(operation_id, day(deleted_on), intent(modified=modified))


async def backed_up(
    files: BackupFiles, bodies: Mapping[str, bytes], operation_id: str | None = None
) -> dict[str, DeletedObject]:
    """Back these objects up, in an operation of their own, as an execution would."""
    operation_id = operation_id or str(ULID())
    await files.create_operation(operation_id)
    made: dict[str, DeletedObject] = {}
    for key, body in bodies.items():
        writer = files.open_writer(operation_id, key, 3, len(body))
        writer.write(body)
        backup = writer.close()
        headers = ObjectHeaders(content_type="image/jpeg", metadata={"for": "a test"})
        made[key] = DeletedObject(
            operation_id,
            day(2),
            Intent(key, '"e"', None, len(body), day(1), headers, backup),
        )
    settled = await files.settle(operation_id, [one.intent.backup for one in made.values()])
    return {
        key: structs.replace(one, intent=structs.replace(one.intent, backup=backup))
        for (key, one), backup in zip(made.items(), settled, strict=True)
    }


def vault(path: Path) -> BackupFiles:
    """The backup files of a new vault, each backup in one of its own."""
    path.mkdir(mode=0o700, exist_ok=True)
    return BackupFiles(path, packed_below=0)
