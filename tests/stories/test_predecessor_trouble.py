"""More of the predecessors' table of damage: stores that refuse, two cycles at once, and an audit
trail that anybody could edit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.errors import (
    AuditBroken,
    BucketUnreachable,
    ExitCode,
    VaultBusy,
)
from s3gc_core.vault import Outcome
from s3gc_tui.context import EXIT_OF
from tests.servers.proxy import Exchange, running_proxy
from tests.stories.staging import (
    ORPHANS,
    USED,
    before_reading,
    body_of,
    claimed,
    picture,
    ready_plan,
    results,
)
from tests.world import World

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
