"""A row refers to a deleted object again: it is said at once, and mended where that is wanted."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from s3gc_core.actions.following import FollowEvent
from s3gc_core.collector import Collector
from s3gc_core.session import READ_ONLY
from tests.core.jobs.journals import until
from tests.world import World


async def deleted(world: World, **settings: object) -> None:
    """The objects `gone` and `other` were deleted; `used` is referred to."""
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    for key in ("used", "gone", "other"):
        await world.put(key)
    world.track({"t": ["k"]}, **settings)
    world.days(10)
    await world.collect()
    assert await world.keys() == {"used"}


async def link(world: World, key: str) -> None:
    await world.app.execute("INSERT INTO t VALUES (?, ?)", len(key), key)


async def test_a_scan_says_what_returned(sqlite_world: World) -> None:
    world = sqlite_world
    await deleted(world)
    assert (await world.scan()).returned == 0
    await link(world, "gone")
    # It is told as long as it is so.
    assert [(await world.scan()).returned for _ in range(2)] == [1, 1]
    assert await world.keys() == {"used"}
    await world.restore("gone")
    assert (await world.scan()).returned == 0
    await link(world, "other")
    await world.app.execute("DELETE FROM t WHERE k = 'other'")
    assert (await world.scan()).returned == 0


async def test_a_scan_brings_it_back(sqlite_world: World) -> None:
    world = sqlite_world
    await deleted(world, heal="restore")
    await link(world, "gone")
    async with Collector.open(world.config, clock=world.clock, session=READ_ONLY) as collector:
        assert (await collector.scan()).returned == 1
    assert await world.keys() == {"used"}
    assert (await world.scan()).returned == 0
    assert await world.keys() == {"used", "gone"}
    async with world.collector() as collector:
        operations = [one.started.what for one in await collector.audit.operations()]
    assert operations == ["scan", "execute", "scan", "scan", "restore"]


async def test_a_follower_says_so_and_brings_it_back(world: World) -> None:
    """Within seconds, on each engine, without any scan."""
    database = {"url": world.app.url, "cdc": True}
    await deleted(world, database=database, heal="restore")
    told: list[FollowEvent] = []
    async with world.collector() as collector:
        following = asyncio.create_task(collector.follow(told.append))
        try:
            await until(lambda: any(event.event == "following" for event in told))
            await link(world, "gone")
            async with asyncio.timeout(30):
                while await world.keys() != {"used", "gone"}:
                    assert not following.done()
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
    returned = [event for event in told if event.event == "returned"]
    assert [(event.database, "gone was deleted" in event.detail) for event in returned] == [
        ("main", True)
    ]
