"""Safe points of every operation: what a wish between two steps leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3gc_core.collection import Selection, execute, folder, restore
from s3gc_core.collector import Collector
from s3gc_core.errors import OperationCancelled, PlanExpired
from s3gc_core.jobs import (
    EventKind,
    Job,
    job_events,
    lease_holder,
    list_jobs,
    request_cancel,
    request_pause,
    request_resume,
)
from tests.core.jobs.journals import until_job
from tests.stories.staging import ORPHANS, USED, before_reading, ready_plan, rows, upload
from tests.world import World

Request = Callable[[Path, str, str | None], None]


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    monkeypatch.setattr(restore, "_BATCH", 1)
    monkeypatch.setattr(folder, "_BATCH", 1)


def wishing(world: World, request: Request, at: str) -> AbstractAsyncContextManager[Collector]:
    """s3gc, with someone who makes a wish as soon as a phase has told of its first step."""
    wished: list[str] = []

    def watcher(phase: str, done: int, total: int | None = None) -> None:
        if phase == at and not wished:
            holder = lease_holder(world.config.vault_path)
            assert holder is not None
            wished.append(holder.operation_id)
            request(world.config.vault_path, holder.operation_id, "ops@there")

    return Collector.open(world.config, clock=world.clock, progress=watcher)


def is_paused(job: Job) -> bool:
    return job.state is not None and job.state.control == "paused"


def heartbeat(job: Job) -> datetime:
    assert job.state is not None
    return job.state.heartbeat_at


async def operations(world: World) -> list[tuple[str, str, str | None]]:
    async with world.collector() as collector:
        recorded = await collector.audit.operations()
    return [(o.started.what, o.finished.outcome, o.finished.error) for o in recorded if o.finished]


async def with_orphans(world: World) -> None:
    await upload(world, ORPHANS | {USED})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]})
    world.days(30)


@pytest.mark.parametrize(
    "phase", ["list", "catch up", "compare", "ask databases", "search databases", "judge"]
)
async def test_a_cancelled_scan_leaves_no_plan(sqlite_world: World, phase: str) -> None:
    await with_orphans(sqlite_world)
    async with wishing(sqlite_world, request_cancel, phase) as collector:
        with pytest.raises(OperationCancelled, match="ops@there"):
            await collector.scan()
        assert await collector.plans() == []
        assert await collector.last_scan() is None
    assert await operations(sqlite_world) == [("scan", "cancelled", "operation-cancelled")]
    summary = await sqlite_world.scan()
    assert summary.orphans == len(ORPHANS)


async def test_a_scan_is_cancelled_before_its_plan_at_the_latest(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_orphans(sqlite_world)
    async with sqlite_world.collector() as collector:
        catalogue = collector._parts.catalogue
        totals = type(catalogue).totals

        async def late(self: object, scan_id: str) -> object:
            request_cancel(sqlite_world.config.vault_path, scan_id, "ops@there")
            return await totals(catalogue, scan_id)

        monkeypatch.setattr(type(catalogue), "totals", late)
        with pytest.raises(OperationCancelled):
            await collector.scan()
        assert await collector.plans() == []


@pytest.mark.parametrize("phase", ["list", "compare", "search databases", "judge"])
async def test_a_scan_that_waited_finds_the_same(sqlite_world: World, phase: str) -> None:
    await with_orphans(sqlite_world)
    async with wishing(sqlite_world, request_pause, phase) as collector:
        scanning = asyncio.create_task(collector.scan())
        job = await until_job(sqlite_world.config.vault_path, is_paused)
        # A reference that appears meanwhile is seen: by this scan, or by the last judgement.
        assert not scanning.done()
        request_resume(sqlite_world.config.vault_path, job.operation_id, "ops@there")
        summary = await asyncio.wait_for(scanning, 30)
    assert (summary.orphans, summary.blocked) == (len(ORPHANS), [])
    assert set(await sqlite_world.verdicts()) == ORPHANS


async def test_a_scan_does_not_wait_in_a_snapshot(sqlite_world: World) -> None:
    """A pause there would hold the application's database; it comes at the next page instead."""
    await with_orphans(sqlite_world)
    async with wishing(sqlite_world, request_pause, "catch up") as collector:
        scanning = asyncio.create_task(collector.scan())
        job = await until_job(sqlite_world.config.vault_path, is_paused)
        assert job.state is not None
        assert [phase.name for phase in job.state.phases] == ["list", "catch up", "compare"]
        request_resume(sqlite_world.config.vault_path, job.operation_id, "ops@there")
        assert (await asyncio.wait_for(scanning, 30)).orphans == len(ORPHANS)


async def rebuild(collector: Collector) -> None:
    await collector.rebuild_registry()


async def scan(collector: Collector) -> None:
    await collector.scan()


