"""Starts the servers for a run outside of pytest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from s3gc_core.bucket.connection import Keys, connect
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.model.ground import Ground, sqlite_in
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import drop_bucket, running_seaweed

ENGINES = ("sqlite", "postgres")
BUCKET = "model"


@asynccontextmanager
async def standing(folder: Path, engine: str) -> AsyncIterator[Ground]:
    """A store and a database server of our own, and the ground on them."""
    async with AsyncExitStack() as stack:
        seaweed = await stack.enter_async_context(running_seaweed(folder / "seaweed"))
        database = sqlite_in(folder)
        if engine == "postgres":
            server = await stack.enter_async_context(PostgresServer())
            database = AppDatabase(await server.create_database())
        yield await stack.enter_async_context(ground_on(seaweed, database, folder))


@asynccontextmanager
async def ground_on(
    store: SeaweedServer, database: AppDatabase, folder: Path
) -> AsyncIterator[Ground]:
    """The ground over servers that run, with a bucket of its own."""
    keys = Keys(store.access_key, store.secret_key)
    with pytest.MonkeyPatch.context() as environment:
        # Nothing of the machine's own AWS set-up may leak into a run, or be asked for.
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
        environment.setenv("AWS_ACCESS_KEY_ID", store.access_key)
        environment.setenv("AWS_SECRET_ACCESS_KEY", store.secret_key)
        await store.create_bucket(BUCKET)
        try:
            async with connect(store.config(BUCKET), keys=keys) as connection:
                yield Ground(store.config(BUCKET), connection.s3, database, folder)
        finally:
            await database.close()
            await drop_bucket(store, BUCKET)
