"""Fixtures of the command line's tests: a small world, and s3gc beside it as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.config import Config
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.tui.command_line import CommandLine
from tests.tui.small_world import SmallWorld, furnish
from tests.world import World


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """s3gc in an empty folder, with no configuration."""
    folder = tmp_path / "operator"
    folder.mkdir()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(folder, {"AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture
async def small(sqlite_world: World, alone: CommandLine) -> SmallWorld:
    """A bucket with used, orphaned and protected objects, nothing scanned yet."""
    await furnish(sqlite_world)
    small = SmallWorld(sqlite_world, alone)
    small.write_config()
    return small


@pytest.fixture
async def followed(
    bucket_config: Config, postgres: PostgresServer, alone: CommandLine
) -> AsyncIterator[SmallWorld]:
    """The same with a database that is to be followed; nobody follows it yet.

    Whatever follows in the end is ended, and the server keeps nothing for it.
    """
    database = AppDatabase(await postgres.create_database())
    world = World(bucket_config, database)
    await furnish(world, database={"url": database.url, "cdc": True})
    small = SmallWorld(world, alone)
    small.write_config()
    yield small
    async with world.collector() as collector:
        await collector.stop_following(drop_slot=True)
    await database.close()
