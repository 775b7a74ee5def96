"""What is executed is exactly what was approved, once, in time: on real stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import msgspec
import pytest

from s3gc_core.config import Mode
from s3gc_core.errors import (
    ConfirmationMismatch,
    DryRunRefused,
    NoSuchKey,
    NoSuchPlan,
    NotApproved,
    PlanChanged,
    PlanDrifted,
    PlanExpired,
    PlanFinished,
    Refused,
    SecondPersonNeeded,
)
from s3gc_core.judgement import Plan, PlanState
from tests.core.judgement.controlled import put, rows
from tests.world import World

ORPHANS = {"a/1", "a/2", "b"}


async def proposed(world: World) -> str:
    """A world with three orphans, and the plan that a scan made of them."""
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, *ORPHANS)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    assert summary.orphans == len(ORPHANS)
    return summary.plan_id


async def approved(world: World) -> Plan:
    """The same, approved."""
    plan_id = await proposed(world)
    async with world.collector() as collector:
        return await collector.approve(plan_id, reason="a test")


async def execute(world: World, plan: Plan, confirm: str | None = None) -> dict[str, int]:
    async with world.collector() as collector:
        confirmation = plan.confirmation if confirm is None else confirm
        return (await collector.execute(plan.plan_id, confirm=confirmation)).counts


async def is_refused(
    world: World, plan: Plan, refusal: type[Refused], confirm: str | None = None
) -> None:
    """Executing is refused for this reason, and nothing was deleted."""
    with pytest.raises(Refused) as refused:
        await execute(world, plan, confirm)
    assert type(refused.value) is refusal
    assert await world.keys() == ORPHANS


def tamper(world: World, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(world.config.vault_path / "catalogue.db")) as file:
        assert file.execute(statement, values).rowcount >= 1
        file.commit()


def edit(world: World, table: str, change: Callable[[dict[str, object]], None]) -> None:
    """Change the first row's JSON in place."""
    column = {"plan_item": "item", "plan": "head"}[table]
    with closing(sqlite3.connect(world.config.vault_path / "catalogue.db")) as file:
        [blob] = file.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
        fields = msgspec.json.decode(blob, type=dict[str, object])
        change(fields)
        edited = msgspec.json.encode(fields)
        file.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (edited, blob))
        file.commit()


def other_conditions(head: dict[str, object], **changed: object) -> dict[str, object]:
    conditions = head["conditions"]
    assert isinstance(conditions, dict)
    return {**conditions, **changed}


EDITS: dict[str, Callable[[World], None]] = {
    "an item's ETag": lambda world: edit(world, "plan_item", lambda i: i.update(etag='"e"')),
    "an item's size": lambda world: edit(world, "plan_item", lambda i: i.update(size=1)),
    "an item's key": lambda world: edit(world, "plan_item", lambda i: i.update(key="used")),
    "an item's class": lambda world: edit(
        world, "plan_item", lambda i: i.update(storage_class="GLACIER")
    ),
    "an item left out": lambda world: tamper(world, "DELETE FROM plan_item WHERE key = 'b'"),
    "an item added": lambda world: tamper(
        world,
        "INSERT INTO plan_item SELECT plan_id, 'z',"
        " CAST(replace(CAST(item AS TEXT), '\"b\"', '\"z\"') AS BLOB)"
        " FROM plan_item WHERE key = 'b'",
    ),
    "the expiry": lambda world: edit(
        world, "plan", lambda p: p.update(expires_at="2099-01-01T00:00:00Z")
    ),
    "the conditions": lambda world: edit(
        world, "plan", lambda p: p.update(conditions=other_conditions(p, retention_days=1))
    ),
    "the bucket": lambda world: edit(world, "plan", lambda p: p.update(bucket="other")),
    "a damaged item": lambda world: tamper(world, "UPDATE plan_item SET item = x'7b7d'"),
    "no JSON at all": lambda world: tamper(world, "UPDATE plan_item SET item = x'00ff'"),
}


