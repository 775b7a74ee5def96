"""A column that nobody vouched for and that holds keys blocks; a named person can clear it."""

from __future__ import annotations

import pytest

from s3gc_core.collector import Collector
from s3gc_core.errors import NoSuchColumn, ReadOnlySession
from s3gc_core.references import Standing
from s3gc_core.session import READ_ONLY
from tests.stories.staging import picture, upload
from tests.world import World

CREATE = "CREATE TABLE users (id INTEGER PRIMARY KEY, avatar VARCHAR(200), note VARCHAR(200))"


async def furnished(world: World) -> None:
    await world.app.execute(CREATE)
    await world.app.executemany(
        "INSERT INTO users VALUES (?, ?, ?)",
        [(1, "a/1.jpg", "blue"), (2, "a/2.jpg", None)],
    )
    await upload(world, {"a/1.jpg", "a/2.jpg", "b/new.jpg", "lost.jpg"})
    world.track({"users": ["avatar"]})
    world.days(8)


async def standings(world: World) -> dict[str, tuple[Standing, bool]]:
    async with world.collector() as collector:
        ledger = await collector.coverage()
    return {
        f"{column.table}.{column.id.column}": (column.standing, column.is_open) for column in ledger
    }


async def test_a_migration_adds_a_column_and_nothing_is_planned(world: World) -> None:
    await furnished(world)
    summary = await world.scan()
    assert (summary.blocked, summary.orphans) == ([], 2)
    assert await standings(world) == {
        "users.avatar": (Standing.TRACKED, False),
        "users.note": (Standing.UNKNOWN, False),
    }
    before = await picture(world)

    # A migration brings a new place for keys, and nobody tells s3gc.
    await world.app.execute("ALTER TABLE users ADD COLUMN banner VARCHAR(200)")
    await world.app.execute("UPDATE users SET banner = 'b/new.jpg' WHERE id = 1")
    summary = await world.scan()
    [trip] = summary.blocked
    assert trip.guard == "coverage"
    assert trip.subject.endswith("users.banner")
    assert summary.plan_id is None
    assert trip.subject in trip.next_step
    assert await standings(world) == {
        "users.avatar": (Standing.TRACKED, False),
        "users.note": (Standing.UNKNOWN, False),
        "users.banner": (Standing.UNKNOWN, True),
    }

    # Tracked, it protects its key; the guard rests.
    world.track({"users": ["avatar", "banner"]})
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {"lost.jpg": "deleted"}
    assert await picture(world) == {key: before[key] for key in before if key != "lost.jpg"}


async def test_a_person_clears_a_column_and_takes_it_back(world: World) -> None:
    await furnished(world)
    await world.app.execute("UPDATE users SET note = 'b/new.jpg' WHERE id = 1")
    summary = await world.scan()
    assert [trip.guard for trip in summary.blocked] == ["coverage"]
    async with world.collector() as collector:
        [column] = await collector.clear_columns("users.note", reason="a log, not a reference")
        assert column.id.column == "note"
        # Who says so, when and why is in the ledger.
        [told] = [c for c in await collector.coverage() if c.id.column == "note"]
        assert told.clearance is not None
        assert told.clearance.reason == "a log, not a reference"
        assert "@" in told.clearance.actor
        with pytest.raises(NoSuchColumn, match="cleared already"):
            await collector.clear_columns("users.note", reason="again")
    summary = await world.scan()
    assert (summary.blocked, summary.orphans) == ([], 2)
    async with world.collector() as collector:
        await collector.reopen_columns("users.note", reason="it is one after all")
    summary = await world.scan()
    assert [trip.guard for trip in summary.blocked] == ["coverage"]


async def test_a_cleared_column_of_another_type_is_unknown_again(world: World) -> None:
    await furnished(world)
    async with world.collector() as collector:
        await collector.clear_columns("users", reason="no keys there")
    assert (await standings(world))["users.note"] == (Standing.CLEARED, False)
    await world.app.execute("ALTER TABLE users RENAME COLUMN note TO old_note")
    await world.app.execute("ALTER TABLE users ADD COLUMN note TEXT")
    await world.app.execute("UPDATE users SET note = 'b/new.jpg'")
    summary = await world.scan()
    assert [trip.subject.rpartition(".")[2] for trip in summary.blocked] == ["note"]


async def test_a_guard_accepted_for_one_scan(world: World) -> None:
    await furnished(world)
    await world.app.execute("UPDATE users SET note = 'b/new.jpg' WHERE id = 1")
    [trip] = (await world.scan()).blocked
    async with world.collector() as collector:
        summary = await collector.scan([trip.label], "looked at by hand")
    # What the column says is still found, and keeps.
    assert (summary.blocked, summary.orphans, summary.kept) == ([], 1, 1)
    assert [trip.guard for trip in (await world.scan()).blocked] == ["coverage"]


async def test_wrong_names_and_a_session_that_may_not_write(sqlite_world: World) -> None:
    await furnished(sqlite_world)
    async with sqlite_world.collector() as collector:
        for name in ("", "note", "users.nope", "nope", "other:users.note"):
            with pytest.raises(NoSuchColumn):
                await collector.clear_columns(name, reason="why not")
        with pytest.raises(NoSuchColumn, match="tracked already"):
            await collector.clear_columns("users.avatar", reason="why not")
        with pytest.raises(NoSuchColumn, match="unknown already"):
            await collector.reopen_columns("users.note", reason="why not")
    async with Collector.open(sqlite_world.config, session=READ_ONLY) as collector:
        with pytest.raises(ReadOnlySession):
            await collector.clear_columns("users.note", reason="why not")
        with pytest.raises(ReadOnlySession):
            await collector.reopen_columns("users.note", reason="why not")
    assert (await standings(sqlite_world))["users.note"] == (Standing.UNKNOWN, False)
