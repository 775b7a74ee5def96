"""A vault folder, and what lives in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.vault import AuditLog, BackupFiles
from tests.core.vault.builders import SteppingClock


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def files(vault: Path) -> BackupFiles:
    """All backups as files of their own, however small."""
    return BackupFiles(vault, packed_below=0)


@pytest.fixture
async def log(vault: Path) -> AsyncIterator[AuditLog]:
    opened = await AuditLog.open(vault, SteppingClock())
    yield opened
    await opened.close()
