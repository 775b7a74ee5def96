"""Worlds with a followed database, on each engine that has a change stream, or on one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from s3gc_core.config import Config
from tests.follow.shop import Shop, open_shop
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.world import World


@pytest.fixture(params=["postgres", "mariadb"])
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """The server of `app_database`."""
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def shop(world: World) -> Shop:
    """A shop on each engine in turn."""
    return await open_shop(world)


@pytest.fixture
async def postgres_shop(bucket_config: Config, postgres: PostgresServer) -> AsyncIterator[Shop]:
    """A shop on PostgreSQL."""
    database = AppDatabase(await postgres.create_database())
    yield await open_shop(World(bucket_config, database))
    await database.close()


@pytest.fixture
async def mariadb_shop(bucket_config: Config, mariadb: MariadbServer) -> AsyncIterator[Shop]:
    """A shop on MariaDB."""
    database = AppDatabase(await mariadb.create_database())
    yield await open_shop(World(bucket_config, database))
    await database.close()
