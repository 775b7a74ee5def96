"""The follower of a served profile: begun again when it ends, taken over, and ended with it."""

from __future__ import annotations

import os
import signal
import sys

from s3gc_core.jobs import FOLLOWER_FILE, LeaseHolder, lease_holder
from tests.core.jobs.journals import until
from tests.service.scene import Scene
from tests.world import World

PLAIN = [sys.executable, "-m", "s3gc_tui"]


def follower(scene: Scene, *, but: int = 0) -> LeaseHolder | None:
    """Who follows, unless it is this process."""
    holder = lease_holder(scene.vault, FOLLOWER_FILE)
    return holder if holder is not None and holder.pid != but else None


async def knows(world: World, key: str) -> None:
    """Wait until the registry knows a reference to this key."""
    async with world.collector() as collector:
        while not await collector.registry.edges_of(key):
            pass


async def test_a_follower_is_kept_and_ended(scene: Scene) -> None:
    world = scene.world
    world.track({"files": ["k"]}, database={"url": world.app.url, "cdc": True})
    scene.write_config()
    first = await scene.serve(program=PLAIN)
    one = await until(lambda: follower(scene))
    await scene.until(lambda s: s.follower.state == "following" and s.follower.pid == one.pid)
    os.kill(one.pid, signal.SIGKILL)
    assert "exit -9, again in 0.2 s" in (await first.until("follower-ended")).detail
    two = await until(lambda: follower(scene, but=one.pid))
    state = await scene.until(lambda s: s.follower.state == "following")
    assert (state.follower.restarts, state.follower.pid) == (1, two.pid)
    # A service that is killed leaves its follower behind; the next one ends it, and has its own.
    await first.kill()
    second = await scene.serve(program=PLAIN)
    three = await until(lambda: follower(scene, but=two.pid))
    await scene.until(lambda s: s.follower.state == "following" and s.follower.pid == three.pid)
    await world.app.execute("INSERT INTO files VALUES (2, 'new')")
    await knows(world, "new")
    await second.end()
    assert follower(scene) is None
    told = [e for e in second.told() if e != "stream"]
    assert told == ["serving", "follower-started", "stopping"]


async def test_a_follower_that_somebody_else_runs_is_left_alone(scene: Scene) -> None:
    world = scene.world
    world.track({"files": ["k"]}, database={"url": world.app.url, "cdc": True})
    scene.write_config()
    process = await scene.cli.start("--batch", "follow")
    other = await until(lambda: follower(scene))
    service = await scene.serve(program=PLAIN)
    assert f"process {other.pid} of" in (await service.until("follower-elsewhere")).detail
    await service.end()
    assert follower(scene) == other
    process.terminate()
    await process.wait()
