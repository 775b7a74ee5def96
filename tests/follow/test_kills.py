"""A follower that is killed again and again ends with a registry that is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.config import Config
from tests.follow.application import TRACKED
from tests.follow.file_kills import FileKilling
from tests.follow.kills import Killing
from tests.servers.app_database import AppDatabase
from tests.world import World


async def test_a_killed_follower_loses_nothing(world: World, tmp_path: Path) -> None:
    world.track(TRACKED, database={"url": world.app.url, "cdc": True})
    killing = Killing(world.config, world.app, tmp_path, seed=1)
    outcome = await killing.run(changes=2_000, kills=4, bulk=3_000)
    assert outcome.differences == []
    assert outcome.hit.total() == 4
    # What is compared is there: no source is empty.
    assert all(outcome.keys.values()), outcome.keys


async def test_a_killed_follower_of_a_file_loses_nothing(
    bucket_config: Config, tmp_path: Path
) -> None:
    world = World(bucket_config, AppDatabase(f"sqlite:///{tmp_path}/app.db"))
    world.track(TRACKED, database={"url": world.app.url, "cdc": True})
    killing = FileKilling(world.config, world.app, tmp_path, seed=1)
    outcome = await killing.run(changes=1_000, kills=4, bulk_rows=3_000)
    assert outcome.differences == []
    assert outcome.hit.total() == 4
    assert all(outcome.keys.values()), outcome.keys


@pytest.mark.parametrize("app_server", ["postgres"], indirect=True)
async def test_a_killed_follower_that_asks_in_sql_loses_nothing(
    world: World, tmp_path: Path
) -> None:
    database = {"url": world.app.url, "cdc": True, "cdc_over": "sql"}
    world.track(TRACKED, database=database)
    killing = Killing(world.config, world.app, tmp_path, seed=2)
    outcome = await killing.run(changes=1_000, kills=3, bulk=2_000)
    assert outcome.differences == []
    assert outcome.hit.total() == 3
    assert all(outcome.keys.values()), outcome.keys
