"""What returns while an operation holds the vault is brought back beside it, and never both act on
one object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import msgspec
import pytest

from s3gc_core.actions.following import FollowEvent
from s3gc_core.actions.healing import heal
from s3gc_core.collection import execute
from s3gc_core.collector import Collector
from s3gc_core.errors import ResultsUnbalanced, VaultBusy
from s3gc_core.jobs import (
    HEALING_FILE,
    LEASE_FILE,
    lease_holder,
    request_pause,
    request_resume,
    vault_lease,
)
from s3gc_core.judgement import layers
from s3gc_core.vault import (
    AuditLog,
    Intent,
    OperationStarted,
    Outcome,
    Restored,
    RestoreIntent,
    RestoreOutcome,
    Result,
)
from tests.core.jobs.journals import until, until_job
from tests.stories.test_healing import deleted, link
from tests.stories.test_jobs_at_safe_points import is_paused
from tests.world import World


@asynccontextmanager
async def followed(world: World) -> AsyncIterator[None]:
    """A follower that heals, for as long as the body takes."""
    told: list[FollowEvent] = []
    async with world.collector() as collector:
        following = asyncio.create_task(collector.follow(told.append))
        try:
            await until(lambda: any(event.event == "following" for event in told))
            yield
            assert not following.done()
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def until_there(world: World, keys: set[str]) -> None:
    async with asyncio.timeout(30):
        while await world.keys() != keys:
            pass


async def test_it_comes_back_while_the_execution_that_deleted_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paused for as long as one likes: it comes back, is not deleted again, and all else goes on.

    Who waits for the end of the execution waits for ever here.
    """
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    # The objects are seconds older than any transaction of the follower, and the clock is one.
    monkeypatch.setattr(layers, "CLOCKS_DIFFER", timedelta(0))
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO t VALUES (9, 'used')")
    keys = {"used", "aa", "bbb", "cccc"}
    for key in keys:
        await world.put(key)
    before = {key: await world.contents(key) for key in keys}
    world.track({"t": ["k"]}, database={"url": world.app.url, "cdc": True}, heal="restore")
    world.days(10)
    vault = world.config.vault_path
    async with followed(world):
        summary = await world.scan()
        assert (summary.orphans, summary.blocked) == (3, [])
        assert summary.plan_id is not None

        def watcher(phase: str, done: int, total: int | None = None) -> None:
            if phase == "execute" and done == 1:
                holder = lease_holder(vault)
                assert holder is not None
                request_pause(vault, holder.operation_id, "ops@there")

        async with Collector.open(world.config, clock=world.clock, progress=watcher) as collector:
            plan = await collector.approve(summary.plan_id, reason="a test")
            executing = asyncio.create_task(
                collector.execute(plan.plan_id, confirm=plan.confirmation)
            )
            job = await until_job(vault, is_paused)
            [gone] = keys - await world.keys()
            await link(world, gone)
            await until_there(world, keys)
            assert not executing.done()
            request_resume(vault, job.operation_id, "ops@there")
            ended = await asyncio.wait_for(executing, 60)
        assert (ended.outcome, ended.counts) == ("done", {"deleted": 3})
        assert await world.keys() == {"used", gone}
    assert await world.contents(gone) == before[gone]
    async with world.collector() as collector:
        await collector.audit.verify()
        assert await collector.audit.claimed() == frozenset()
        ran = [(o.started.what, o.finished) for o in await collector.audit.operations()]
    assert [(what, end.outcome if end else None) for what, end in ran] == [
        ("scan", "done"),
        ("execute", "done"),
        ("restore", "done"),
    ]


async def recorded(world: World) -> int:
    """How many records the audit log has."""
    async with world.collector() as collector:
        return (await collector.audit.head())[0]


async def test_nothing_that_just_begins_is_turned_away(sqlite_world: World) -> None:
    """A scan that meets a restore which heals waits for its end, and ends well."""
    world = sqlite_world
    await deleted(world)
    vault = world.config.vault_path
    before = await recorded(world)
    with vault_lease(vault, "01JJJJJJJJJJJJJJJJJJJJJJJ1", "restore", "me", file=HEALING_FILE):
        scanning = asyncio.create_task(world.scan())
        await until(lambda: lease_holder(vault))
        await asyncio.wait([scanning], timeout=1)
        # It holds the vault, and neither recovers nor begins.
        assert await recorded(world) == before
    assert (await asyncio.wait_for(scanning, 30)).blocked == []
    with vault_lease(vault, "01JJJJJJJJJJJJJJJJJJJJJJJ1", "heal", "me"):
        scanning = asyncio.create_task(world.scan())
        await asyncio.wait([scanning], timeout=0.5)
        assert not scanning.done()
    assert (await asyncio.wait_for(scanning, 30)).blocked == []
    # Whatever else holds the vault does so for longer than anybody wants to wait.
    with (
        vault_lease(vault, "01JJJJJJJJJJJJJJJJJJJJJJJ1", "drill", "me"),
        pytest.raises(VaultBusy),
    ):
        await world.scan()


async def test_what_a_dead_execution_left_is_recovered_before_it_heals(
    sqlite_world: World,
) -> None:
    """Nobody runs, so its open step is no claim: it is looked at, and the object comes back."""
    world = sqlite_world
    await deleted(world, heal="restore")
    async with world.collector() as collector:
        await link(world, "gone")
        await collector.rebuild_registry()
        await left_open(collector, "gone")
        assert await heal(collector._parts, lambda _: None) == []
        assert await world.keys() == {"used", "gone"}
        assert await collector.audit.claimed() == frozenset()
        await collector.audit.verify()


