"""Writing back asks the store no more than it must, and believes no answer it has not compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import Selection
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, Proxy
from tests.world import PLAIN, World

TAGGED = ObjectHeaders(content_type="image/png", cache_control="no-cache", tags={"owner": "ada"})


def asked(proxy: Proxy, key: str) -> Counter[str]:
    """How often which requests named the key."""
    return Counter(
        f"{exchange.method} tags" if "tagging" in exchange.path else exchange.method
        for exchange in proxy.seen
        if exchange.path.partition("?")[0].endswith(f"/{key}")
    )


async def reasons(world: World, operation_id: str) -> dict[str, str]:
    async with world.collector() as collector:
        return {
            one.key: one.reason async for page in collector.results(operation_id) for one in page
        }


async def collected(world: World) -> str:
    """The operation that deleted a plain and a tagged object."""
    world.track({"files": ["path"]})
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    await world.app.execute("INSERT INTO files (path) VALUES ('used.bin')")
    for key, headers in (("used.bin", PLAIN), ("plain.bin", PLAIN), ("tagged.bin", TAGGED)):
        await world.put(key, b"bytes of " + key.encode(), headers)
    world.days(10)
    done = await world.collect()
    assert await world.keys() == {"used.bin"}
    return done.operation_id


async def test_an_object_costs_three_requests_and_its_tags_one(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    operation = await collected(world)
    proxy.seen.clear()
    restored = await world.restore(operation_id=operation)
    assert restored.counts == {"restored": 2}
    assert asked(proxy, "plain.bin") == {"HEAD": 1, "PUT": 1, "GET": 1}
    assert asked(proxy, "tagged.bin") == {"HEAD": 1, "PUT": 1, "GET": 1, "GET tags": 1}


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("x-amz-tagging", "tags"),
        ("cache-control", "cache_control"),
    ],
)
async def test_what_the_store_lost_of_it_is_told(
    proxied: tuple[World, Proxy], lost: str, named: str
) -> None:
    world, proxy = proxied
    await collected(world)

    async def lose(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            exchange.headers = {k: v for k, v in exchange.headers.items() if k.lower() != lost}

    proxy.before = lose
    restored = await world.restore("tagged.bin")
    assert restored.counts == {"failed": 1}
    assert await reasons(world, restored.operation_id) == {
        "tagged.bin": f"read back: the object at the key differs in {named}"
    }


async def test_what_was_overwritten_at_once_is_not_taken_for_ours(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    await collected(world)

    async def overwrite(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            proxy.after = None
            await world.put("plain.bin", b"bytes of somebody", PLAIN)

    proxy.after = overwrite
    restored = await world.restore("plain.bin")
    assert restored.counts == {"failed": 1}
    assert (await world.contents("plain.bin"))[0] == b"bytes of somebody"


IN_PARTS = ObjectHeaders(content_type="image/png", part_size=5 << 20)
NEWER = b"newer than anything that was looked at"


def of_upload(exchange: Exchange) -> bool:
    return exchange.method == "PUT" and "uploadId" in exchange.path


def of_look(exchange: Exchange) -> bool:
    return exchange.method == "HEAD"


@pytest.mark.parametrize(
    ("headers", "overwrite", "comes_with"),
    [(IN_PARTS, False, of_upload), (IN_PARTS, True, of_upload), (PLAIN, True, of_look)],
    ids=["in parts", "in parts, over another", "in one, over another"],
)
async def test_a_store_that_ignores_conditions_of_writes_loses_nothing_newer(
    proxied: tuple[World, Proxy],
    ministack: Ministack,
    headers: ObjectHeaders,
    overwrite: bool,
    comes_with: Callable[[Exchange], bool],
) -> None:
    """The newer one comes to the key while the backup is under way."""
    world, proxy = proxied
    direct = World(replace(world.config, endpoint_url=ministack.endpoint), world.app)
    await direct.put("parts.bin", b"what is deleted", headers)
    await collected(world)
    if overwrite:
        await direct.put("parts.bin", b"what may be overwritten")
    came = False

    async def come(exchange: Exchange) -> None:
        for name in ("If-None-Match", "If-Match"):
            if exchange.method in ("PUT", "POST"):
                exchange.headers.pop(name, None)

    async def then_newer(exchange: Exchange) -> None:
        nonlocal came
        is_of_it = exchange.path.partition("?")[0].endswith("/parts.bin")
        if not came and is_of_it and comes_with(exchange):
            came = True
            await direct.put("parts.bin", NEWER)

    proxy.before, proxy.after = come, then_newer
    async with world.collector() as collector:
        restored = await collector.restore(Selection(keys=("parts.bin",)), overwrite=overwrite)
    assert came
    assert restored.counts == {"newer-kept": 1}
    assert (await direct.contents("parts.bin"))[0] == NEWER