@pytest.mark.parametrize(
    ("work", "reading", "phases"),
    [
        (rebuild, 1, ["read sources"]),
        # The first two ask for the tables there are, and for the columns that are tracked.
        (scan, 3, ["list", "catch up"]),
        (scan, 4, ["list", "catch up", "compare", "ask databases"]),
    ],
)
async def test_the_reading_of_a_database_can_be_cancelled(
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Collector], Awaitable[None]],
    reading: int,
    phases: list[str],
) -> None:
    """In the middle of it, not only at the next safe point."""
    await with_orphans(sqlite_world)
    vault = sqlite_world.config.vault_path
    readings: list[None] = []

    async def cancel() -> None:
        readings.append(None)
        if len(readings) != reading:
            return
        job = await until_job(vault, lambda job: True)
        request_cancel(vault, job.operation_id, "ops@there")
        # The journal looks at the wishes on its own while a database is read, whenever it writes.
        wished = datetime.now(UTC)
        seen = await until_job(vault, lambda job: heartbeat(job) > wished)
        await until_job(vault, lambda job: heartbeat(job) > heartbeat(seen))

    before_reading(monkeypatch, cancel)
    async with sqlite_world.collector() as collector:
        with pytest.raises(OperationCancelled):
            await work(collector)
        if "compare" not in phases:
            # A partial reading is never taken for a whole one.
            assert await collector.registry.valid_at() is None
    [job] = list_jobs(vault)
    assert job.state is not None
    assert [phase.name for phase in job.state.phases] == phases


async def test_a_plan_that_does_not_outlive_a_pause(sqlite_world: World) -> None:
    plan_id = await ready_plan(sqlite_world)
    vault = sqlite_world.config.vault_path
    async with wishing(sqlite_world, request_pause, "execute") as collector:
        plan = await collector.approve(plan_id, reason="a test")
        executing = asyncio.create_task(collector.execute(plan_id, confirm=plan.confirmation))
        job = await until_job(vault, is_paused)
        # What was done before the wait is on record, were the power to go now.
        assert list((await sqlite_world.outcomes(job.operation_id)).values()) == ["deleted"]
        lifetime = sqlite_world.config.plan_lifetime_hours / 24
        sqlite_world.days(lifetime)
        request_resume(vault, job.operation_id, "ops@there")
        with pytest.raises(PlanExpired):
            await asyncio.wait_for(executing, 30)
    assert len(await sqlite_world.keys() & ORPHANS) == len(ORPHANS) - 1
    assert (await operations(sqlite_world))[-1] == ("execute", "failed", "plan-expired")


async def test_a_plan_that_outlives_a_pause(sqlite_world: World) -> None:
    plan_id = await ready_plan(sqlite_world)
    vault = sqlite_world.config.vault_path
    async with wishing(sqlite_world, request_pause, "execute") as collector:
        plan = await collector.approve(plan_id, reason="a test")
        executing = asyncio.create_task(collector.execute(plan_id, confirm=plan.confirmation))
        job = await until_job(vault, is_paused)
        sqlite_world.days(sqlite_world.config.plan_lifetime_hours / 24 - 0.1)
        request_resume(vault, job.operation_id, "ops@there")
        summary = await asyncio.wait_for(executing, 30)
    assert (summary.outcome, summary.counts) == ("done", {"deleted": len(ORPHANS)})


@pytest.mark.parametrize("to_folder", [False, True])
async def test_a_cancelled_restore_is_whole_as_far_as_it_went(
    sqlite_world: World, tmp_path: Path, to_folder: bool
) -> None:
    plan_id = await ready_plan(sqlite_world)
    executed = await sqlite_world.execute(plan_id)
    selection = Selection(operation_id=executed.operation_id)
    target = tmp_path / "out"

    async def bring_back(collector: Collector) -> dict[str, int]:
        if to_folder:
            return (await collector.restore_to_folder(selection, target)).counts
        return (await collector.restore(selection)).counts

    outcome = "exported" if to_folder else "restored"
    async with wishing(sqlite_world, request_cancel, "restore") as collector:
        with pytest.raises(OperationCancelled) as cancelled:
            await bring_back(collector)
    assert cancelled.value.counts == {outcome: 1}
    operation_id = cancelled.value.operation_id
    assert operation_id is not None
    assert list((await sqlite_world.outcomes(operation_id)).values()) == [outcome]
    [job, *_] = list_jobs(sqlite_world.config.vault_path)
    assert job.state is not None
    assert (job.state.outcome, job.state.counts) == ("cancelled", {outcome: 1})
    assert set(job.state.bytes) == {"restored"}
    if to_folder:
        assert len(list(target.glob("p/*"))) == 1
        return
    assert len(await sqlite_world.keys() & ORPHANS) == 1
    async with sqlite_world.collector() as again:
        assert await bring_back(again) == {"already-there": 1, "restored": len(ORPHANS) - 1}
    assert await sqlite_world.keys() == ORPHANS | {USED}


async def test_what_did_not_end_as_intended_is_told(sqlite_world: World) -> None:
    plan_id = await ready_plan(sqlite_world)
    overwritten = min(ORPHANS)
    await sqlite_world.put(overwritten, b"another object")
    executed = await sqlite_world.execute(plan_id)
    events = job_events(sqlite_world.config.vault_path, executed.operation_id).events
    objects = [e for e in events if e.kind is EventKind.OBJECT]
    assert [(e.subject, e.key) for e in objects] == [("changed", overwritten)]
    assert events[-1].subject == "partial"
