"""A small sample of `python -m tests.service`."""

from __future__ import annotations

from tests.service.killing import Killing
from tests.service.scene import Scene


async def test_nothing_is_lost_whoever_is_killed(scene: Scene) -> None:
    killing = Killing(scene, seed=8)
    await killing.run(kills=1)
    assert sum(killing.toll.killed.values()) == 1
