"""A follower that is killed again and again ends with a registry that is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.follow.application import TRACKED
from tests.follow.kills import Killing
from tests.world import World


async def test_a_killed_follower_loses_nothing(world: World, tmp_path: Path) -> None:
    world.track(TRACKED, database={"url": world.app.url, "cdc": True})
    killing = Killing(world.config, world.app, tmp_path, seed=1)
    outcome = await killing.run(changes=2_000, kills=4, bulk=3_000)
    assert outcome.differences == []
    assert outcome.hit.total() == 4
    # What is compared is there: no source is empty.
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
