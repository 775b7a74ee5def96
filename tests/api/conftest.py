"""A world with four orphans and an object in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.integrations import setup_s3gc_plugin
from s3gc_core.log import LOGGER
from tests.api.asking import DAYS, ENVIRON, TOKENS, Asking, ask
from tests.service.scene import SHIFTED
from tests.stories.staging import ORPHANS, USED
from tests.world import World


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What an application hides from this process's log, it hides for one test."""
    yield
    for one in list(LOGGER.filters):
        LOGGER.removeFilter(one)


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
    world.days(DAYS)
    setup_s3gc_plugin(app, world.config, environ=ENVIRON, program=SHIFTED, clock=world.clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def asking(app: FastAPI) -> AsyncIterator[Asking]:
    """Asks with a write token."""
    asked = ask(app)
    async with asked.client:
        yield asked


@pytest.fixture
def quiet(tmp_path: Path) -> Config:
    """A configuration for what asks neither bucket nor database: there is none of either."""
    (tmp_path / "app.db").touch()
    return create_config(
        bucket="photos",
        endpoint_url="http://127.0.0.1:1",
        vault_path=tmp_path / "vault",
        database=f"sqlite:///{tmp_path / 'app.db'}",
        tables={"files": ["k"]},
        api={"tokens": TOKENS},
    )


@pytest.fixture
async def quiet_asking(quiet: Config) -> AsyncIterator[Asking]:
    """Asks with a write token where there is neither bucket nor database."""
    app = FastAPI()
    setup_s3gc_plugin(app, quiet, environ=ENVIRON)
    asked = ask(app)
    async with app.router.lifespan_context(app), asked.client:
        yield asked