async def test_an_edited_plan_is_refused(sqlite_world: World) -> None:
    world = sqlite_world
    plan = await approved(world)
    refusals = {}
    for name, edits in EDITS.items():
        with stored_plans(world):
            edits(world)
            async with world.collector() as collector:
                now, _ = await collector.plan(plan.plan_id)
                with pytest.raises(Exception) as refused:  # noqa: PT011 - which, is asserted below
                    await collector.execute(plan.plan_id, confirm=now.confirmation)
                refusals[name] = refused.type
    assert refusals == dict.fromkeys(EDITS, PlanChanged)
    assert await world.keys() == ORPHANS
    # With everything back in its place, it is the plan that was approved.
    assert await execute(world, plan) == {"deleted": 3}


@contextmanager
def stored_plans(world: World) -> Iterator[None]:
    """Put the stored plans back as they were."""
    tables = ("plan", "plan_item")
    with closing(sqlite3.connect(world.config.vault_path / "catalogue.db")) as file:
        saved = {table: file.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        yield
        for table, stored in saved.items():
            marks = ",".join("?" * len(stored[0]))
            file.execute(f"DELETE FROM {table}")
            file.executemany(f"INSERT INTO {table} VALUES ({marks})", stored)
        file.commit()


async def test_a_plan_whose_hash_was_edited_too_was_never_approved(sqlite_world: World) -> None:
    """Whoever can write the catalogue can also compute a hash; the audit log knows another."""
    world = sqlite_world
    plan = await approved(world)
    tamper(world, "DELETE FROM plan_item WHERE key = 'b'")
    async with world.collector() as collector:
        catalogue = collector._parts.catalogue
        forged = await catalogue.recompute_sha256(plan)
    edit(world, "plan", lambda head: head.update(sha256=forged, objects=2))
    await is_refused(world, plan, NotApproved, f"{world.config.bucket} 2")


async def test_the_same_plan_untouched_is_executed_once(sqlite_world: World) -> None:
    world = sqlite_world
    plan = await approved(world)
    assert await execute(world, plan) == {"deleted": 3}
    assert await world.keys() == set()
    with pytest.raises(PlanFinished):
        await execute(world, plan)
    async with world.collector() as collector:
        with pytest.raises(PlanFinished):
            await collector.approve(plan.plan_id, reason="again")
        with pytest.raises(PlanFinished):
            await collector.reject(plan.plan_id, reason="too late")
        assert await collector.approved_plan() is None
        _, history = await collector.plan(plan.plan_id)
    assert history.state is PlanState.EXECUTED


async def test_a_plan_made_under_other_settings_is_refused(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan = await approved(world)
    as_it_was = world.config
    world.change(retention_days=6)
    await is_refused(world, plan, PlanDrifted)
    world.change(retention_days=7, url_patterns=("/media/{key}",))
    await is_refused(world, plan, PlanDrifted)
    # The guard taken out: it is what refused.
    with monkeypatch.context() as patched:
        patched.setattr("s3gc_core.judgement.conditions.drifted", lambda then, now: [])
        world.change(mode=Mode.AUDIT_ONLY)
        assert await execute(world, plan) == {"would-delete": 3}
    # What can only keep more is no drift, and keeps.
    world.config = as_it_was
    world.change(exclude_prefixes=("a/1",), retention_days=8)
    assert await execute(world, plan) == {"deleted": 2, "kept": 1}
    assert await world.keys() == {"a/1"}


async def test_who_approved_may_not_execute_where_two_are_needed(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("SUDO_USER", "ana")
    plan = await approved(world)
    world.change(require_second_person=True)
    await is_refused(world, plan, SecondPersonNeeded)
    # From somewhere else she is still the same person.
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 1 10.0.0.8 22")
    await is_refused(world, plan, SecondPersonNeeded)
    monkeypatch.setenv("SUDO_USER", "ops")
    assert await execute(world, plan) == {"deleted": 3}


async def test_the_same_person_may_execute_unless_two_are_needed(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ana")
    plan = await approved(sqlite_world)
    assert await execute(sqlite_world, plan) == {"deleted": 3}


async def test_an_expired_plan_is_refused(sqlite_world: World) -> None:
    world = sqlite_world
    plan = await approved(world)
    world.days(1.001)
    await is_refused(world, plan, PlanExpired)
    async with world.collector() as collector:
        assert await collector.approved_plan() is None
        for decide in (collector.approve, collector.reject):
            with pytest.raises(PlanExpired):
                await decide(plan.plan_id, reason="a test")


async def test_a_plan_is_good_until_it_expires(sqlite_world: World) -> None:
    plan = await approved(sqlite_world)
    sqlite_world.days(0.99)
    assert await execute(sqlite_world, plan) == {"deleted": 3}


async def test_a_rejected_plan_is_refused(sqlite_world: World) -> None:
    world = sqlite_world
    plan_id = await proposed(world)
    async with world.collector() as collector:
        plan = await collector.reject(plan_id, reason="a test")
        with pytest.raises(PlanFinished):
            await collector.approve(plan_id, reason="after all")
        _, history = await collector.plan(plan_id)
    assert (history.state, history.approved) == (PlanState.REJECTED, False)
    await is_refused(world, plan, PlanFinished)


async def test_an_approval_can_be_taken_back_before_execution(sqlite_world: World) -> None:
    world = sqlite_world
    plan = await approved(world)
    async with world.collector() as collector:
        await collector.reject(plan.plan_id, reason="on second thoughts")
    await is_refused(world, plan, PlanFinished)


async def test_what_else_is_refused(sqlite_world: World) -> None:
    world = sqlite_world
    plan_id = await proposed(world)
    async with world.collector() as collector:
        plan, history = await collector.plan(plan_id)
        assert history.state is PlanState.PROPOSED
        with pytest.raises(NoSuchPlan):
            await collector.execute("01ARZ3NDEKTSV4RRFFQ69G5FAV", confirm="")
        with pytest.raises(NoSuchPlan):
            await collector.approve("01ARZ3NDEKTSV4RRFFQ69G5FAV", reason="a test")
        with pytest.raises(NoSuchKey):
            await collector.approve(plan_id, reason="a test", keys=["no such key"])
        # A selection of nothing approved nothing.
        assert (await collector.plan(plan_id))[1].state is PlanState.PROPOSED
    await is_refused(world, plan, NotApproved)
    async with world.collector() as collector:
        await collector.approve(plan_id, reason="a test")
    await is_refused(world, plan, ConfirmationMismatch, f"{world.config.bucket} 4")
    await is_refused(world, plan, ConfirmationMismatch, "yes")
    world.change(mode=Mode.DRY_RUN)
    await is_refused(world, plan, DryRunRefused)


async def test_a_part_of_a_plan_is_executed_and_nothing_else(sqlite_world: World) -> None:
    world = sqlite_world
    plan_id = await proposed(world)
    async with world.collector() as collector:
        whole, _ = await collector.plan(plan_id)
        part = await collector.approve(plan_id, reason="a test", prefixes=["a/"])
    assert part.confirmation == f"{world.config.bucket} 2"
    # The whole was not approved by approving a part of it.
    await is_refused(world, whole, NotApproved)
    assert await execute(world, part) == {"deleted": 2}
    assert await world.keys() == {"b"}
    assert await outcomes(world, part) == {
        "a/1": "deleted",
        "a/2": "deleted",
    }


async def outcomes(world: World, plan: Plan) -> dict[str, str]:
    """What became of the objects of a plan, by the audit log."""
    async with world.collector() as collector:
        [run] = [
            operation.operation_id
            for operation in await collector.audit.operations()
            if operation.started.plan_id == plan.plan_id
            and operation.finished is not None
            and operation.finished.outcome == "done"
        ]
    return await world.outcomes(run)


async def test_a_clearance_that_was_taken_back_is_drift(sqlite_world: World) -> None:
    """Nobody looked into the column when the plan was made."""
    world = sqlite_world
    await rows(world, "used")
    await world.app.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT, more TEXT)")
    world.track({"t": ["k"]})
    async with world.collector() as collector:
        await collector.clear_columns("log.line", reason="a log")
    await put(world, *ORPHANS)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    async with world.collector() as collector:
        plan = await collector.approve(summary.plan_id, reason="a test")
        await collector.reopen_columns("log.line", reason="it is one after all")
        # Another one that was cleared since was searched for this plan, and held nothing.
        await collector.clear_columns("log.more", reason="a log as well")
        with pytest.raises(PlanDrifted, match=r"these changed: clearances$"):
            await collector.execute(plan.plan_id, confirm=plan.confirmation)
        assert await world.keys() == ORPHANS
        await collector.clear_columns("log.line", reason="it is none, I looked")
    assert await execute(world, plan) == {"deleted": 3}
