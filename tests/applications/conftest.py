"""The applications that the gate can afford, filled once for all tests."""

from __future__ import annotations

import pytest

from tests.applications import WAGTAIL, WORDPRESS, Application, default_cache
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
async def wagtail(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Application:
    """Wagtail on PostgreSQL."""
    folder = tmp_path_factory.mktemp("wagtail")
    return await WAGTAIL.fill(await postgres.create_database(), folder, default_cache())


@pytest.fixture(scope="session")
async def wordpress(
    mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Application:
    """WordPress on MariaDB."""
    folder = tmp_path_factory.mktemp("wordpress")
    return await WORDPRESS.fill(await mariadb.create_database(), folder, default_cache())
