from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.servers.proxy import Proxy, running_proxy
from tests.world import World


@pytest.fixture
async def proxied(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> AsyncIterator[tuple[World, Proxy]]:
    """ministack checks no signatures, so the proxy may take conditions out of a request."""
    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    async with running_proxy(config.endpoint_url) as proxy:
        yield World(replace(config, endpoint_url=proxy.endpoint), database), proxy
    await database.close()
