"""Worlds with a followed database, on each engine that has a change stream."""

from __future__ import annotations

import pytest

from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

ENGINES = ["postgres", "mariadb"]


@pytest.fixture(params=ENGINES)
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """The server of `app_database`."""
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server
