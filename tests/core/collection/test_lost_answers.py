"""A store whose answer to a delete is lost or wrong: nothing is lost with it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from s3gc_core.errors import BucketUnreachable
from tests.core.bucket import plain_client
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
BODY = b"an orphan's bytes " * 20


@pytest.fixture
async def proxied(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy]]:
    """Three orphans and a referenced object, behind a proxy that is still honest."""
    world = sqlite_world
    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        world.track({"files": ["path"]})
        await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await world.app.execute("INSERT INTO files (path) VALUES ('used.txt')")
        for key in ("used.txt", "a.bin", "b.bin", "c.bin"):
            await world.put(key, BODY)
        world.days(10)
        yield world, proxy


def deletes_of_the_plan(exchange: Exchange) -> bool:
    return exchange.method == "POST" and b"a.bin" in exchange.body


async def test_a_lost_answer_of_a_done_delete_is_found_out(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied

    async def lose(exchange: Exchange) -> None:
        if deletes_of_the_plan(exchange):
            assert exchange.status == 200
            exchange.status, exchange.answer = 403, DENIED

    proxy.after = lose
    done = await world.collect()
    assert await world.outcomes(done.operation_id) == dict.fromkeys(
        ("a.bin", "b.bin", "c.bin"), "deleted"
    )
    assert await world.keys() == {"used.txt"}
    proxy.after = None
    restored = await world.restore(operation_id=done.operation_id)
    assert restored.counts == {"restored": 3}
    assert (await world.contents("b.bin"))[0] == BODY


async def test_a_key_the_store_is_silent_about_or_lies_about(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied

    async def hide(exchange: Exchange) -> None:
        if deletes_of_the_plan(exchange):
            told = exchange.answer.decode()
            told = re.sub(r"<Deleted><Key>b\.bin</Key>.*?</Deleted>", "", told)
            error = "<Error><Key>c.bin</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            told = re.sub(r"<Deleted><Key>c\.bin</Key>.*?</Deleted>", error, told)
            assert "b.bin" not in told
            assert error in told
            exchange.answer = told.encode()

    proxy.after = hide
    done = await world.collect()
    assert await world.outcomes(done.operation_id) == dict.fromkeys(
        ("a.bin", "b.bin", "c.bin"), "deleted"
    )
    assert done.outcome == "done"


async def test_a_refused_delete_is_failed_and_the_object_is_there(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied

    async def refuse(exchange: Exchange) -> None:
        if deletes_of_the_plan(exchange):
            exchange.status, exchange.answer = 403, DENIED

    proxy.before = refuse
    done = await world.collect()
    assert done.outcome == "partial"
    assert done.counts == {"failed": 3}
    assert await world.keys() == {"used.txt", "a.bin", "b.bin", "c.bin"}


async def test_what_failed_and_cannot_be_looked_at_ends_for_itself_only(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    deleted = False

    async def lie(exchange: Exchange) -> None:
        nonlocal deleted
        if deletes_of_the_plan(exchange):
            deleted = True
            error = "<Error><Key>c.bin</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
            told = exchange.answer.decode()
            told = re.sub(r"<Deleted><Key>c\.bin</Key>.*?</Deleted>", error, told)
            assert error in told
            exchange.answer = told.encode()
        if deleted and exchange.method == "HEAD" and exchange.path.endswith("/c.bin"):
            exchange.status = 400

    proxy.after = lie
    done = await world.collect()
    assert (done.outcome, done.counts) == ("partial", {"deleted": 2, "failed": 1})
    async with world.collector() as collector:
        results = [r async for page in collector.results(done.operation_id) for r in page]
        assert [page async for page in collector.audit.unresolved_intents()] == []
    [failed] = [r for r in results if r.outcome == "failed"]
    assert failed.key == "c.bin"
    assert "AccessDenied: no; and looking again failed" in failed.reason
    assert await world.keys() == {"used.txt"}


async def test_without_any_answer_the_step_stays_open_and_recovery_closes_it(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    cut = False

    async def go_away(exchange: Exchange) -> None:
        nonlocal cut
        if deletes_of_the_plan(exchange):
            assert exchange.status == 200
            cut = True
        if cut:
            exchange.status, exchange.answer = 401, DENIED

    proxy.after = go_away
    with pytest.raises(BucketUnreachable):
        await world.collect()
    proxy.after = None
    async with world.collector() as collector:
        [plan] = [plan for plan, _ in await collector.plans()]
        left = [e.record async for page in collector.audit.unresolved_intents() for e in page]
        assert len(left) == 3
        done = await collector.execute(plan.plan_id, confirm=plan.confirmation)
        assert done.counts == {}
        assert [p async for p in collector.audit.unresolved_intents()] == []
    assert await world.keys() == {"used.txt"}
    assert (await world.restore("a.bin", "b.bin", "c.bin")).counts == {"restored": 3}


async def test_one_in_the_middle_said_to_be_deleted_and_still_there(
    proxied: tuple[World, Proxy],
) -> None:
    """More keys than are looked at singly: a listing of the stretch around them tells."""
    world, proxy = proxied
    orphans = {f"{number:02}.bin" for number in range(12)} | {"a.bin", "b.bin", "c.bin"}
    for key in orphans:
        await world.put(key, BODY)
    world.days(10)
    left = "06.bin"

    async def put_back(exchange: Exchange) -> None:
        if deletes_of_the_plan(exchange):
            assert f"<Key>{left}</Key>".encode() in exchange.answer
            async with plain_client(world.config) as s3:
                await s3.put_object(Bucket=world.config.bucket, Key=left, Body=BODY)

    proxy.after = put_back
    done = await world.collect()
    assert await world.keys() == {"used.txt", left}
    expected = dict.fromkeys(orphans, "deleted") | {left: "failed"}
    assert await world.outcomes(done.operation_id) == expected
    proxy.after = None
    # Nobody lies: one listing for the batch, and no more looks than before.
    proxy.seen.clear()
    again = await world.collect()
    assert again.counts == {"deleted": 1}


async def test_looking_for_untruth_costs_one_listing(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    for number in range(20):
        await world.put(f"{number:02}.bin", BODY)
    world.days(10)
    scan = await world.scan()
    assert scan.plan_id is not None
    proxy.seen.clear()
    assert (await world.execute(scan.plan_id)).counts == {"deleted": 23}
    after = [
        index
        for index, exchange in enumerate(proxy.seen)
        if exchange.method == "POST" and b"00.bin" in exchange.body
    ]
    asked = [(e.method, "list-type" in e.path) for e in proxy.seen[after[-1] + 1 :]]
    assert asked.count(("GET", True)) == 1
    assert sum(method == "HEAD" for method, _ in asked) <= 3
