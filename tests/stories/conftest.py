"""Worlds that stories need besides those of all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.ministack import Ministack
from tests.world import World


@pytest.fixture
async def aws_world(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> AsyncIterator[World]:
    """SQLite, and the store that takes odd keys and all headers as AWS does."""
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    yield World(await make_bucket(ministack), database)
    await database.close()


@pytest.fixture
async def mariadb_world(bucket_config: Config, mariadb: MariadbServer) -> AsyncIterator[World]:
    """MariaDB only."""
    database = AppDatabase(await mariadb.create_database())
    yield World(bucket_config, database)
    await database.close()
