"""Negative controls: the guard that blocks does so alone; without it, the orphans are planned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.bucket import Bucket, ListedObject, ListingIncomplete
from s3gc_core.collector import Collector
from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_core.errors import GuardBlocked
from s3gc_core.judgement import ScanSummary
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.core.judgement.controlled import GUARDS, LAYERS, passes, planned, put, rows, silent
from tests.servers.app_database import AppDatabase
from tests.world import World

SOURCE = "main:t.k"


async def blocks_alone(
    world: World, label: str, taken_out: str, monkeypatch: pytest.MonkeyPatch, *orphans: str
) -> None:
    """The scan is blocked by this one guard; with it taken out, its orphans are planned."""
    summary = await world.scan()
    assert [trip.label for trip in summary.blocked] == [label]
    assert summary.plan_id is None
    assert summary.orphans == len(orphans)
    with monkeypatch.context() as patch:
        patch.setattr(taken_out, silent)
        without = await world.scan()
    assert without.blocked == []
    assert await planned(world, without) == set(orphans)


async def test_without_any_trouble_nothing_blocks(sqlite_world: World) -> None:
    """The world that the other tests change in one respect each."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "orphan")
    world.days(10)
    summary = await world.scan()
    assert summary.blocked == []
    assert await planned(world, summary) == {"orphan"}
    assert (summary.listed, summary.referenced, summary.candidates) == (2, 1, 1)


