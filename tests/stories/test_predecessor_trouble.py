"""More of the predecessors' table of damage: stores that refuse, databases that go away, two
cycles at once, and an audit trail that anybody could edit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.collection import execute as execute_module
from s3gc_core.errors import (
    AuditBroken,
    BucketUnreachable,
    DatabaseUnreachable,
    ExitCode,
    VaultBusy,
)
from s3gc_core.vault import Outcome
from s3gc_tui.context import EXIT_OF
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Exchange, running_proxy
from tests.stories.staging import before_reading, body_of, picture, rows, upload
from tests.world import World

USED = "p/used.jpg"
ORPHANS = {f"p/{name}.jpg" for name in "abcd"}


async def ready_plan(world: World, orphans: set[str] = ORPHANS) -> str:
    """Orphans, an object in use, thirty days later a plan that waits."""
    await upload(world, orphans | {USED})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert (summary.orphans, summary.blocked) == (len(orphans), [])
    assert summary.plan_id is not None
    return summary.plan_id


async def go_on(world: World, plan_id: str) -> OperationSummary:
    """Execute an approved plan whose execution ended early."""
    async with world.collector() as collector:
        plan, _ = await collector.plan(plan_id)
        return await collector.execute(plan_id, confirm=plan.confirmation)


async def results(world: World, operation_id: str) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each object of an operation."""
    async with world.collector() as collector:
        return {
            result.key: (result.outcome.value, result.reason)
            async for page in collector.results(operation_id)
            for result in page
        }


async def claimed(world: World) -> set[str]:
    """Keys that the vault says were deleted."""
    async with world.collector() as collector:
        return {b.intent.key async for page in collector.audit.deleted_objects() for b in page}


# The store refuses


async def test_delete_denied_by_the_store(sqlite_world: World) -> None:
    world = sqlite_world
    store = world.config
    denied = {"p/b.jpg", "p/d.jpg"}

    async def deny(exchange: Exchange) -> None:
        """As a bucket policy does it: the others are deleted, these are refused."""
        if not exchange.path.endswith("?delete") or b"p/" not in exchange.body:
            return
        asked = {
            object_.findtext("{*}Key", ""): object_.findtext("{*}ETag", "")
            for object_ in fromstring(exchange.body).findall("{*}Object")
        }
        async with Bucket.open(store, SystemClock()) as bucket:
            done = await bucket.delete_batch([i for i in asked.items() if i[0] not in denied])
        answers = [f"<Deleted><Key>{key}</Key></Deleted>" for key in done]
        answers += [
            f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            for key in asked.keys() & denied
        ]
        exchange.status = 200
        exchange.answer = f"<DeleteResult>{''.join(answers)}</DeleteResult>".encode()

    async with running_proxy(store.endpoint_url) as proxy:
        world.config = replace(store, endpoint_url=proxy.endpoint)
        plan_id = await ready_plan(world)
        before = await picture(world)
        proxy.before = deny
        executed = await world.execute(plan_id)
        assert executed.outcome == "partial"
        assert EXIT_OF[executed.outcome] is ExitCode.PARTIAL
        assert executed.counts == {"deleted": 2, "failed": 2}
        assert await results(world, executed.operation_id) == {
            "p/a.jpg": ("deleted", ""),
            "p/b.jpg": ("failed", "AccessDenied: no"),
            "p/c.jpg": ("deleted", ""),
            "p/d.jpg": ("failed", "AccessDenied: no"),
        }
        # The vault claims no deletion of what lives.
        assert await claimed(world) == {"p/a.jpg", "p/c.jpg"}
        assert await picture(world) == {key: before[key] for key in (*denied, USED)}
        restored = await world.restore(operation_id=executed.operation_id)
        assert restored.counts == {"restored": 2}
        assert await picture(world) == before


async def test_a_refused_look_is_not_absence_when_restoring(sqlite_world: World) -> None:
    world = sqlite_world
    key, new = "p/a.jpg", b"a newer object that nobody may overwrite"

    async def no_head(exchange: Exchange) -> None:
        if exchange.method == "HEAD" and exchange.path.endswith(key):
            exchange.status = 403

    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        executed = await world.execute(await ready_plan(world))
        await world.put(key, new)
        proxy.before = no_head
        proxy.seen.clear()
        restored = await world.restore(operation_id=executed.operation_id)
        written = {e.path.rpartition("/")[2] for e in proxy.seen if e.method == "PUT"}
        proxy.before = None
        # One object that cannot be looked at does not stop the others.
        assert restored.outcome == "partial"
        assert await world.outcomes(restored.operation_id) == {
            "p/a.jpg": "failed",
            "p/b.jpg": "restored",
            "p/c.jpg": "restored",
            "p/d.jpg": "restored",
        }
        assert written == {"b.jpg", "c.jpg", "d.jpg"}
        assert (await world.contents(key))[0] == new


