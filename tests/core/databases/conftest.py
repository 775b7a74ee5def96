"""Fresh databases on one engine, and one whose binary log is followed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.core.databases.following_mysql import Followed
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer


@pytest.fixture
async def on_postgres(postgres: PostgresServer) -> AsyncIterator[AppDatabase]:
    """A database of PostgreSQL."""
    database = AppDatabase(await postgres.create_database())
    yield database
    await database.close()


@pytest.fixture
async def on_mariadb(mariadb: MariadbServer) -> AsyncIterator[AppDatabase]:
    """A database of MariaDB."""
    database = AppDatabase(await mariadb.create_database())
    yield database
    await database.close()


@pytest.fixture
async def db(mariadb: MariadbServer) -> AsyncIterator[Followed]:
    """A database of MariaDB that may be followed; the server keeps nothing for it in the end."""
    followed = Followed(await mariadb.create_database())
    yield followed
    await followed.following.end()
    await followed.app.close()
