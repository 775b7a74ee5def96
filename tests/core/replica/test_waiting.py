"""With `durability = "replica"` nothing is deleted that the replica has not acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from s3gc_core.collection import execute
from s3gc_core.collection.backup import Backups
from s3gc_core.collection.execute import Execution
from s3gc_core.errors import ReplicaBehind
from s3gc_core.judgement import PlanItem
from tests.core.replica.conftest import Replicated
from tests.servers.proxy import Exchange, Proxy, running_proxy

ORPHANS = {f"o/{n}": bytes([n]) * 300 for n in range(6)}


def refuse(proxy: Proxy, what: str, after: int) -> None:
    """From the Nth on, the replica refuses to take objects of this kind, as one that is full."""
    seen = 0

    async def before(exchange: Exchange) -> None:
        nonlocal seen
        if exchange.method == "PUT" and f"/{what}/" in exchange.path:
            seen += 1
            if seen > after:
                exchange.status = 403

    proxy.before = before


async def test_nothing_of_a_batch_goes_that_the_replica_does_not_have(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch is there, and goes; of the second only the head is missing."""
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 2)
    world = replicated.world
    async with running_proxy(replicated.other.endpoint_url) as proxy:
        replicated.other = replace(replicated.other, endpoint_url=proxy.endpoint)
        replicated.track("replica")
        await replicated.fill(ORPHANS)
        plan_id = (await world.scan()).plan_id
        assert plan_id is not None
        # What the approval recorded goes before the first batch does.
        refuse(proxy, "heads", after=2)
        with pytest.raises(ReplicaBehind, match="replica-behind: writing") as refused:
            await world.execute(plan_id)
        assert refused.value.exit_code == 6
        assert await world.keys() == {"used", "o/2", "o/3", "o/4", "o/5"}
        async with world.collector() as collector:
            lag = (await collector.status()).replica
        assert lag is not None
        assert lag.records > 0
        assert lag.bytes > 0
        assert "writing" in lag.problem

        # It takes them again: the plan goes on, and everything is there in the end.
        proxy.before = None
        async with world.collector() as collector:
            plan, _ = await collector.plan(plan_id)
            done = await collector.execute(plan_id, confirm=plan.confirmation)
        assert done.counts == {"deleted": 4}
        assert await world.keys() == {"used"}
        assert await replicated.behind() == 0


async def test_the_next_batch_is_begun_once_the_replica_has_this_one(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be shipped is not written to meanwhile; and refused, nothing more is read."""
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 2)
    back_up = Execution._back_up
    begun: list[list[str]] = []

    async def noted(execution: Execution, batch: Sequence[PlanItem]) -> Backups:
        begun.append([one.key for one in batch])
        return await back_up(execution, batch)

    monkeypatch.setattr(Execution, "_back_up", noted)
    world = replicated.world
    async with running_proxy(replicated.other.endpoint_url) as proxy:
        replicated.other = replace(replicated.other, endpoint_url=proxy.endpoint)
        replicated.track("replica")
        await replicated.fill(ORPHANS)
        plan_id = (await world.scan()).plan_id
        assert plan_id is not None
        refuse(proxy, "heads", after=1)
        with pytest.raises(ReplicaBehind):
            await world.execute(plan_id)
    assert begun == [["o/0", "o/1"]]
    assert await world.keys() == {"used", *ORPHANS}


async def test_without_waiting_a_replica_that_is_down_holds_up_nothing(
    replicated: Replicated,
) -> None:
    """It is told, and made good later."""
    world = replicated.world
    async with running_proxy(replicated.other.endpoint_url) as proxy:
        replicated.other = replace(replicated.other, endpoint_url=proxy.endpoint)
        replicated.track("local")
        await replicated.fill(ORPHANS)
        refuse(proxy, "heads", after=0)
        await world.collect()
        assert await world.keys() == {"used"}
        behind = await replicated.behind()
        proxy.before = None
        async with world.collector() as collector:
            assert (await collector.replicate()).records == behind
            lag = await collector.replica_lag()
        assert lag is not None
        assert (lag.records, lag.bytes, lag.seconds, lag.problem) == (0, 0, 0.0, "")


async def test_a_replica_that_cannot_be_opened_stops_an_execution_before_it_begins(
    replicated: Replicated,
) -> None:
    world = replicated.world
    replicated.track("replica")
    await replicated.fill(ORPHANS)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    assert world.config.replica is not None
    world.change(replica=replace(world.config.replica, bucket="no-such-bucket"))
    with pytest.raises(ReplicaBehind, match="no such bucket"):
        await world.execute(plan_id)
    assert await world.keys() == {"used", *ORPHANS}
    assert not [p for p in world.config.vault_path.glob("backups/*/*") if p.is_file()]