async def test_a_failing_store_is_not_absence_when_restoring(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.bucket.connection.MAX_ATTEMPTS", 1)
    world = sqlite_world
    key, new = "p/a.jpg", b"a newer object that nobody may overwrite"

    async def no_head(exchange: Exchange) -> None:
        if exchange.method == "HEAD" and exchange.path.endswith(key):
            exchange.status = 500

    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        await world.execute(await ready_plan(world))
        await world.put(key, new)
        before = await picture(world)
        proxy.before = no_head
        proxy.seen.clear()
        with pytest.raises(BucketUnreachable):
            await world.restore(key)
        assert [e.path for e in proxy.seen if e.method == "PUT"] == []
        proxy.before = None
        # The next restore knows what became of the first, and keeps the newer object too.
        assert (await world.restore(key)).counts == {"newer-kept": 1}
        assert await picture(world) == before


# The database goes away


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


# Two cycles at once


async def test_two_cycles_at_once_on_one_vault(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await ready_plan(world)
    refused: list[str] = []

    async def another_cycle() -> None:
        async with world.collector() as other:
            plan, _ = await other.plan(plan_id)
            for attempt in (other.scan(), other.execute(plan_id, confirm=plan.confirmation)):
                with pytest.raises(VaultBusy, match="execute") as busy:
                    await attempt
                refused.append(busy.value.name)

    before_reading(monkeypatch, another_cycle)
    executed = await world.execute(plan_id)
    assert refused == ["vault-busy", "vault-busy"]
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(ORPHANS, "deleted")
    assert await world.keys() == {USED}


async def test_two_cycles_at_once_with_two_vaults(sqlite_world: World, tmp_path: Path) -> None:
    one = sqlite_world
    orphans = {f"p/{n:02}.jpg" for n in range(60)}
    plan_one = await ready_plan(one, orphans)
    two = World(replace(one.config, vault_path=tmp_path / "vault-two"), one.app, one.clock)
    plan_two = (await two.scan()).plan_id
    assert plan_two is not None
    before = await picture(one)
    done = await asyncio.gather(one.execute(plan_one), two.execute(plan_two))
    outcomes = [
        await world.outcomes(summary.operation_id)
        for world, summary in zip((one, two), done, strict=True)
    ]
    assert [set(of_one) for of_one in outcomes] == [orphans, orphans]
    assert {outcome for of_one in outcomes for outcome in of_one.values()} <= {
        "deleted",
        "vanished",
        "changed",
    }
    deleted = [{key for key, o in of_one.items() if o == Outcome.DELETED} for of_one in outcomes]
    assert deleted[0] | deleted[1] == orphans
    assert await picture(one) == {USED: before[USED]}
    # Each vault brings back all that it says it deleted.
    for world, summary, mine in zip((one, two), done, deleted, strict=True):
        if mine:
            await world.restore(operation_id=summary.operation_id)
            assert mine <= await world.keys()
    assert await picture(one) == before


# The audit trail


async def test_the_audit_trail_cannot_be_edited_unseen(sqlite_world: World) -> None:
    world = sqlite_world
    await world.execute(await ready_plan(world))
    log = world.config.vault_path / "audit.db"
    # A plain statement is refused by the file itself.
    for statement in ("DELETE FROM audit", "UPDATE audit SET at = ''", "DROP TABLE nothing"):
        with closing(sqlite3.connect(log)) as tool, pytest.raises(sqlite3.Error):
            tool.execute(statement)
    async with world.collector() as collector:
        assert await collector.audit.verify() == (await collector.audit.head())[0]
    # Whoever takes the guard away has to do it each time, and is found out by the chain.
    with closing(sqlite3.connect(log, isolation_level=None)) as tool:
        [guard] = tool.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'audit_never_shrinks'"
        ).fetchone()
        tool.execute("DROP TRIGGER audit_never_shrinks")
    await world.scan()
    with closing(sqlite3.connect(log, isolation_level=None)) as tool:
        with pytest.raises(sqlite3.Error, match="never removed"):
            tool.execute("DELETE FROM audit")
        tool.execute("DROP TRIGGER audit_never_shrinks")
        tool.execute("DELETE FROM audit WHERE kind = 'result' AND key = 'p/a.jpg'")
        tool.execute(guard)
    async with world.collector() as collector:
        with pytest.raises(AuditBroken, match="missing"):
            await collector.audit.verify()


async def test_an_audit_trail_cut_at_its_end_stops_everything(sqlite_world: World) -> None:
    world = sqlite_world
    await world.execute(await ready_plan(world))
    with closing(
        sqlite3.connect(world.config.vault_path / "audit.db", isolation_level=None)
    ) as tool:
        [guard] = tool.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'audit_never_shrinks'"
        ).fetchone()
        tool.execute("DROP TRIGGER audit_never_shrinks")
        tool.execute("DELETE FROM audit WHERE seq > (SELECT max(seq) - 3 FROM audit)")
        tool.execute(guard)
    for refused in (world.scan(), world.restore("p/a.jpg")):
        with pytest.raises(AuditBroken):
            await refused


async def test_dry_runs_and_restores_are_operations_too(sqlite_world: World) -> None:
    world = sqlite_world
    plan_id = await ready_plan(world)
    world.track({"files": ["k"]}, mode="dry_run")
    await world.scan()
    world.track({"files": ["k"]})
    executed = await world.execute(plan_id)
    await world.restore("p/a.jpg")
    async with world.collector() as collector:
        operations = await collector.audit.operations()
    told = [(o.started.what, o.started.mode, o.finished and o.finished.outcome) for o in operations]
    assert told == [
        ("scan", "execute", "done"),
        ("scan", "dry_run", "done"),
        ("execute", "execute", "done"),
        ("restore", "execute", "done"),
    ]
    assert all(o.finished_at is not None and "@" in o.started.actor for o in operations)
    assert operations[2].operation_id == executed.operation_id
    assert (await world.contents("p/a.jpg"))[0] == body_of("p/a.jpg")
