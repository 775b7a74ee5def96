"""A store that is too busy to delete, and objects that cannot be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from s3gc_core.actions.healing import heal
from s3gc_core.bucket import deleting
from s3gc_core.collection import execute, unserved
from s3gc_core.config import Heal
from s3gc_core.errors import BucketUnreachable
from s3gc_core.references import Returned
from s3gc_core.vault import Result
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

ORPHANS = frozenset({"a.bin", "b.bin", "c.bin"})
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
BUSY = b"<Error><Code>SlowDown</Code><Message>no</Message></Error>"


@dataclass(frozen=True, slots=True)
class Behind:
    """A world behind a proxy; `direct` is the same without it."""

    world: World
    direct: World
    proxy: Proxy


@pytest.fixture
async def behind(sqlite_world: World) -> AsyncIterator[Behind]:
    world = sqlite_world
    direct = replace(world)
    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        world.track({"files": ["path"]})
        await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await world.app.execute("INSERT INTO files (path) VALUES ('used.txt')")
        for key in ("used.txt", *ORPHANS):
            await world.put(key)
        world.days(10)
        yield Behind(world, direct, proxy)


def is_of_plan(exchange: Exchange) -> bool:
    return exchange.method == "POST" and b"a.bin" in exchange.body


async def collected(world: World) -> dict[str, str]:
    done = await world.collect()
    return await world.outcomes(done.operation_id)


async def test_what_the_store_was_too_busy_for_is_judged_again_first(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is committed while deletes are throttled is seen before they are sent again."""
    world = behind.world
    monkeypatch.setattr(deleting, "WITHIN_SECONDS", 0.0)
    refused = 0

    async def too_busy(exchange: Exchange) -> None:
        nonlocal refused
        if is_of_plan(exchange):
            refused += 1
            if refused == 2:
                await world.app.execute("INSERT INTO files (path) VALUES ('a.bin')")
            if refused <= 2:
                exchange.status, exchange.answer = 503, BUSY

    behind.proxy.before = too_busy
    outcomes = await collected(world)
    assert outcomes == {
        "a.bin": "kept", "b.bin": "deleted", "c.bin": "deleted"
    }  # fmt: skip
    assert await behind.direct.keys() == {"used.txt", "a.bin"}


async def test_a_store_that_stays_too_busy_is_given_up(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(execute, "IN_VAIN", 2)

    async def too_busy(exchange: Exchange) -> None:
        if is_of_plan(exchange):
            exchange.status, exchange.answer = 503, BUSY

    behind.proxy.before = too_busy
    outcomes = await collected(behind.world)
    assert outcomes == dict.fromkeys(ORPHANS, "failed")
    assert await behind.direct.keys() == {"used.txt", *ORPHANS}
    assert sum(is_of_plan(one) for one in behind.proxy.seen) == 2


async def test_an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other(
    behind: Behind,
) -> None:
    world, proxy = behind.world, behind.proxy
    gone = False

    async def go_away(exchange: Exchange) -> None:
        nonlocal gone
        gone = gone or is_of_plan(exchange)
        if gone:
            exchange.status, exchange.answer = 401, DENIED

    async def deny(exchange: Exchange) -> None:
        if exchange.method == "HEAD" and exchange.path.endswith("/a.bin"):
            exchange.status = 400

    proxy.after = go_away
    with pytest.raises(BucketUnreachable):
        await world.collect()
    proxy.after, proxy.before = None, deny
    assert (await world.restore("b.bin")).counts == {"restored": 1}
    async with world.collector() as collector:
        left = [e.record async for page in collector.audit.unresolved_intents() for e in page]
    assert [getattr(record, "key", None) for record in left] == ["a.bin"]
    proxy.before = None
    assert (await world.restore("a.bin")).counts == {"restored": 1}
    async with world.collector() as collector:
        assert not await collector.audit.is_anything_open()


async def test_an_object_that_cannot_be_looked_at_stops_no_healing(behind: Behind) -> None:
    world = behind.world
    assert set(await collected(world)) == ORPHANS
    await world.app.execute("INSERT INTO files (path) VALUES ('a.bin'), ('b.bin'), ('c.bin')")

    async def deny(exchange: Exchange) -> None:
        if exchange.method == "HEAD" and exchange.path.endswith("/a.bin"):
            exchange.status = 400

    behind.proxy.before = deny
    assert (await world.scan(accept=["reverse-match"])).returned == 3
    world.change(heal=Heal.RESTORE)
    alarms: list[Returned] = []
    async with world.collector() as collector:
        left = await heal(collector._parts, alarms.append)
    assert {one.key for one in left} == {"a.bin"}
    assert await behind.direct.keys() >= {"used.txt", "b.bin", "c.bin"}


@pytest.mark.parametrize("how", ["cut short", "refused"])
async def test_one_object_that_cannot_be_served_stops_no_other(behind: Behind, how: str) -> None:
    """A body that ends early, and a refusal that makes no sense."""

    async def spoil(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith("/a.bin"):
            if how == "refused":
                exchange.status, exchange.answer = 501, b"<Error><Code>Odd</Code></Error>"
            else:
                exchange.cut_after = 3

    behind.proxy.after = spoil
    assert await collected(behind.world) == {
        "a.bin": "failed", "b.bin": "deleted", "c.bin": "deleted"
    }  # fmt: skip
    assert await behind.direct.keys() == {"used.txt", "a.bin"}


@pytest.mark.parametrize("how", ["bodies cut short", "gone"])
async def test_a_store_that_serves_nothing_ends_the_execution(
    behind: Behind, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nothing is said of any object: it is not they."""
    began = False
    if how == "bodies cut short":
        monkeypatch.setattr(unserved, "IN_A_ROW", 1)

    async def spoil(exchange: Exchange) -> None:
        nonlocal began
        began = began or (exchange.method == "GET" and exchange.path.endswith(".bin"))
        if began and how == "gone":
            exchange.status, exchange.answer = 401, DENIED
        elif began:
            exchange.cut_after = 3

    behind.proxy.after = spoil
    with pytest.raises(BucketUnreachable):
        await behind.world.collect()
    behind.proxy.after = None
    assert await behind.direct.keys() == {"used.txt", *ORPHANS}
    assert await last_results(behind.world) == []


async def last_results(world: World) -> list[Result]:
    async with world.collector() as collector:
        [*_, last] = await collector.audit.operations()
        found = [r async for page in collector.results(last.operation_id) for r in page]
    return [r for r in found if isinstance(r, Result)]


async def test_what_was_heard_of_deletes_is_kept_where_looking_for_untruth_fails(
    behind: Behind,
) -> None:
    world, proxy = behind.world, behind.proxy
    sent = False

    async def fall_silent(exchange: Exchange) -> None:
        nonlocal sent
        if sent:
            exchange.status, exchange.answer = 401, DENIED
        sent = sent or is_of_plan(exchange)

    proxy.after = fall_silent
    with pytest.raises(BucketUnreachable):
        await world.collect()
    proxy.after = None
    found = await last_results(world)
    assert {r.key for r in found if r.outcome == "deleted" and not r.inferred} == ORPHANS
