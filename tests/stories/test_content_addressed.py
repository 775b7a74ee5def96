"""Content-addressed stores: the key is made from a hash, and many rows share one object."""

from __future__ import annotations

import pytest

from tests.stories.staging import before_reading, upload
from tests.world import World

ABC, DEF, GONE = "abc123", "def456", "012345"
SHARED, OTHER, ALONE = f"files/ab/{ABC}", f"files/de/{DEF}", f"files/01/{GONE}"


async def a_store_with_shared_files(world: World) -> None:
    """Three rows hold one object, one row another; rows are deleted by marking them."""
    await world.app.execute(
        "CREATE TABLE files (id INTEGER PRIMARY KEY, hash VARCHAR(64), deleted_at VARCHAR(30))"
    )
    await world.app.executemany(
        "INSERT INTO files VALUES (?, ?, NULL)", [(1, ABC), (2, ABC), (3, ABC), (4, DEF)]
    )
    await upload(world, [SHARED, OTHER])
    world.track(
        {"files": [{"template": "files/{hash:.2}/{hash}", "where": "deleted_at IS NULL"}]},
        # Of so few rows a guard would take each that goes for a catastrophe.
        guards={"max_share": 1.0, "source_shrunk_share": 0.01},
    )


async def forget(world: World, *rows: int) -> None:
    for row in rows:
        await world.app.execute("UPDATE files SET deleted_at = '2026-01-01' WHERE id = ?", row)


async def bring_back(world: World, row: int) -> None:
    await world.app.execute("UPDATE files SET deleted_at = NULL WHERE id = ?", row)


async def holders(world: World, key: str) -> list[int | str]:
    async with world.collector() as collector:
        return [edge.row for edge in await collector.registry.edges_of(key)]


async def test_an_object_stays_until_its_last_row_goes(world: World) -> None:
    await a_store_with_shared_files(world)
    world.days(30)
    assert (await world.scan()).candidates == 0
    assert await holders(world, SHARED) == [1, 2, 3]

    # Two of three go, one by its mark and one for good: the object stays.
    await forget(world, 1)
    await world.app.execute("DELETE FROM files WHERE id = 2")
    world.days(30)
    assert (await world.scan()).candidates == 0
    assert await holders(world, SHARED) == [3]

    # The third goes: a candidate from then on, an orphan when retention has passed.
    await forget(world, 3)
    assert (await world.scan()).plan_id is None
    assert await world.verdicts() == {SHARED: "keep"}
    world.days(6)
    await world.scan()
    assert await world.verdicts() == {SHARED: "keep"}
    assert "last reference went away 6 d ago" in (await world.judged())[SHARED].reason
    world.days(2)
    executed = await world.collect()
    assert executed.counts == {"deleted": 1}
    assert await world.keys() == {OTHER}


async def test_a_soft_delete_that_is_undone_is_a_reference_again(world: World) -> None:
    await a_store_with_shared_files(world)
    world.days(30)
    await world.scan()
    await forget(world, 1, 2, 3)
    await world.scan()
    assert await world.verdicts() == {SHARED: "keep"}
    world.days(8)
    await bring_back(world, 2)
    assert (await world.scan()).candidates == 0
    assert await holders(world, SHARED) == [2]
    # Its time runs anew from when it goes again.
    await forget(world, 2)
    await world.scan()
    world.days(6)
    await world.scan()
    assert await world.verdicts() == {SHARED: "keep"}
    world.days(2)
    await world.scan()
    assert await world.verdicts() == {SHARED: "orphan"}


@pytest.mark.parametrize("at_the_last_moment", [False, True], ids=["before", "during"])
async def test_a_soft_delete_that_is_undone_after_the_scan_keeps_its_object(
    world: World, monkeypatch: pytest.MonkeyPatch, at_the_last_moment: bool
) -> None:
    """Between scan and execution: the database is asked again before each delete."""
    await a_store_with_shared_files(world)
    await upload(world, [ALONE])
    await world.app.execute("INSERT INTO files VALUES (5, ?, NULL)", GONE)
    world.days(30)
    await world.scan()
    await forget(world, 1, 2, 3, 5)
    await world.scan()
    world.days(8)
    summary = await world.scan()
    assert await world.verdicts() == {SHARED: "orphan", ALONE: "orphan"}
    assert summary.plan_id is not None

    async def undo() -> None:
        await bring_back(world, 3)

    if at_the_last_moment:
        before_reading(monkeypatch, undo)
    else:
        await undo()
    executed = await world.execute(summary.plan_id)
    assert await world.outcomes(executed.operation_id) == {SHARED: "kept", ALONE: "deleted"}
    assert await world.keys() == {SHARED, OTHER}
