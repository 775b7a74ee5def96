"""A store that ignores conditional deletes: what the operator chose is done there, and is told."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

import pytest

from s3gc_core.bucket import PROBE_PREFIX, BackedUp, DeleteMode, DeleteModes, DeleteOutcome
from s3gc_core.bucket.comparing import compare_and_delete
from s3gc_core.config import UnsafeStore
from s3gc_core.errors import StoreUnsafe
from s3gc_core.vault import StoreProbed
from tests.core.judgement.controlled import put, rows
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, Proxy
from tests.world import World

Lie = Callable[[Exchange], None]
Touched = Callable[[str], Awaitable[None]]

BATCH, SINGLE = DeleteMode.CONDITIONAL_BATCH, DeleteMode.CONDITIONAL_SINGLE
COMPARE = DeleteMode.HEAD_COMPARE
NEWER = b"newer, and no backup holds it"
# What ends in white space goes singly, the others in a batch: each case goes both ways.
ORPHANS = {"deleted", "deleted ", "overwritten", "overwritten ", "vanished"}


def ignore_batch(exchange: Exchange) -> None:
    if exchange.path.endswith("?delete"):
        exchange.body = re.sub(rb"<ETag>.*?</ETag>", b"", exchange.body)
        exchange.headers.pop("Content-MD5", None)


def ignore_single(exchange: Exchange) -> None:
    if exchange.method == "DELETE":
        exchange.headers.pop("If-Match", None)


def ignore_deletes(exchange: Exchange) -> None:
    ignore_batch(exchange)
    ignore_single(exchange)


def ignore_reads(exchange: Exchange) -> None:
    if exchange.method == "GET":
        exchange.headers.pop("If-Match", None)


def know_no_batches(exchange: Exchange) -> None:
    if exchange.path.endswith("?delete"):
        exchange.status, exchange.answer = 501, b"<Error><Code>NotImplemented</Code></Error>"
    ignore_single(exchange)


async def planned(world: World, **settings: object) -> str:
    await rows(world, "used")
    world.track({"t": ["k"]}, **settings)
    await put(world, "used", *ORPHANS)
    world.days(10)
    summary = await world.scan()
    assert (summary.orphans, summary.blocked) == (len(ORPHANS), [])
    assert summary.plan_id is not None
    return summary.plan_id


def lying(
    proxy: Proxy,
    lie: Lie,
    touched: Touched | None = None,
    unseen: Collection[str] = (),
) -> None:
    """The store behind the proxy ignores conditions. `touched` is called with each key before the
    first request that looks at it, or deletes it, after its backup; with those in `unseen` only
    before one that deletes it.
    """
    seen: set[str] = set()
    # Before that, the whole plan is looked at: it has to be as it was approved.
    backed_up: set[str] = set()

    async def before(exchange: Exchange) -> None:
        if PROBE_PREFIX not in exchange.path + exchange.body.decode(errors="replace"):
            if exchange.method == "GET":
                backed_up.add(_key_in(exchange))
            early = set(unseen) if exchange.method == "HEAD" else set()
            for key in (_keys(exchange) - seen - early) & backed_up:
                seen.add(key)
                if touched is not None:
                    await touched(key)
        lie(exchange)

    proxy.before = before


def _keys(exchange: Exchange) -> set[str]:
    if exchange.path.endswith("?delete"):
        return {key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", exchange.body)}
    if exchange.method in ("HEAD", "DELETE"):
        return {_key_in(exchange)} - {""}
    return set()


def _key_in(exchange: Exchange) -> str:
    _, _, *key = exchange.path.partition("?")[0].split("/", 2)
    return key[0].replace("%20", " ") if key else ""


def deletes_sent(proxy: Proxy) -> dict[str, list[str]]:
    """Which keys were deleted by which kind of request; the probe is left out."""
    found: dict[str, list[str]] = {"batch": [], "single": []}
    for exchange in proxy.seen:
        if exchange.path.endswith("?delete") or exchange.method == "DELETE":
            kind = "single" if exchange.method == "DELETE" else "batch"
            found[kind] += [k for k in _keys(exchange) if not k.startswith(PROBE_PREFIX)]
    return {kind: sorted(keys) for kind, keys in found.items()}


FIT, FIT_NOT = {"deleted", "overwritten", "vanished"}, {"deleted ", "overwritten "}


@pytest.mark.parametrize(
    ("lie", "modes", "in_batches", "singly"),
    [
        (lambda _: None, DeleteModes(), FIT, FIT_NOT),
        (ignore_batch, DeleteModes(SINGLE, SINGLE), set(), ORPHANS),
        (ignore_single, DeleteModes(BATCH, COMPARE), FIT, {"deleted "}),
        (ignore_deletes, DeleteModes(COMPARE, COMPARE), set(), {"deleted", "deleted "}),
        (know_no_batches, DeleteModes(COMPARE, COMPARE), set(), {"deleted", "deleted "}),
    ],
    ids=["honest", "batch", "single", "both", "no-batches"],
)
async def test_what_came_after_the_backup_is_kept(
    proxied: tuple[World, Proxy],
    ministack: Ministack,
    lie: Lie,
    modes: DeleteModes,
    in_batches: set[str],
    singly: set[str],
) -> None:
    world, proxy = proxied
    plan_id = await planned(world, unsafe_store="head-compare-delete")
    # The application does not go through the proxy.
    behind = World(replace(world.config, endpoint_url=ministack.endpoint), world.app)

    async def application(key: str) -> None:
        if key.startswith("overwritten"):
            await behind.put(key, NEWER)
        elif key == "vanished":
            await behind.remove(key)

    # Where the store keeps to conditions, they alone have to notice: all looks are over by then.
    unseen = FIT if modes.batch is not COMPARE else set()
    unseen = unseen | (FIT_NOT if modes.single is not COMPARE else set())
    lying(proxy, lie, application, unseen)
    done = await world.execute(plan_id)
    assert await world.outcomes(done.operation_id) == {
        "deleted": "deleted",
        "deleted ": "deleted",
        "overwritten": "changed",
        "overwritten ": "changed",
        # ministack answers a single delete of what is gone as S3 does one without a condition.
        "vanished": "deleted" if modes.batch is SINGLE else "vanished",
    }
    assert await behind.keys() == {"used", "overwritten", "overwritten "}
    for key in ("overwritten", "overwritten "):
        assert (await behind.contents(key))[0] == NEWER
    assert deletes_sent(proxy) == {"batch": sorted(in_batches), "single": sorted(singly)}
    assert done.deletes == modes
    async with world.collector() as collector:
        (operation,) = [
            one
            for one in await collector.audit.operations()
            if one.operation_id == done.operation_id
        ]
        assert operation.deletes == modes
        reported = await collector.report()
        assert (reported.last_deletes, reported.unsafe_store) == (modes, UnsafeStore.HEAD_COMPARE)


@pytest.mark.parametrize(
    ("lie", "choice", "named"),
    [
        (ignore_single, "refuse", "single delete"),
        (ignore_batch, "refuse", "batch delete"),
        (ignore_deletes, "refuse", "single delete, batch delete"),
        (ignore_reads, "refuse", "read"),
        # Nobody compares what was read in the store's place.
        (ignore_reads, "head-compare-delete", "read"),
    ],
)
async def test_what_was_not_chosen_is_refused(
    proxied: tuple[World, Proxy], lie: Lie, choice: str, named: str
) -> None:
    world, proxy = proxied
    plan_id = await planned(world, unsafe_store=choice)
    lying(proxy, lie)
    with pytest.raises(StoreUnsafe, match=rf"store-unsafe: .*\(by: {named}\)"):
        await world.execute(plan_id)
    assert deletes_sent(proxy) == {"batch": [], "single": []}
    assert await world.keys() == {"used", *ORPHANS}
    async with world.collector() as collector:
        assert await collector.audit.last(StoreProbed) is None


async def test_a_delete_without_an_answer_is_not_sent_again(proxied: tuple[World, Proxy]) -> None:
    """Sent again seconds later it would hit whatever has come to the key meanwhile."""
    world, proxy = proxied
    plan_id = await planned(world, unsafe_store="head-compare-delete")

    def ignore_and_fail(exchange: Exchange) -> None:
        ignore_deletes(exchange)
        if exchange.method == "DELETE" and PROBE_PREFIX not in exchange.path:
            exchange.status, exchange.answer = 500, b"<Error><Code>Broken</Code></Error>"

    lying(proxy, ignore_and_fail)
    done = await world.execute(plan_id)
    assert done.counts == {"failed": len(ORPHANS)}
    assert deletes_sent(proxy) == {"batch": [], "single": sorted(ORPHANS)}
    assert await world.keys() == {"used", *ORPHANS}


async def test_a_delete_whose_connection_broke_is_not_sent_again(
    proxied: tuple[World, Proxy], ministack: Ministack
) -> None:
    """By nobody: neither by botocore nor by the HTTP client below it. Whatever came to the key
    after the first one would be deleted unseen.
    """
    world, proxy = proxied
    plan_id = await planned(world, unsafe_store="head-compare-delete")
    behind = World(replace(world.config, endpoint_url=ministack.endpoint), world.app)

    async def done_and_cut(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and PROBE_PREFIX not in exchange.path:
            assert exchange.status == 204
            exchange.reset = True
            await behind.put(_key_in(exchange), NEWER)

    lying(proxy, ignore_deletes)
    proxy.after = done_and_cut
    done = await world.execute(plan_id)
    assert deletes_sent(proxy) == {"batch": [], "single": sorted(ORPHANS)}
    assert done.counts == {"changed": len(ORPHANS)}
    assert await behind.keys() == {"used", *ORPHANS}
    for key in ORPHANS:
        assert (await behind.contents(key))[0] == NEWER


async def test_a_look_whose_connection_broke_is_judged_again_first(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    plan_id = await planned(world, unsafe_store="head-compare-delete")
    backed_up: set[str] = set()
    broken: set[str] = set()

    async def cut_first_look(exchange: Exchange) -> None:
        ignore_deletes(exchange)
        key = _key_in(exchange)
        if exchange.method == "GET":
            backed_up.add(key)
        if exchange.method == "HEAD" and key in ORPHANS & backed_up - broken:
            broken.add(key)
            exchange.reset = True

    proxy.before = cut_first_look
    done = await world.execute(plan_id)
    assert broken == ORPHANS
    assert done.counts == {"deleted": len(ORPHANS)}


@pytest.mark.parametrize(
    ("header", "value", "named"),
    [
        ("ETag", '"00000000000000000000000000000000"', "ETag"),
        ("Content-Length", "11", "size"),
        # The same bytes, uploaded once more.
        ("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT", "LastModified"),
    ],
)
async def test_each_of_the_three_has_to_be_as_it_was(
    proxied: tuple[World, Proxy], header: str, value: str, named: str
) -> None:
    world, proxy = proxied
    state = await world.put("k")
    was = BackedUp(state.etag, state.size, state.last_modified)

    async def edit(exchange: Exchange) -> None:
        if exchange.method == "HEAD":
            exchange.answer_headers[header] = value

    async with world.bucket() as bucket:
        proxy.after = edit
        kept = await compare_and_delete(bucket.connection, "k", was)
        proxy.after = None
        assert (kept.outcome, kept.reason.rpartition(": ")[2]) == (DeleteOutcome.CHANGED, named)
        assert await world.keys() == {"k"}
        gone = await compare_and_delete(bucket.connection, "k", was)
    assert gone.outcome is DeleteOutcome.DELETED
    assert await world.keys() == set()


async def test_what_cannot_be_looked_at_is_not_deleted(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    state = await world.put("k")
    was = BackedUp(state.etag, state.size, state.last_modified)

    async def deny(exchange: Exchange) -> None:
        if exchange.method == "HEAD":
            exchange.status = 403

    async with world.bucket() as bucket:
        proxy.before = deny
        result = await compare_and_delete(bucket.connection, "k", was)
    assert result.outcome is DeleteOutcome.FAILED
    assert await world.keys() == {"k"}
