"""A world with four orphans and an object in use."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from s3gc_core.integrations import setup_s3gc_plugin
from tests.api.asking import TOKENS, Asking, ask, settings
from tests.stories.staging import ORPHANS, USED
from tests.world import World


@pytest.fixture
async def world(sqlite_world: World) -> World:
    """Nothing is scanned yet."""
    world = sqlite_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute(f"INSERT INTO files VALUES (1, '{USED}')")
    world.track({"files": ["k"]}, api={"tokens": TOKENS})
    for key in ORPHANS | {USED}:
        await world.put(key, f"the bytes of {key}".encode())
    return world


@pytest.fixture
async def app(world: World) -> AsyncIterator[FastAPI]:
    """An application with the admin API, as it is between its start and its end."""
    app = FastAPI()
    setup_s3gc_plugin(app, world.config, **settings(world))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def asking(app: FastAPI) -> AsyncIterator[Asking]:
    """Asks with a write token."""
    asked = ask(app)
    async with asked.client:
        yield asked
