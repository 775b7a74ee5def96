"""Fixtures that all tests share: the real servers, one of each per session."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from s3gc_core.config import Config
from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.forbid_skips import pytest_addoption, pytest_sessionfinish  # noqa: F401
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.ministack import Ministack, running_ministack
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import S3Server, drop_bucket, running_seaweed
from tests.world import World

# A shell that starts tests in the background lets them ignore Ctrl-C; s3gc, which they start, would
# keep to that, as to `nohup`.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

# A busy machine takes its time: no test fails by the clock.
settings.register_profile("s3gc", deadline=None)
settings.load_profile("s3gc")

MakeBucket = Callable[[S3Server], Awaitable[Config]]
# Files of few tests that take minutes: begun last, one of them would keep one worker alone busy.
_FIRST = (
    "tests/tui/hostile/",
    "tests/worlds/",
    "tests/faults/",
    "tests/model/",
    "tests/mutations/",
    "tests/applications/",
    "tests/proxy/",
    "tests/identity/",
    "tests/tui/bytes/",
    "tests/tui/accidents/",
)
_bucket_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; among those, and all others, the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))


@pytest.fixture(scope="session")
async def seaweed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SeaweedServer]:
    """SeaweedFS: a real server with authentication, conditional deletes, and an odd order."""
    async with running_seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
async def ministack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ministack]:
    """ministack: order, odd keys, archives and error codes as AWS has them."""
    async with running_ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture
async def make_bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[MakeBucket]:
    """`config = await make_bucket(server)`: a new bucket, its keys in the environment."""
    made: list[tuple[S3Server, str]] = []

    async def make(server: S3Server) -> Config:
        # Nothing of the machine's own AWS set-up may leak into a test, or be asked for.
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        name = f"bucket-{next(_bucket_numbers)}"
        await server.create_bucket(name)
        made.append((server, name))
        vault = tmp_path / "vault"
        vault.mkdir(mode=0o700, exist_ok=True)
        return Config(bucket=name, endpoint_url=server.endpoint, vault_path=vault)

    yield make
    # SeaweedFS has room for some hundred buckets only: each takes several volumes.
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for server, name in made:
        if isinstance(server, SeaweedServer):
            await drop_bucket(server, name)


@pytest.fixture
async def bucket_config(make_bucket: MakeBucket, seaweed: SeaweedServer) -> Config:
    """The configuration of a new, empty bucket on SeaweedFS."""
    return await make_bucket(seaweed)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    """PostgreSQL with logical decoding and TLS."""
    async with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
async def mariadb() -> AsyncIterator[MariadbServer]:
    """MariaDB with a row binlog and TLS."""
    async with MariadbServer() as server:
        yield server


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer | None:
    """The server of `app_database`, started when the first test needs it; None for SQLite."""
    # Not async: only outside of the event loop can another async fixture be asked for by name.
    if request.param == "sqlite":
        return None
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def app_database(
    app_server: PostgresServer | MariadbServer | None, tmp_path: Path
) -> AsyncIterator[AppDatabase]:
    """A fresh, empty application database on each engine in turn."""
    if app_server is None:
        url = DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render()
    else:
        url = await app_server.create_database()
    database = AppDatabase(url)
    yield database
    await database.close()


@pytest.fixture
def world(bucket_config: Config, app_database: AppDatabase) -> World:
    """A bucket and an application database, on each engine in turn; nothing is tracked yet."""
    return World(bucket_config, app_database)


@pytest.fixture
async def sqlite_world(bucket_config: Config, tmp_path: Path) -> AsyncIterator[World]:
    """The same with SQLite only, for what does not depend on the engine."""
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    yield World(bucket_config, database)
    await database.close()


@pytest.fixture
async def postgres_world(bucket_config: Config, postgres: PostgresServer) -> AsyncIterator[World]:
    """PostgreSQL only."""
    database = AppDatabase(await postgres.create_database())
    yield World(bucket_config, database)
    await database.close()
