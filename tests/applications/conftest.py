"""The applications that the gate can afford, filled once for all tests."""

from __future__ import annotations

import pytest

from tests.applications import WAGTAIL, WORDPRESS, Application, Recipe, default_cache
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer


async def filled(
    recipe: Recipe, server: PostgresServer | MariadbServer, folders: pytest.TempPathFactory
) -> Application:
    """The recipe's application in a database and a folder of its own."""
    folder = folders.mktemp(recipe.name)
    return await recipe.fill(await server.create_database(), folder, default_cache())


@pytest.fixture(scope="session")
async def wagtail(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Application:
    """Wagtail on PostgreSQL."""
    return await filled(WAGTAIL, postgres, tmp_path_factory)


@pytest.fixture(scope="session")
async def wordpress(
    mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Application:
    """WordPress on MariaDB."""
    return await filled(WORDPRESS, mariadb, tmp_path_factory)
