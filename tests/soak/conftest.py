"""The engines that have a change stream."""

from __future__ import annotations

import pytest

from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer


@pytest.fixture(params=["postgres", "mariadb"])
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """The server of `app_database`."""
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server