async def test_a_follower_recovers_what_a_dead_execution_left(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deletes are in no record, and no operation begins: the alarm comes all the same."""
    world = sqlite_world
    followed_too = {"url": world.app.url, "cdc": True}
    monkeypatch.setattr("s3gc_core.actions.healing.AGAIN_SECONDS", (0.5, 1.0))
    with monkeypatch.context() as patch:
        patch.setattr(execute.Execution, "_note", lambda _, results: results)
        with pytest.raises(ResultsUnbalanced):
            await deleted(world, heal="restore", database=followed_too)
    assert await world.keys() == {"used"}
    async with followed(world):
        await link(world, "gone")
        await until_there(world, {"used", "gone"})
    async with world.collector() as collector:
        assert await collector.audit.claimed() == frozenset()
        await collector.audit.verify()


async def test_recovery_looks_at_no_operation_that_runs(sqlite_world: World) -> None:
    """What another operation, which holds the vault, has open is its own."""
    world = sqlite_world
    await deleted(world, heal="restore")
    vault = world.config.vault_path
    async with world.collector() as collector:
        await link(world, "gone")
        await link(world, "other")
        await collector.rebuild_registry()
        with vault_lease(vault, "01ALIVE", "execute", "me", file=LEASE_FILE):
            await left_open(collector, "gone", "01ALIVE")
            left = await heal(collector._parts, lambda _: None)
            assert ([one.key for one in left], await world.keys()) == (["gone"], {"used", "other"})
            assert await collector.audit.claimed() == {"gone"}
            await collector.audit.append("01ALIVE", [Result("gone", Outcome.FAILED)])
            assert await heal(collector._parts, lambda _: None) == []
    assert await world.keys() == {"used", "other", "gone"}


async def died_healing(collector: Collector, *keys: str) -> None:
    """A healing restore was killed between its claim and the first object it writes."""
    started = OperationStarted("restore", "me", "execute", arguments={"healing": "True"})
    intents = [RestoreIntent(key, await deleted_by(collector, key)) for key in keys]
    await collector.audit.append("01DEAD2", [started, *intents])


async def deleted_by(collector: Collector, key: str) -> str:
    [found] = [one async for page in collector.audit.deleted_objects(keys=(key,)) for one in page]
    return found.operation_id


async def test_what_a_dead_healer_left_is_brought_back_beside_an_operation(
    sqlite_world: World,
) -> None:
    """The operation, here a restore, may run for ever; what it has open itself is its own."""
    world = sqlite_world
    await deleted(world, heal="restore")
    vault = world.config.vault_path
    async with world.collector() as collector:
        await link(world, "gone")
        await link(world, "other")
        await collector.rebuild_registry()
        await died_healing(collector, "gone")
        with vault_lease(vault, "01ALIVE", "restore", "me", file=LEASE_FILE):
            other = RestoreIntent("other", await deleted_by(collector, "other"))
            await collector.audit.append("01ALIVE", [other])
            left = await heal(collector._parts, lambda _: None)
            assert ([one.key for one in left], await world.keys()) == (["other"], {"used", "gone"})
            assert await collector.audit.claims() == {"other": "01ALIVE"}
            # Its end is for who holds the vault to say.
            dead = await collector.audit.operation("01DEAD2")
            assert dead.finished is None
        records = [e.record async for p in collector.audit.entries("01DEAD2") for e in p]
        [ended] = [r for r in records if isinstance(r, Restored)]
        assert (ended.key, ended.outcome, ended.inferred) == ("gone", RestoreOutcome.FAILED, True)
        await collector.audit.verify()


async def test_a_follower_brings_back_what_a_dead_healer_left(sqlite_world: World) -> None:
    world = sqlite_world
    followed_too = {"url": world.app.url, "cdc": True}
    await deleted(world, heal="restore", database=followed_too)
    async with world.collector() as collector:
        await died_healing(collector, "gone", "other")
    with vault_lease(world.config.vault_path, "01ALIVE", "execute", "me", file=LEASE_FILE):
        async with followed(world):
            await link(world, "gone")
            await link(world, "other")
            await until_there(world, {"used", "gone", "other"})


async def left_open(collector: Collector, key: str, operation_id: str = "01DEAD1") -> Intent:
    """An intent to delete of an operation, whose end nobody recorded."""
    [found] = [one async for page in collector.audit.deleted_objects(keys=(key,)) for one in page]
    await collector.audit.append(operation_id, [found.intent])
    return found.intent


async def test_an_open_step_claims_its_key(sqlite_world: World) -> None:
    """Whichever of the two comes second leaves the key alone, and records all else."""
    world = sqlite_world
    await deleted(world)
    vault, clock = world.config.vault_path, world.clock
    async with world.collector() as collector:
        gone = await left_open(collector, "gone", "01EXECUTE")
        ours, others = collector.audit, await AuditLog.open(vault, clock)
        try:
            restores = [RestoreIntent(key, "01EXECUTE", None) for key in ("gone", "other")]
            assert await others.claim("01HEAL", restores) == {"gone"}
            other = msgspec.structs.replace(gone, key="other")
            ended = Result("gone", Outcome.KEPT)
            assert await ours.claim("01EXECUTE", [ended, other]) == {"other"}
            assert await ours.claimed() == {"other"}
            # An operation's own steps are no claim against itself.
            assert await others.claim("01HEAL", restores) == frozenset()
        finally:
            await others.close()
