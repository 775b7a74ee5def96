"""The ground that all fault tests stand on: one for each test, on the session's SeaweedFS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.faults.children import Children, Nursery, running_nursery
from tests.faults.ground import BATCH_OBJECTS, Ground, make_objects, refer_to, write_config
from tests.faults.oracle import Oracle
from tests.faults.proxied import Proxied
from tests.faults.store import Store
from tests.servers.proxy import running_proxy


@pytest.fixture(scope="session")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    """The parent of all processes that are killed."""
    async with running_nursery(tmp_path_factory.mktemp("children")) as running:
        yield running


@pytest.fixture
async def ground(
    seaweed: SeaweedServer, nursery: Nursery, make_bucket: MakeBucket, tmp_path: Path
) -> AsyncIterator[Ground]:
    """A filled bucket, its database and an empty vault."""
    config = await make_bucket(seaweed)
    async with furnished(config, seaweed, nursery, tmp_path) as made:
        yield made


@pytest.fixture
async def proxied(
    seaweed: SeaweedServer, nursery: Nursery, make_bucket: MakeBucket, tmp_path: Path
) -> AsyncIterator[Proxied]:
    """The same, with a proxy between s3gc and the bucket."""
    async with running_proxy(seaweed.endpoint) as proxy:
        config = replace(await make_bucket(seaweed), endpoint_url=proxy.endpoint)
        async with furnished(config, seaweed, nursery, tmp_path) as made:
            yield Proxied(made, proxy)


@asynccontextmanager
async def furnished(
    config: Config, server: SeaweedServer, nursery: Nursery, folder: Path
) -> AsyncIterator[Ground]:
    """Upload everything and let the application refer to what is in use."""
    file = write_config(config, folder)
    objects, orphans, protected = make_objects()
    refer_to(folder, frozenset(objects) - orphans - protected)
    store = await asyncio.to_thread(
        Store, server.endpoint, config.bucket, server.access_key, server.secret_key
    )
    try:
        await asyncio.to_thread(store.put_all, objects)
        yield Ground(
            config=file,
            vault=config.vault_path,
            bucket=config.bucket,
            store=store,
            objects=objects,
            orphans=orphans,
            oracle=Oracle(store, config.vault_path, objects, orphans),
            children=Children(nursery, file, BATCH_OBJECTS),
        )
    finally:
        await asyncio.to_thread(store.close)
