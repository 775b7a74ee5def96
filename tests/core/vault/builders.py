"""Records, backups and byte strings for the tests of the vault."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.vault import BackupFiles, Intent, StoredBackup
from s3gc_core.vault.names import backup_name

OPERATION = "01K0000000000000000000000A"
LATER = "01K0000000000000000000000B"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SteppingClock:
    """A clock that is one second further at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return NOON + timedelta(seconds=self.looks - 1)

    def bucket_now(self, server_date: datetime) -> datetime:
        return server_date


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that nothing compresses."""
    return random.Random(seed).randbytes(size)


def prose(size: int) -> bytes:
    """Bytes that compress well."""
    line = b"%09d the quick brown fox jumps over the lazy dog\n"
    lines = b"".join(line % n for n in range(size // 50 + 1))
    return lines[:size]


def stored(key: str, operation_id: str = OPERATION) -> StoredBackup:
    """A backup that is only recorded, not written."""
    path = f"backups/{operation_id}/{backup_name(key, 'raw')}"
    return StoredBackup(path, "raw", 10, "a" * 64, 10, "a" * 64)


def intent(key: str, operation_id: str = OPERATION) -> Intent:
    headers = ObjectHeaders(content_type="image/jpeg", metadata={"owner": "ünï"})
    return Intent(key, '"e"', None, 10, NOON, headers, stored(key, operation_id))


async def backed_up(
    files: BackupFiles, key: str, data: bytes, *, level: int = 3, operation_id: str = OPERATION
) -> StoredBackup:
    """A settled backup."""
    await files.create_operation(operation_id)
    writer = files.open_writer(operation_id, key, level, len(data))
    writer.write(data)
    backup = writer.close()
    (settled,) = await files.settle(operation_id, [backup])
    return settled


def names_in(vault: Path, operation_id: str = OPERATION) -> set[str]:
    return {path.name for path in (vault / "backups" / operation_id).iterdir()}
