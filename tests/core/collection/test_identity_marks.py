"""A vault is bound to its bucket's owner, region and date of creation, as far as these are told."""

from __future__ import annotations

import re
from functools import partial

import pytest

from s3gc_core.errors import GuardBlocked
from s3gc_core.vault import Bound
from tests.core.collection.test_other_bucket import died, left_open
from tests.core.collection.test_purge import purge
from tests.core.judgement.controlled import put, rows
from tests.servers.proxy import Exchange, Proxy
from tests.world import World


async def bound(world: World) -> list[dict[str, str]]:
    async with world.collector() as collector:
        return [
            entry.record.marks
            async for page in collector.audit.entries(kinds=("bound",))
            for entry in page
            if isinstance(entry.record, Bound)
        ]


def told(proxy: Proxy, **marks: str | None) -> None:
    """The store tells other marks from now on; None: it does not let us know."""

    async def after(exchange: Exchange) -> None:
        path, _, query = exchange.path.partition("?")
        which = {"HEAD": "region"}.get(exchange.method if path.count("/") == 1 else "")
        if exchange.method == "GET":
            which = "owner" if query == "acl" else "created" if path == "/" else None
        if which not in marks:
            return
        value = marks[which]
        if which == "region":
            exchange.answer_headers.pop("x-amz-bucket-region", None)
            if value is not None:
                exchange.answer_headers["x-amz-bucket-region"] = value
        elif value is None:
            exchange.status, exchange.answer = 403, b"<Error><Code>AccessDenied</Code></Error>"
        else:
            tag = {"owner": b"ID", "created": b"CreationDate"}[which]
            body = b"<%b>%b</%b>" % (tag, value.encode(), tag)
            exchange.answer = re.sub(b"<%b>.*?</%b>" % (tag, tag), body, exchange.answer)

    proxy.after = after


FIRST = {"owner": "us", "region": "eu-west-1", "created": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("mark", "other"),
    [("owner", "them"), ("region", "eu-west-2"), ("created", "2026-02-02T00:00:00Z")],
)
async def test_another_mark_blocks(proxied: tuple[World, Proxy], mark: str, other: str) -> None:
    world, proxy = proxied
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "orphan")
    world.days(10)
    told(proxy, **FIRST)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    assert await bound(world) == [FIRST]
    told(proxy, **{**FIRST, mark: other})
    # Nor does what lives in it now make a backup needless.
    for action in (world.scan, partial(world.execute, plan_id), partial(purge, world)):
        with pytest.raises(GuardBlocked, match=f"bucket-{mark} is {other}") as blocked:
            await action()
        assert list(blocked.value.guards) == [f"identity:bucket-{mark}"]
    assert await world.keys() == {"used", "orphan"}
    # What is not told is not compared, and stays bound.
    told(proxy, **{**FIRST, mark: None})
    await world.scan()
    assert await bound(world) == [FIRST]
    # A bucket that was made anew can be taken for the old one, by name and on record.
    told(proxy, **{**FIRST, mark: other})
    await world.scan(accept=[f"identity:bucket-{mark}"])
    assert await bound(world) == [FIRST, {**FIRST, mark: other}]
    done = await world.collect()
    assert done.counts == {"deleted": 1}
    # Who needs a file back after the bucket was lost is not asked whose bucket it is.
    told(proxy, **{**FIRST, mark: "yet another" if mark != "created" else "2026-03-03T00:00:00Z"})
    assert (await world.restore("orphan")).counts == {"restored": 1}


async def test_what_a_bucket_made_anew_says_is_concluded_by_a_restore_only(
    proxied: tuple[World, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any other server at the same place, too: all but who needs a file back refuse it."""
    world, proxy = proxied
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "a", "b")
    world.days(10)
    told(proxy, **FIRST)
    operation_id = await died(world, monkeypatch, deleted=True)
    told(proxy, **{**FIRST, "owner": "them"})
    with pytest.raises(GuardBlocked):
        await world.scan()
    assert await left_open(world) == {"a", "b"}
    assert (await world.restore(operation_id=operation_id)).counts == {"restored": 2}
    assert await left_open(world) == frozenset()


async def test_what_was_not_bound_yet_is_bound_by_the_next_scan(
    proxied: tuple[World, Proxy],
) -> None:
    """As is a vault of before there were marks."""
    world, proxy = proxied
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used")
    told(proxy, owner=None, region=None, created=None)
    await world.scan()
    told(proxy, **{**FIRST, "created": None})
    await world.scan()
    told(proxy, **FIRST)
    await world.scan()
    await world.scan()
    partly = {mark: value for mark, value in FIRST.items() if mark != "created"}
    assert await bound(world) == [{}, partly, FIRST]
