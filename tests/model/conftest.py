"""A world of the model, over the session's store and a database in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.model.driver import Driver
from tests.model.ground import Ground, sqlite_in
from tests.model.standing import ground_on


@pytest.fixture
async def ground(seaweed: SeaweedServer, tmp_path: Path) -> AsyncIterator[Ground]:
    """Where worlds are made, one after the other."""
    async with ground_on(seaweed, sqlite_in(tmp_path), tmp_path) as ready:
        yield ready


@pytest.fixture
async def driver(ground: Ground) -> AsyncIterator[Driver]:
    """One new world."""
    async with ground.world() as driver:
        yield driver
