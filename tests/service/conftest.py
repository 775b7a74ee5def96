"""A world with four orphans and an object in use, and a service for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.scene import Scene
from tests.stories.staging import ORPHANS, USED
from tests.tui.command_line import CommandLine
from tests.world import World


@pytest.fixture
async def scene(sqlite_world: World, tmp_path: Path) -> AsyncIterator[Scene]:
    """Nothing is scanned, nor served yet."""
    world = sqlite_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute(f"INSERT INTO files VALUES (1, '{USED}')")
    world.track({"files": ["k"]})
    for key in ORPHANS | {USED}:
        await world.put(key, f"the bytes of {key}".encode())
    folder = tmp_path / "operator"
    folder.mkdir()
    scene = Scene(world, CommandLine(folder))
    scene.write_config()
    yield scene
    await scene.close()
