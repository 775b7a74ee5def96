"""What cannot be read cannot be backed up, so it stays: with the reason, on scan where it is told.

SeaweedFS and ministack keep a storage class and hand the bytes out all the same, and neither knows
the archive tiers of Intelligent-Tiering: there the proxy answers as S3 documents it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.core.bucket import plain_client
from tests.core.judgement.controlled import rows
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


@pytest.fixture
async def proxied(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> AsyncIterator[tuple[World, Proxy]]:
    """A world with a plain orphan, behind a proxy that is still honest."""
    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    async with running_proxy(config.endpoint_url) as proxy:
        world = World(replace(config, endpoint_url=proxy.endpoint), database)
        await rows(world, "used")
        world.track({"t": ["k"]})
        await world.put("plain", b"12345")
        yield world, proxy
    await database.close()


async def failed(world: World) -> dict[str, str]:
    """Collect; the reasons of what failed, and nothing but `plain` may have gone."""
    before = await world.keys()
    done = await world.collect()
    async with world.collector() as collector:
        results = [r async for page in collector.results(done.operation_id) for r in page]
    assert {r.key for r in results if r.outcome == "deleted"} == {"plain"}
    assert await world.keys() == before - {"plain"}
    assert done.outcome == "partial"
    return {r.key: r.reason for r in results if r.outcome == "failed"}


async def test_archived_classes_are_held_on_scan(proxied: tuple[World, Proxy]) -> None:
    """Also while a copy of them can be read for some days: nothing waits for its end."""
    world, proxy = proxied

    async def restored(exchange: Exchange) -> None:
        if exchange.method in ("GET", "HEAD") and exchange.path.endswith("/GLACIER"):
            exchange.answer_headers["x-amz-restore"] = 'ongoing-request="false"'

    for storage_class in ARCHIVED:
        await world.put(storage_class, b"x", ObjectHeaders(storage_class=storage_class))
    world.days(10)
    proxy.after = restored
    await world.scan()
    judged = await world.judged()
    assert {key: found.verdict.value for key, found in judged.items()} == {
        "plain": "orphan",
        **dict.fromkeys(ARCHIVED, "held"),
    }
    assert {judged[key].reason for key in ARCHIVED} == {
        f"storage class {name} cannot be read, so not be backed up" for name in ARCHIVED
    }
    await world.collect()
    assert await world.keys() == set(ARCHIVED)


async def test_an_archived_tier_that_no_listing_tells_is_found_out_by_the_backup(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied

    async def archive(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith("/tiered"):
            exchange.status = 403
            exchange.answer = b"<Error><Code>InvalidObjectState</Code></Error>"

    await world.put("tiered", b"x", ObjectHeaders(storage_class="INTELLIGENT_TIERING"))
    world.days(10)
    proxy.before = archive
    reasons = await failed(world)
    assert set(reasons) == {"tiered"}
    assert "'tiered' is archived" in reasons["tiered"]


async def test_an_object_under_a_key_of_its_owner_stays(proxied: tuple[World, Proxy]) -> None:
    world, _ = proxied
    async with plain_client(world.config) as s3:
        await s3.put_object(
            Bucket=world.config.bucket,
            Key="theirs",
            Body=b"x",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey="k" * 32,
        )
    world.days(10)
    reasons = await failed(world)
    assert set(reasons) == {"theirs"}
    assert "'theirs' cannot be read" in reasons["theirs"]