async def test_no_references(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await rows(world)
    world.track({"t": [{"column": "k", "may_be_empty": True}]})
    await put(world, "a", "b")
    world.days(10)
    await blocks_alone(world, "no-references", GUARDS + "no_references", monkeypatch, "a", "b")


async def test_source_empty(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await rows(world, "used")
    await rows(world, table="u")
    world.track({"t": ["k"], "u": ["k"]})
    await put(world, "orphan")
    world.days(10)
    await blocks_alone(
        world, "source-empty:main:u.k", GUARDS + "source_empty", monkeypatch, "orphan"
    )


async def shrunk(world: World) -> None:
    """A healthy scan, after which most of the rows go away."""
    await rows(world, *(f"used/{n}" for n in range(10)))
    world.track({"t": ["k"]})
    await put(world, *(f"used/{n}" for n in range(10)), "orphan")
    world.days(10)
    assert (await world.scan()).blocked == []
    await world.app.execute("DELETE FROM t WHERE id >= 4")


async def test_source_shrunk(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await shrunk(sqlite_world)
    label = f"source-shrunk:{SOURCE}"
    await blocks_alone(sqlite_world, label, GUARDS + "source_shrunk", monkeypatch, "orphan")


async def test_a_blocked_scan_is_no_memory_for_the_next(sqlite_world: World) -> None:
    """Else the second of two scans would compare with the loss itself."""
    await shrunk(sqlite_world)
    for _ in range(3):
        summary = await sqlite_world.scan()
        assert [trip.label for trip in summary.blocked] == [f"source-shrunk:{SOURCE}"]
    accepted = await sqlite_world.scan([f"source-shrunk:{SOURCE}"])
    assert accepted.blocked == []
    assert (await sqlite_world.scan()).blocked == []


async def test_listing_incomplete(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, *(f"orphan/{n}" for n in range(5)))
    world.days(10)
    assert (await world.scan()).blocked == []
    for n in range(3):
        await world.remove(f"orphan/{n}")
    await blocks_alone(
        world,
        "listing-incomplete",
        GUARDS + "listing_incomplete",
        monkeypatch,
        "orphan/3",
        "orphan/4",
    )


async def test_what_we_deleted_ourselves_is_expected(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used")
    await put(world, *(f"orphan/{n}" for n in range(5)))
    world.days(10)
    assert (await world.collect()).counts == {"deleted": 5}
    summary = await world.scan()
    assert (summary.listed, summary.blocked) == (1, [])


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), -timedelta(minutes=6)])
async def test_clock_skew_blocks_scan_and_execution(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "orphan")
    world.days(10)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    server_date = Bucket.server_date

    async def skewed(bucket: Bucket) -> datetime:
        return await server_date(bucket) + ahead

    monkeypatch.setattr(Bucket, "server_date", skewed)
    for run in (world.scan, partial(world.execute, plan_id)):
        with pytest.raises(GuardBlocked) as blocked:
            await run()
        assert blocked.value.guards == ("clock-skew",)
    with pytest.raises(GuardBlocked):
        await world.scan(["clock-skew"])
    assert await world.keys() == {"used", "orphan"}
    # It does so alone.
    monkeypatch.setattr("s3gc_core.actions.parts.clock_skew", lambda *_: [])
    assert (await world.execute(plan_id)).counts == {"deleted": 1}


class BackwardsClock:
    """A clock that is set back a second every time someone looks."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC) + timedelta(days=10)

    def now(self) -> datetime:
        self._now -= timedelta(seconds=1)
        return self._now

    def bucket_now(self, server_date: datetime) -> datetime:
        return server_date + timedelta(days=10)


async def test_registry_stale(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that is not true up to the listing: the guard blocks, and the layer holds."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "orphan")

    async def scan() -> ScanSummary:
        async with Collector.open(world.config, clock=BackwardsClock()) as collector:
            return await collector.scan()

    summary = await scan()
    assert [trip.label for trip in summary.blocked] == ["registry-stale"]
    assert (summary.plan_id, summary.orphans, summary.held) == (None, 0, 1)
    monkeypatch.setattr(GUARDS + "registry_stale", silent)
    without_guard = await scan()
    assert (without_guard.blocked, without_guard.held) == ([], 1)
    monkeypatch.setattr(LAYERS + "registry_layer", passes)
    assert await planned(world, await scan()) == {"orphan"}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_objects": 1, "max_share": 1.0}, "the orphans are 2 objects (limit 1)"),
        ({"max_bytes": 199, "max_share": 1.0}, "the orphans are 200 bytes (limit 199)"),
        ({"max_share": 0.6}, "the orphans are 67% of the bucket (limit 60%)"),
    ],
)
async def test_budget(
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, Any],
    reason: str,
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, guards=limits)
    await put(world, "used")
    await put(world, "a", "b", body=b"x" * 100)
    world.days(10)
    [trip] = (await world.scan()).blocked
    assert trip.reason == reason
    await blocks_alone(world, "budget", GUARDS + "budget", monkeypatch, "a", "b")


async def test_budget_of_a_prefix(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await rows(world, "used")
    limits = {"a/": {"max_objects": 1}, "b/": {"max_objects": 1}, "c/": {"max_share": 0.1}}
    world.track({"t": ["k"]}, guards={"max_share": 1.0, "prefixes": limits})
    await put(world, "used", "a/1", "a/2", "b/1", "ab/1")
    world.days(10)
    [trip] = (await world.scan()).blocked
    assert trip.reason == "the orphans under a/ are 2 objects (limit 1)"
    accepted = await world.scan(["budget-prefix:a/"])
    assert accepted.blocked == []
    label, name = "budget-prefix:a/", GUARDS + "budget_prefix"
    await blocks_alone(world, label, name, monkeypatch, "a/1", "a/2", "ab/1", "b/1")


async def test_unsearched(postgres_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = postgres_world
    await rows(world, "used")
    await world.app.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, b BYTEA[])")
    await world.app.execute("INSERT INTO odd VALUES (1, NULL)")
    world.track({"t": ["k"]})
    await put(world, "used", "orphan")
    world.days(10)
    label = "unsearched:main:public.odd.b"
    await blocks_alone(world, label, GUARDS + "unsearched", monkeypatch, "orphan")


async def test_database_search_size(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, database_search_max_bytes=1)
    await put(world, "used", "orphan")
    world.days(10)
    await blocks_alone(
        world, "database-search-size", GUARDS + "database_search_size", monkeypatch, "orphan"
    )


async def test_another_bucket(
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
    make_bucket: MakeBucket,
    seaweed: SeaweedServer,
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "a")
    world.days(10)
    assert (await world.scan()).blocked == []
    world.change(bucket=(await make_bucket(seaweed)).bucket)
    await put(world, "b")
    for accept in ([], ["identity:bucket"]):
        with pytest.raises(GuardBlocked) as blocked:
            await world.scan(accept)
        assert blocked.value.guards == ("identity:bucket",)
    monkeypatch.setattr("s3gc_core.actions.parts.identity", lambda *_: [])
    without = await world.scan()
    assert without.blocked == []
    assert await planned(world, without) == {"b"}


async def test_another_database(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = sqlite_world
    await rows(world, "used", "a")
    world.track({"t": ["k"]})
    await put(world, "a")
    world.days(10)
    assert (await world.scan()).blocked == []
    other = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "other.db")).render())
    await other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await other.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, database=other.url, retention_days=1)
    with pytest.raises(GuardBlocked) as blocked:
        await world.scan()
    assert blocked.value.guards == ("identity:main",)
    with monkeypatch.context() as patch:
        patch.setattr("s3gc_core.actions.parts.identity", lambda *_: [])
        # Not blocked: the key that only the first database holds begins its retention.
        without = await world.scan()
    assert (without.blocked, without.kept) == ([], 1)
    await other.close()


async def test_a_database_that_was_accepted_is_the_one_from_then_on(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "a")
    assert (await world.scan()).blocked == []
    first = world.app.url
    other = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "other.db")).render())
    await other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await other.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, database=other.url)
    assert (await world.scan(["identity:main"])).blocked == []
    assert (await world.scan()).blocked == []
    world.track({"t": ["k"]}, database=first)
    with pytest.raises(GuardBlocked):
        await world.scan()
    await other.close()


async def test_a_listing_with_a_key_twice_is_none(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one comes twice another may be missing, and nothing could be counted."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "x")
    world.days(10)
    list_pages = Bucket.list_pages

    async def twice(bucket: Bucket, *args: Any, **kwargs: Any) -> AsyncIterator[list[ListedObject]]:
        async for page in list_pages(bucket, *args, **kwargs):
            yield list(page)
            yield list(page)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "list_pages", twice)
        with pytest.raises(ListingIncomplete):
            await world.scan()
    summary = await world.scan()
    assert await planned(world, summary) == {"x"}
    assert (summary.orphans, summary.held, summary.kept) == (1, 0, 0)
    assert summary.candidates == 1
    assert summary.listed == summary.referenced + summary.candidates
