"""The servers that worlds stand on, started for a run outside of pytest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from s3gc_core.bucket.connection import Keys, connect
from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import drop_bucket, running_seaweed
from tests.worlds.build import Ground
from tests.worlds.model import BUCKET

# Nothing of the machine's own AWS set-up may leak into a run, or be asked for.
_LEAKING = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")


@asynccontextmanager
async def standing(folder: Path, engines: Collection[str]) -> AsyncIterator[Ground]:
    """Start the servers for those engines, and give the ground to build worlds on."""
    async with AsyncExitStack() as stack:
        seaweed = await stack.enter_async_context(running_seaweed(folder / "seaweed"))
        urls = {"sqlite": DatabaseUrl(Engine.SQLITE, str(folder / "app.db")).render()}
        if "postgresql" in engines:
            postgres = await stack.enter_async_context(PostgresServer())
            urls["postgresql"] = await postgres.create_database()
        if "mysql" in engines:
            mariadb = await stack.enter_async_context(MariadbServer())
            urls["mysql"] = await mariadb.create_database()
        yield await stack.enter_async_context(ground_on(seaweed, urls, folder))


@asynccontextmanager
async def ground_on(
    store: SeaweedServer, urls: dict[str, str], folder: Path
) -> AsyncIterator[Ground]:
    """The ground over servers that run: a bucket of its own, and databases by engine."""
    databases = {engine: AppDatabase(url) for engine, url in urls.items()}
    keys = Keys(store.access_key, store.secret_key)
    with pytest.MonkeyPatch.context() as environment:
        for name in _LEAKING:
            environment.delenv(name, raising=False)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
        environment.setenv("AWS_ACCESS_KEY_ID", store.access_key)
        environment.setenv("AWS_SECRET_ACCESS_KEY", store.secret_key)
        await store.create_bucket(BUCKET)
        try:
            async with connect(store.config(BUCKET), keys=keys) as connection:
                yield Ground(store.config(BUCKET), connection.s3, databases, folder)
        finally:
            for database in databases.values():
                await database.close()
            await drop_bucket(store, BUCKET)
