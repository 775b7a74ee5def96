"""A store that is too busy to delete, and objects that cannot be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from s3gc_core.actions.healing import heal
from s3gc_core.actions.operations import look_for_late_deletes
from s3gc_core.bucket import StoreFailed, deleting
from s3gc_core.collection import Selection, execute, note_late_deletes, unserved
from s3gc_core.collection.claims import LEFT_OPEN
from s3gc_core.config import Heal
from s3gc_core.errors import BucketUnreachable, S3gcError
from s3gc_core.references import Returned
from s3gc_core.vault import Result
from tests.proxy.rounds import quick
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


def spoiling_a(how: str) -> Callable[[Exchange], Awaitable[None]]:
    """One object cannot be looked at, in each of the ways there are."""

    async def spoil(exchange: Exchange) -> None:
        if exchange.method == "HEAD" and exchange.path.endswith("/a.bin"):
            exchange.status = {"denied": 400, "broken": 503, "odd": 501}[how]

    return spoil


@pytest.fixture
async def at_once() -> AsyncIterator[None]:
    """As many tries as ever, without the waits between them."""
    async with quick():
        yield


EACH_WAY = pytest.mark.parametrize("how", ["denied", "broken", "odd"])


@EACH_WAY
async def test_an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other(
    behind: Behind, at_once: None, tmp_path: Path, how: str
) -> None:
    world, proxy = behind.world, behind.proxy
    gone = False

    async def go_away(exchange: Exchange) -> None:
        nonlocal gone
        gone = gone or is_of_plan(exchange)
        if gone:
            exchange.status, exchange.answer = 401, DENIED

    proxy.after = go_away
    with pytest.raises(BucketUnreachable):
        await world.collect()
    async with world.collector() as collector:
        ended = (await collector.audit.operations())[-1].operation_id
    proxy.after, proxy.before = None, spoiling_a(how)
    assert (await world.restore("b.bin")).counts == {"restored": 1}
    async with world.collector() as collector:
        left = [e.record async for page in collector.audit.unresolved_intents() for e in page]
        assert [getattr(record, "key", None) for record in left] == ["a.bin"]
        # Nor is a restore elsewhere stopped.
        done = await collector.restore_to_folder(Selection(operation_id=ended), tmp_path / "out")
    assert (done.counts, done.to_recover) == ({"exported": 3}, False)
    # It is told what is the matter with it: nobody else works on it.
    done = await world.restore(operation_id=ended)
    assert (done.outcome, done.counts) == (
        "partial",
        {"already-there": 1, "restored": 1, "failed": 1},
    )
    async with world.collector() as collector:
        found = [r async for page in collector.results(done.operation_id) for r in page]
    [reason] = [r.reason for r in found if r.key == "a.bin"]
    assert reason.startswith(f"{LEFT_OPEN}: looking at 'a.bin': ")
    proxy.before = None
    assert (await world.restore("a.bin")).counts == {"restored": 1}
    async with world.collector() as collector:
        assert not await collector.audit.is_anything_open()


@EACH_WAY
async def test_an_object_that_cannot_be_looked_at_stops_no_healing(
    behind: Behind, at_once: None, how: str
) -> None:
    world = behind.world
    assert set(await collected(world)) == ORPHANS
    await world.app.execute("INSERT INTO files (path) VALUES ('a.bin'), ('b.bin'), ('c.bin')")

    behind.proxy.before = spoiling_a(how)
    assert (await world.scan(accept=["reverse-match"])).returned == 3
    world.change(heal=Heal.RESTORE)
    alarms: list[Returned] = []
    async with world.collector() as collector:
        left = await heal(collector._parts, alarms.append)
    assert {one.key for one in left} == {"a.bin"}
    assert await behind.direct.keys() >= {"used.txt", "b.bin", "c.bin"}


@EACH_WAY
async def test_an_object_that_cannot_be_looked_at_stops_no_late_look(
    behind: Behind, at_once: None, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world, proxy = behind.world, behind.proxy

    async def refuse(exchange: Exchange) -> None:
        if is_of_plan(exchange):
            exchange.status, exchange.answer = 403, DENIED

    proxy.before = refuse
    assert await collected(world) == dict.fromkeys(ORPHANS, "failed")
    for key in ORPHANS:
        await behind.direct.remove(key)
    proxy.before = spoiling_a(how)
    async with world.collector() as collector, world.bucket() as bucket:
        assert await note_late_deletes(bucket, collector.audit) == 2
        if how != "denied":
            # Where the store says so of each, one after the other, it is not the object.
            monkeypatch.setattr(unserved, "IN_A_ROW", 1)
            with pytest.raises((BucketUnreachable, StoreFailed)):
                await note_late_deletes(bucket, collector.audit)
            # A later look does it: no operation ends for it.
            await look_for_late_deletes(collector.audit, bucket)


async def test_a_store_that_serves_nothing_recovers_nothing(
    behind: Behind, at_once: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The bucket answers, and for none of its objects: nothing is concluded, and nobody goes on but
    who writes elsewhere.
    """
    world = behind.world
    began = False

    async def spoil(exchange: Exchange) -> None:
        nonlocal began
        began = began or is_of_plan(exchange)
        if began and exchange.path.endswith(".bin"):
            exchange.status = 501
        elif is_of_plan(exchange):
            exchange.status, exchange.answer = 401, DENIED

    behind.proxy.after = spoil
    with pytest.raises(S3gcError):
        await world.collect()
    monkeypatch.setattr(unserved, "IN_A_ROW", 2)
    with pytest.raises(StoreFailed):
        await world.scan()
    async with world.collector() as collector:
        assert await collector.audit.claimed() == ORPHANS
        done = await collector.restore_to_folder(Selection(prefix=""), tmp_path / "out")
    assert (done.counts, done.to_recover) == ({"exported": 3}, True)


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
