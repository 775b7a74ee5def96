"""What every request has to say where the operator set it: who pays, and who owns the bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.actions.doctor import examine
from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import SystemClock
from s3gc_core.config import Checksums, Config
from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.core.bucket import pieces
from tests.core.judgement.controlled import rows
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import PLAIN, World

PAYER, OWNER = "x-amz-request-payer", "x-amz-expected-bucket-owner"
ACCOUNT = "000000000000"
# Who pays is no parameter of these in botocore's description of S3.
NOT_TOLD_WHO_PAYS = {"HEAD bucket", "versioning", "acl", "object-lock", "GET all buckets"}
# Of no bucket, so of no owner's: it asks when ours was created.
ALL_BUCKETS = "GET all buckets"


@pytest.fixture
async def proxied(
    make_bucket: MakeBucket, ministack: Ministack
) -> AsyncIterator[tuple[Config, Proxy]]:
    config = await make_bucket(ministack)
    async with running_proxy(config.endpoint_url) as proxy:
        yield replace(config, endpoint_url=proxy.endpoint), proxy


def saying(exchange: Exchange) -> dict[str, str]:
    sent = {name.lower(): value for name, value in exchange.headers.items()}
    return {name: sent[name] for name in (PAYER, OWNER) if name in sent}


def what(exchange: Exchange) -> str:
    """The request by its sub-resource, else by its method and what it is about."""
    path, _, query = exchange.path.partition("?")
    if "list-type=2" in query:
        return "list"
    for name in (
        "versioning",
        "versions",
        "uploads",
        "uploadId",
        "tagging",
        "delete",
        "acl",
        "object-lock",
    ):
        if name in {part.partition("=")[0] for part in query.split("&")}:
            return name
    if not path.strip("/"):
        return f"{exchange.method} all buckets"
    of = "object" if path.strip("/").count("/") else "bucket"
    return f"{exchange.method} {of}"


async def test_every_request_says_who_pays_and_who_owns(
    proxied: tuple[Config, Proxy], tmp_path: Path
) -> None:
    """ministack ignores both: what is sent is looked at, not what a store does with it."""
    config, proxy = proxied
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    world = World(config, database)
    await rows(world, "used")
    world.track({"t": ["k"]}, request_payer="requester", expected_bucket_owner=ACCOUNT)
    in_parts = ObjectHeaders(content_type="text/plain", part_size=5 << 20)
    await world.put("plain")
    await world.put("odd ")
    await world.put("in parts", b"12345", in_parts)
    world.days(12)
    await world.collect()
    await world.restore("plain", "odd ", "in parts")
    assert all([check.ok async for check in examine(world.config, write_probe=True)])
    async with world.bucket() as bucket:
        await bucket.old_versions()
    await database.close()
    assert {what(e) for e in proxy.seen if saying(e).get(OWNER) != ACCOUNT} == {ALL_BUCKETS}
    silent = {what(exchange) for exchange in proxy.seen if PAYER not in saying(exchange)}
    assert silent == NOT_TOLD_WHO_PAYS
    assert {
        "list",
        "DELETE object",
        "delete",
        "PUT object",
        "GET object",
        "uploads",
        "tagging",
    } <= {what(exchange) for exchange in proxy.seen}


async def test_by_default_nothing_is_said(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied
    async with Bucket.open(config, SystemClock()) as bucket:
        await bucket.put("k", pieces(b"1"), 1, PLAIN)
        assert [page async for page in bucket.list_pages()]
    assert [saying(e) for e in proxy.seen] == [{}, {}, {}]


@pytest.mark.parametrize("checksums", list(Checksums))
async def test_checksums_are_asked_for_where_that_is_set(
    proxied: tuple[Config, Proxy], checksums: Checksums
) -> None:
    config, proxy = proxied
    async with Bucket.open(replace(config, checksums=checksums), SystemClock()) as bucket:
        etag = await bucket.put("k", pieces(b"1"), 1, PLAIN)
        async with bucket.read("k", etag) as body:
            assert [chunk async for chunk in body.chunks()] == [b"1"]
    reading = proxy.seen[-1].headers
    # Not AWS: `auto` does not ask either.
    asked = {name.lower(): value for name, value in reading.items()}.get("x-amz-checksum-mode")
    assert asked == ("ENABLED" if checksums is Checksums.ON else None)
