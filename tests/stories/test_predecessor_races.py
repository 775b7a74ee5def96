"""Rows that come into being while the predecessor deletes: it verified all keys, then deleted all.

Here each batch is judged again by the databases just before its delete.
"""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from s3gc_core.collection import execute as execute_module
from s3gc_core.database_url import Engine
from tests.stories.staging import before_reading, picture, rows, upload
from tests.world import FOLLOWED, World

LATE, LATER = "p/late.jpg", "p/later.jpg"


async def test_row_inserted_between_verify_and_delete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload(world, {LATE, LATER, "p/lost.jpg", "p/used.jpg"})
    await rows(world, "files", ["p/used.jpg"])
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert summary.plan_id is not None
    assert await world.verdicts() == dict.fromkeys((LATE, LATER, "p/lost.jpg"), "orphan")
    # One row after the verification, one at the last moment, with the backup made.
    await world.app.execute("INSERT INTO files VALUES (2, ?)", LATE)

    async def at_the_last_moment() -> None:
        await world.app.execute(
            "INSERT INTO files VALUES (3, ?)", f"https://cdn.example.org/{LATER}"
        )

    before_reading(monkeypatch, at_the_last_moment)
    executed = await world.execute(summary.plan_id)
    assert executed.outcome == "done"
    assert await world.outcomes(executed.operation_id) == {
        LATE: "kept",
        LATER: "kept",
        "p/lost.jpg": "deleted",
    }
    async with world.collector() as collector:
        reasons = {
            r.key: r.reason async for page in collector.results(executed.operation_id) for r in page
        }
    # Where a stream tells of them, the registry knows them by then, and is asked first.
    streamed = FOLLOWED and world.app.engine is not Engine.SQLITE
    word = "referenced by" if streamed else "found in"
    assert reasons == {
        LATE: f"{word} main:files.k row 2",
        LATER: f"{word} main:files.k row 3",
        "p/lost.jpg": "",
    }
    assert await picture(world) == {key: before[key] for key in (LATE, LATER, "p/used.jpg")}


async def test_a_row_with_a_near_spelling_inserted_at_the_last_moment(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A scan would hold both: one predicate, one place, also just before the delete.
    world = sqlite_world
    await upload(world, {"p/Near.jpg", "p/base-name.jpg", "p/lost.jpg", "p/used.jpg"})
    await rows(world, "files", ["p/used.jpg"])
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert summary.plan_id is not None
    assert summary.orphans == 3

    async def at_the_last_moment() -> None:
        await world.app.execute("INSERT INTO files VALUES (2, 'P/NEAR.JPG'), (3, 'base-name.jpg')")

    before_reading(monkeypatch, at_the_last_moment)
    executed = await world.execute(summary.plan_id)
    assert await world.outcomes(executed.operation_id) == {
        "p/Near.jpg": "kept",
        "p/base-name.jpg": "kept",
        "p/lost.jpg": "deleted",
    }
    assert await world.keys() == {"p/Near.jpg", "p/base-name.jpg", "p/used.jpg"}


async def test_hard_working_writer(postgres_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = postgres_world
    orphans = [f"p/{n:03}.jpg" for n in range(200)]
    await upload(world, ["p/used.jpg", *orphans])
    await rows(world, "files", ["p/used.jpg"])
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert summary.plan_id is not None
    assert summary.orphans == 200
    # Batches as small as a writer of tens of rows a second is slow, in proportion.
    monkeypatch.setattr(execute_module, "BATCH_OBJECTS", 20)
    committed: set[str] = set()
    known_to: list[set[str]] = []  # what was committed before each batch was judged again
    ids = count(2)

    async def write() -> None:
        # From the far end, and never faster than the collector reads.
        for key in reversed(orphans):
            await world.app.execute("INSERT INTO files VALUES (?, ?)", next(ids), key)
            committed.add(key)
            await asyncio.sleep(0.005)

    async def note() -> None:
        known_to.append(set(committed))

    before_reading(monkeypatch, note)
    writer = asyncio.create_task(write())
    try:
        executed = await world.execute(summary.plan_id)
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    assert len(known_to) == 10
    outcomes = await world.outcomes(executed.operation_id)
    assert set(outcomes) == set(orphans)
    kept = {key for key, outcome in outcomes.items() if outcome == "kept"}
    deleted = {key for key, outcome in outcomes.items() if outcome == "deleted"}
    assert kept | deleted == set(orphans)
    # The writer got somewhere, and whatever it had committed before a batch's last judgement
    # stayed; its rows of later moments can only concern the batch in hand.
    batches = [set(orphans[start : start + 20]) for start in range(0, 200, 20)]
    in_time = {key for batch, known in zip(batches, known_to, strict=True) for key in batch & known}
    assert in_time
    assert in_time <= kept <= committed
    late = committed & deleted
    assert await picture(world) == {key: before[key] for key in kept | {"p/used.jpg"}}
    # Rows that came after their object had gone: it comes back as it was.
    if late:
        assert (await world.restore(*late)).counts == {"restored": len(late)}
    assert await picture(world) == {key: before[key] for key in kept | late | {"p/used.jpg"}}
