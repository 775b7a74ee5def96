"""The predecessors' rows about databases that go away: during the verification, and after it."""

from __future__ import annotations

import pytest

from s3gc_core.collection import execute as execute_module
from s3gc_core.errors import DatabaseUnreachable
from tests.servers.postgres import PostgresServer
from tests.stories.staging import ORPHANS, USED, before_reading, claimed, go_on, picture, ready_plan
from tests.world import World


async def test_database_stopped_during_verify(
    postgres_world: World, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgres_world
    await ready_plan(world)
    before = await picture(world)
    readings = 0

    async def stop_at_the_second_reading() -> None:
        # The first loads the registry; the second asks about the candidates.
        nonlocal readings
        readings += 1
        if readings == 2:
            await postgres.stop()

    before_reading(monkeypatch, stop_at_the_second_reading)
    async with world.collector() as collector:
        try:
            with pytest.raises(DatabaseUnreachable):
                await collector.scan()
            assert readings == 2
            with pytest.raises(DatabaseUnreachable):
                await collector.scan()
        finally:
            await postgres.start()
        assert await picture(world) == before
        # The same process goes on as if nothing had been.
        summary = await collector.scan()
        assert (summary.orphans, summary.blocked) == (len(ORPHANS), [])
        assert summary.plan_id is not None
        outcomes = [
            operation.finished.outcome
            for operation in await collector.audit.operations()
            if operation.finished is not None
        ]
    assert outcomes == ["done", "failed", "failed", "done"]
    assert (await world.execute(summary.plan_id)).counts == {"deleted": len(ORPHANS)}


async def test_database_stopped_after_verify(
    postgres_world: World, postgres: PostgresServer
) -> None:
    world = postgres_world
    plan_id = await ready_plan(world)
    before = await picture(world)
    await postgres.stop()
    try:
        with pytest.raises(DatabaseUnreachable):
            await world.execute(plan_id)
        assert await picture(world) == before
        assert await claimed(world) == set()
    finally:
        await postgres.start()
    assert (await go_on(world, plan_id)).counts == {"deleted": len(ORPHANS)}
    assert await picture(world) == {USED: before[USED]}


async def test_database_stopped_between_two_batches(
    postgres_world: World, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgres_world
    plan_id = await ready_plan(world)
    before = await picture(world)
    monkeypatch.setattr(execute_module, "BATCH_OBJECTS", 2)
    readings = 0

    async def stop_before_the_second_batch() -> None:
        nonlocal readings
        readings += 1
        if readings == 2:
            await postgres.stop()

    try:
        with monkeypatch.context() as patched:
            before_reading(patched, stop_before_the_second_batch)
            with pytest.raises(DatabaseUnreachable):
                await world.execute(plan_id)
    finally:
        await postgres.start()
    # What was judged again went, what was not stayed: both are in the books.
    left = {"p/c.jpg", "p/d.jpg", USED}
    assert await picture(world) == {key: before[key] for key in left}
    assert await claimed(world) == {"p/a.jpg", "p/b.jpg"}
    # A row came while it was away; the plan is gone on with, and judged again.
    await world.app.execute("INSERT INTO files VALUES (2, 'p/c.jpg')")
    executed = await go_on(world, plan_id)
    assert await world.outcomes(executed.operation_id) == {"p/c.jpg": "kept", "p/d.jpg": "deleted"}
    assert await picture(world) == {key: before[key] for key in ("p/c.jpg", USED)}
