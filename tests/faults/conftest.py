"""The ground that all fault tests stand on: one for each test, on the session's SeaweedFS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.faults.children import Children, Nursery, running_nursery
from tests.faults.ground import BATCH_OBJECTS, Ground, make_objects, refer_to, write_config
from tests.faults.oracle import Oracle
from tests.faults.store import Store


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
    file = write_config(config, tmp_path)
    objects, orphans, protected = make_objects()
    refer_to(tmp_path, frozenset(objects) - orphans - protected)
    store = await asyncio.to_thread(
        Store, seaweed.endpoint, config.bucket, seaweed.access_key, seaweed.secret_key
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
