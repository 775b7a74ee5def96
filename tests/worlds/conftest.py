"""The ground that worlds are built on, over the servers of the session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.worlds.build import Ground
from tests.worlds.ground import ground_on


@pytest.fixture(scope="session")
async def ground(
    seaweed: SeaweedServer,
    postgres: PostgresServer,
    mariadb: MariadbServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:
    """One bucket, and a database on each engine; worlds come and go on it."""
    folder = tmp_path_factory.mktemp("worlds")
    urls = {
        "postgresql": await postgres.create_database(),
        "mysql": await mariadb.create_database(),
        "sqlite": DatabaseUrl(Engine.SQLITE, str(folder / "app.db")).render(),
    }
    async with ground_on(seaweed, urls, folder) as ready:
        yield ready
