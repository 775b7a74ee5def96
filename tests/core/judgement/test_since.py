"""What is new since a plan: orphans that its scan did not find, with that ETag."""

from __future__ import annotations

import pytest

from s3gc_core.errors import NoSuchPlan
from tests.core.judgement.controlled import put, rows
from tests.world import World


async def new(world: World, plan_id: str, prefix: str = "") -> set[str]:
    """Keys of the orphans that are new since a plan, in the last scan."""
    async with world.collector() as collector:
        since = await collector.whole_plan(plan_id)
        pages = collector.new_orphans(since, prefix=prefix)
        return {one.object.key async for page in pages for one in page}


async def test_only_what_the_plans_scan_did_not_find_is_new(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, exclude_prefixes=["kept/"])
    await put(world, "used", "a/1", "a/2", "b", "kept/1")
    world.days(10)
    first = (await world.scan()).plan_id
    assert first is not None
    assert await new(world, first) == set()
    async with world.collector() as collector:
        part = await collector.approve(first, reason="a test", prefixes=["a/"])
    await put(world, "a/3", "c", "kept/2")
    await world.put("b", b"another body")
    await world.app.execute("DELETE FROM t")
    await world.app.execute("INSERT INTO t VALUES (1, 'c')")
    await put(world, "d")
    await world.scan()
    # "used" lost its row just now, and "c" has one.
    assert await new(world, first) == {"a/3", "b", "d"}
    assert await new(world, first, "a/") == {"a/3"}
    # A part of a plan stands for the scan it came from, not for what was left out of it.
    assert await new(world, part.plan_id) == {"a/3", "b", "d"}
    with pytest.raises(NoSuchPlan):
        await new(world, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
