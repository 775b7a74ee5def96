"""What a day's executions may delete together: no more, unless a named person says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from s3gc_core.config import GuardLimits, PrefixBudget
from s3gc_core.errors import GuardBlocked
from s3gc_core.judgement import Deletion, Planned, day_budget, prefix_day_budgets
from s3gc_core.vault import OperationStarted
from tests.core.judgement.controlled import put, rows
from tests.core.judgement.evidence import NOW
from tests.world import World

HOUR = timedelta(hours=1)
GUARD = "budget-per-day"
# Not in the order of time.
DELETED = [Deletion(NOW - 2 * HOUR, 30), Deletion(NOW - 20 * HOUR, 10), Deletion(NOW - HOUR, 50)]


def summed(*objects: tuple[str, int]) -> Planned:
    planned = Planned(PREFIXED.prefixes)
    for key, size in objects:
        planned.add(key, size)
    return planned


def told(limits: GuardLimits, objects: int, size: int) -> tuple[str, str] | None:
    trip = day_budget(limits, DELETED, objects, size, NOW)
    return (trip.reason.rpartition("makes ")[2], trip.next_step.split(",")[0]) if trip else None


def test_at_the_limit_and_beside_it() -> None:
    objects, size = (
        GuardLimits(max_objects_per_day=5),
        GuardLimits(max_bytes_per_day=100),
    )
    assert told(objects, 2, 1 << 39) is None
    assert told(objects, 3, 1) == (
        "6 objects (limit 5)",
        "wait until 2026-06-01 16:00:00 UTC",  # the oldest was 20 hours ago
    )
    assert told(objects, 5, 1) == ("8 objects (limit 5)", "wait until 2026-06-02 11:00:00 UTC")
    assert told(objects, 6, 1) == ("9 objects (limit 5)", "approve a smaller part of the plan")
    assert told(size, 1, 10) is None
    assert told(size, 1, 11) == ("101 bytes (limit 100)", "wait until 2026-06-01 16:00:00 UTC")
    assert told(size, 1, 21) == ("111 bytes (limit 100)", "wait until 2026-06-02 10:00:00 UTC")
    both = GuardLimits(max_objects_per_day=5, max_bytes_per_day=100)
    assert told(both, 3, 51) == (
        "6 objects (limit 5) and 141 bytes (limit 100)",
        "wait until 2026-06-02 11:00:00 UTC",
    )


def test_unless_told_otherwise_a_day_may_delete_what_a_plan_may() -> None:
    assert told(GuardLimits(max_objects=4), 1, 1) is None
    assert told(GuardLimits(max_objects=4), 2, 1) is not None
    assert told(GuardLimits(max_objects=4, max_objects_per_day=5), 2, 1) is None
    assert told(GuardLimits(max_bytes=90), 0, 0) is None
    assert told(GuardLimits(max_bytes=90), 1, 1) is not None


async def ready(world: World, **limits: object) -> None:
    await rows(world, "used")
    world.track({"t": ["k"]}, guards={"max_share": 1.0, **limits}, retention_days=1)
    await put(world, "used", "a", "b")
    world.days(10)
    assert (await world.collect()).counts == {"deleted": 2}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_objects_per_day": 3}, "this plan makes 4 objects (limit 3)"),
        ({"max_bytes_per_day": 39}, "this plan makes 40 bytes (limit 39)"),
    ],
)
async def test_a_second_execution_on_one_day_counts_with_the_first(
    sqlite_world: World, limits: dict[str, object], reason: str
) -> None:
    world = sqlite_world
    await ready(world, **limits)
    await put(world, "c", "d")
    summary = await world.scan()
    assert summary.plan_id is not None
    with pytest.raises(GuardBlocked) as blocked:
        await world.execute(summary.plan_id)
    assert blocked.value.guards == (GUARD,)
    assert blocked.value.exit_code == 3
    assert reason in blocked.value.what
    assert await world.keys() == {"used", "c", "d"}
    # A day later what was deleted then does not count any more; the plan would have expired.
    world.days(0.9)
    with pytest.raises(GuardBlocked):
        await world.execute(summary.plan_id)
    world.days(0.1)
    assert (await world.collect()).counts == {"deleted": 2}
    assert await world.keys() == {"used"}


async def test_a_named_person_may_go_over_it_with_a_reason(sqlite_world: World) -> None:
    world = sqlite_world
    await ready(world, max_objects_per_day=3)
    await put(world, "c", "d")
    summary = await world.scan()
    assert summary.plan_id is not None
    async with world.collector() as collector:
        plan = await collector.approve(summary.plan_id, reason="a test")
        done = await collector.execute(
            plan.plan_id, confirm=plan.confirmation, accept=[GUARD], reason="the disk is full"
        )
        assert done.counts == {"deleted": 2}
        started = [
            entry.record
            async for page in collector.audit.entries(done.operation_id)
            for entry in page
            if isinstance(entry.record, OperationStarted)
        ]
    assert [one.arguments for one in started] == [{"accept": GUARD, "reason": "the disk is full"}]
    assert started[0].actor


async def test_a_plan_over_budget_may_be_accepted_with_a_reason(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, guards={"max_share": 1.0, "max_objects": 1})
    await put(world, "used", "a", "b")
    world.days(10)
    assert [trip.label for trip in (await world.scan()).blocked] == ["budget"]
    accepted = await world.scan(["budget"])
    assert (accepted.blocked, accepted.orphans) == ([], 2)
    # For the day it counts as well: that is another promise, and takes another word.
    assert accepted.plan_id is not None
    with pytest.raises(GuardBlocked, match="with the 0 objects") as blocked:
        await world.execute(accepted.plan_id)
    assert blocked.value.guards == (GUARD,)


PREFIXED = GuardLimits(
    prefixes={
        "a/": PrefixBudget(max_objects_per_day=3),
        "a/b/": PrefixBudget(max_objects=1, max_bytes=9),
        "c/": PrefixBudget(max_share=0.1),
    }
)


@pytest.mark.parametrize(
    ("planned", "deleted", "tripped"),
    [
        (["a/1", "a/2", "a/3"], [], []),
        (["a/1", "a/2", "a/3", "a/4"], [], ["a/"]),
        # What counts for the one prefix counts for the other: a key begins with both.
        (["a/b/1", "a/b/2"], [], ["a/b/"]),
        (["a/b/1"], ["a/1", "a/2"], []),
        (["a/b/1"], ["a/1", "a/2", "a/3"], ["a/"]),
        (["a/b/1"], ["a/b/2"], ["a/b/"]),
        # For this plan it is nothing what was deleted where it deletes nothing.
        (["b/1"], ["a/1", "a/2", "a/3", "a/4"], []),
        (["c/1", "c/2"], ["c/3"], []),
    ],
)
def test_the_day_of_a_prefix(planned: list[str], deleted: list[str], tripped: list[str]) -> None:
    earlier = [Deletion(NOW - HOUR, 1, key) for key in deleted]
    trips = prefix_day_budgets(PREFIXED, earlier, summed(*((key, 1) for key in planned)), NOW)
    assert [trip.label for trip in trips] == [f"{GUARD}:{prefix}" for prefix in tripped]


def test_bytes_of_a_prefix_are_told() -> None:
    [trip] = prefix_day_budgets(PREFIXED, [], summed(("a/b/1", 10)), NOW)
    assert trip.reason == (
        "with the 0 objects that were deleted under a/b/ in the 24 hours before"
        " 2026-06-01 12:00:00 UTC, this plan makes 10 bytes (limit 9)"
    )
    assert trip.next_step == (
        "approve a smaller part of the plan, or execute --accept budget-per-day:a/b/ --reason TEXT"
    )


async def test_a_prefix_has_a_budget_of_its_own_for_the_day(sqlite_world: World) -> None:
    world = sqlite_world
    await ready(world, prefixes={"c/": {"max_objects_per_day": 1}})
    await put(world, "c/1", "c/2", "d/1")
    summary = await world.scan()
    assert summary.plan_id is not None
    with pytest.raises(GuardBlocked) as blocked:
        await world.execute(summary.plan_id)
    assert blocked.value.guards == (f"{GUARD}:c/",)
    assert await world.keys() == {"used", "c/1", "c/2", "d/1"}
    async with world.collector() as collector:
        plan = await collector.approve(summary.plan_id, reason="a test")
        # The word for the whole bucket is not the word for a prefix.
        with pytest.raises(GuardBlocked):
            await collector.execute(
                plan.plan_id, confirm=plan.confirmation, accept=[GUARD], reason="a test"
            )
        done = await collector.execute(
            plan.plan_id, confirm=plan.confirmation, accept=[f"{GUARD}:c/"], reason="a test"
        )
    assert done.counts == {"deleted": 3}
    # The audit log knows where they were: the next one is counted with them.
    await put(world, "c/3")
    again = await world.scan()
    assert again.plan_id is not None
    with pytest.raises(GuardBlocked, match=r"the 2 objects that were deleted under c/"):
        await world.execute(again.plan_id)
