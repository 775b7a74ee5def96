"""A store that does a delete after everybody had found the object still there: it is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from s3gc_core.actions import healing
from s3gc_core.actions.following import FollowEvent
from s3gc_core.actions.operations import look_for_late_deletes
from s3gc_core.collection import late, note_late_deletes
from s3gc_core.errors import BucketUnreachable, NoSuchKey
from tests.core.jobs.journals import until
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
ORPHANS = ("a.bin", "b.bin", "c.bin")


@pytest.fixture
async def proxied(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy]]:
    """Three orphans and a referenced object, behind a proxy that is still honest."""
    world = sqlite_world
    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        world.track({"files": ["path"]})
        await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await link(world, "used.txt")
        for key in ("used.txt", *ORPHANS):
            await world.put(key)
        world.days(10)
        yield world, proxy


async def link(world: World, key: str) -> None:
    await world.app.execute("INSERT INTO files (path) VALUES (?)", key)


async def held_back(world: World, proxy: Proxy) -> str:
    """Collect; the deletes fail, and the store has done none of them. Returns the operation."""

    async def refuse(exchange: Exchange) -> None:
        if exchange.method == "POST" and b"a.bin" in exchange.body:
            exchange.status, exchange.answer = 403, DENIED

    proxy.before = refuse
    done = await world.collect()
    proxy.before = None
    assert done.counts == {"failed": 3}
    return done.operation_id


async def died(world: World, proxy: Proxy) -> str:
    """The same, but nobody hears anything, and recovery finds the objects untouched."""
    sent = False

    async def go_away(exchange: Exchange) -> None:
        nonlocal sent
        sent = sent or (exchange.method == "POST" and b"a.bin" in exchange.body)
        if sent:
            exchange.status, exchange.answer = 401, DENIED

    proxy.before = go_away
    with pytest.raises(BucketUnreachable):
        await world.collect()
    proxy.before = None
    async with world.collector() as collector:
        ended = (await collector.audit.operations())[-1]
    await world.scan()
    assert await world.outcomes(ended.operation_id) == dict.fromkeys(ORPHANS, "kept")
    return ended.operation_id


@pytest.mark.parametrize("how", [held_back, died])
async def test_the_next_operation_notices(proxied: tuple[World, Proxy], how: object) -> None:
    world, proxy = proxied
    before = await world.contents("a.bin")
    operation_id = await (held_back if how is held_back else died)(world, proxy)
    for key in ("a.bin", "b.bin"):
        await world.remove(key)
    with pytest.raises(NoSuchKey):
        await world.restore(operation_id=operation_id)
    await link(world, "b.bin")
    # Healing knows it, too.
    assert (await world.scan()).returned == 1
    noted = await world.outcomes(operation_id)
    was = "failed" if how is held_back else "kept"
    assert noted == {"a.bin": "vanished", "b.bin": "vanished", "c.bin": was}
    restored = await world.restore(operation_id=operation_id)
    assert restored.counts == {"restored": 2}
    assert await world.contents("a.bin") == before
    assert await world.keys() == {"used.txt", *ORPHANS}


async def test_what_is_looked_at_and_what_is_concluded(
    proxied: tuple[World, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, proxy = proxied
    operation_id = await held_back(world, proxy)
    for key in ORPHANS:
        await world.remove(key)
    async with world.collector() as collector, world.bucket() as bucket:
        audit = collector.audit
        before = await audit.head()

        # A bucket that is away says nothing. One that is gone says 404, and so of each key.
        for status in (403, 404):
            proxy.before = answering(status, "")
            with pytest.raises(BucketUnreachable):
                await note_late_deletes(bucket, audit)
            # No operation ends for it.
            await look_for_late_deletes(audit, bucket)
        proxy.before = None
        assert await audit.head() == before

        # What is too long ago is nobody's any more.
        with monkeypatch.context() as changed:
            changed.setattr(late, "LOOKS_BACK", timedelta(0))
            assert await note_late_deletes(bucket, audit) == 0

        # One that cannot be looked at hides no other.
        proxy.before = answering(400, "/a.bin")
        # No more at a time than an operation may wait for.
        with monkeypatch.context() as changed:
            changed.setattr(late, "MOST", 1)
            proxy.seen.clear()
            counts = [await note_late_deletes(bucket, audit)]
            assert len([e for e in proxy.seen if ".bin" in e.path]) == 1
        counts += [await note_late_deletes(bucket, audit) for _ in range(2)]
        assert (sum(counts), counts[-1]) == (2, 0)
    expected = {"a.bin": "failed", "b.bin": "vanished", "c.bin": "vanished"}
    assert await world.outcomes(operation_id) == expected


def answering(status: int, end: str) -> Callable[[Exchange], Awaitable[None]]:
    """Answers each look at what ends so."""

    async def answer(exchange: Exchange) -> None:
        if exchange.method != "POST" and exchange.path.endswith(end):
            exchange.status = status

    return answer


async def test_a_follower_notices_and_brings_it_back(
    proxied: tuple[World, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, proxy = proxied
    world.track({"files": ["path"]}, database={"url": world.app.url, "cdc": True}, heal="restore")
    await held_back(world, proxy)
    monkeypatch.setattr(healing, "LATE_SECONDS", 0.1)
    told: list[FollowEvent] = []
    async with world.collector() as collector:
        following = asyncio.create_task(collector.follow(told.append))
        try:
            await until(lambda: any(event.event == "following" for event in told))
            await world.remove("b.bin")
            await link(world, "b.bin")
            async with asyncio.timeout(30):
                while "b.bin" not in await world.keys():
                    pass
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
    assert await world.keys() == {"used.txt", *ORPHANS}
