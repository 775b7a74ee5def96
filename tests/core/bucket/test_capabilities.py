from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.bucket import (
    PROBE_PREFIX,
    Bucket,
    ObjectHeaders,
    StoreCapabilities,
    StoreFailed,
    Versioning,
    probe_store,
    remove_old_probes,
)
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.errors import RightMissing
from tests.conftest import MakeBucket
from tests.core.bucket import listed_keys, plain_client
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, running_proxy

ALL = StoreCapabilities(
    conditional_delete=True,
    conditional_batch_delete=True,
    conditional_read=True,
    put_if_none_match=True,
    tag_count_reported=True,
    versioning=Versioning.DISABLED,
    etag_is_md5=True,
)


async def test_what_seaweed_can(bucket: Bucket) -> None:
    assert await probe_store(bucket) == ALL
    assert ALL.safe
    assert await listed_keys(bucket) == []


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
async def test_versioning_is_seen(
    make_bucket: MakeBucket, ministack: Ministack, status: str
) -> None:
    config = await make_bucket(ministack)
    async with plain_client(config) as s3:
        await s3.put_bucket_versioning(
            Bucket=config.bucket,
            VersioningConfiguration={"Status": "Enabled" if status == "Enabled" else "Suspended"},
        )
    async with Bucket.open(config, SystemClock()) as bucket:
        assert await probe_store(bucket) == replace(ALL, versioning=Versioning(status.lower()))
        assert await listed_keys(bucket) == []


async def _ignore_single(exchange: Exchange) -> None:
    if exchange.method == "DELETE":
        exchange.headers.pop("If-Match", None)


async def _ignore_batch(exchange: Exchange) -> None:
    if exchange.path.endswith("?delete"):
        exchange.body = re.sub(rb"<ETag>.*?</ETag>", b"", exchange.body)
        for name in ("Content-MD5", "x-amz-checksum-crc32"):
            exchange.headers.pop(name)


async def _ignore_read(exchange: Exchange) -> None:
    if exchange.method == "GET":
        exchange.headers.pop("If-Match", None)


async def _ignore_put(exchange: Exchange) -> None:
    if exchange.method == "PUT":
        exchange.headers.pop("If-None-Match", None)


async def _know_no_tags(exchange: Exchange) -> None:
    if "x-amz-tagging" in exchange.headers:
        exchange.status = 501
        exchange.answer = b"<Error><Code>NotImplemented</Code></Error>"


async def _know_no_versions(exchange: Exchange) -> None:
    if exchange.path.endswith("?versioning"):
        exchange.status = 501
        exchange.answer = b"<Error><Code>NotImplemented</Code></Error>"


@pytest.mark.parametrize(
    ("lie", "found", "safe"),
    [
        (_ignore_single, replace(ALL, conditional_delete=False), False),
        (_ignore_batch, replace(ALL, conditional_batch_delete=False), False),
        (_ignore_read, replace(ALL, conditional_read=False), False),
        (_ignore_put, replace(ALL, put_if_none_match=False), True),
        (_know_no_tags, replace(ALL, tag_count_reported=False), True),
        (_know_no_versions, ALL, True),
    ],
)
async def test_a_store_that_ignores_conditions_is_found_out(
    make_bucket: MakeBucket, ministack: Ministack, lie: object, found: StoreCapabilities, safe: bool
) -> None:
    # ministack checks no signatures, so the proxy may take conditions out of a request.
    config = await make_bucket(ministack)
    async with running_proxy(config.endpoint_url) as proxy:
        through = replace(config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            assert await probe_store(bucket) == ALL  # the proxy itself is honest
            proxy.before = lie  # type: ignore[assignment]
            capabilities = await probe_store(bucket)
            assert await listed_keys(bucket) == []
    assert capabilities == found
    assert capabilities.safe is safe


async def test_the_probe_is_removed_when_a_question_fails(bucket_config: Config) -> None:
    async def fail_the_batch(exchange: Exchange) -> None:
        if exchange.method == "GET" and PROBE_PREFIX in exchange.path:
            exchange.status = 403
            exchange.answer = b"<Error><Code>InvalidAccessKeyId</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = fail_the_batch
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with pytest.raises(Exception, match="InvalidAccessKeyId"):
                await probe_store(bucket)
            assert [e.method for e in proxy.seen if PROBE_PREFIX in e.path][-1] == "DELETE"
            assert await listed_keys(bucket) == []


async def test_only_probes_of_this_vault_are_cleared_away(
    bucket_config: Config, tmp_path: Path
) -> None:
    """Another vault on the same bucket may be asking the store at this very moment."""

    async def die_after_the_put(exchange: Exchange) -> None:
        if PROBE_PREFIX in exchange.path and exchange.method != "PUT":
            exchange.status, exchange.answer = 403, b"<Error><Code>AccessDenied</Code></Error>"

    vaults = [replace(bucket_config, vault_path=tmp_path / name) for name in ("ours", "theirs")]
    for vault in vaults:
        vault.vault_path.mkdir()
        async with running_proxy(bucket_config.endpoint_url) as proxy:
            proxy.before = die_after_the_put
            through = replace(vault, endpoint_url=proxy.endpoint)
            async with Bucket.open(through, SystemClock()) as bucket:
                with pytest.raises(Exception, match=r"AccessDenied|probe"):
                    await probe_store(bucket)
    async with Bucket.open(vaults[0], SystemClock()) as bucket:
        before = await listed_keys(bucket)
        assert len(before) == 2
        strangers = [f"{before[0]}x", f"{PROBE_PREFIX}note.txt", "x.txt"]
        for key in strangers:
            await bucket.put(key, _one(b"not ours"), 8, ObjectHeaders())
        same_place = f"{before[0][:-1]}{'0' if before[0][-1] != '0' else '1'}"
        await bucket.put(same_place, _one(b"another size"), 12, ObjectHeaders())
        await remove_old_probes(bucket)
        once = set(await listed_keys(bucket))
    assert once > {*strangers, same_place}
    (theirs,) = once - {*strangers, same_place}
    assert theirs in before
    async with Bucket.open(vaults[1], SystemClock()) as bucket:
        await remove_old_probes(bucket)
        assert set(await listed_keys(bucket)) == {*strangers, same_place}


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_the_probe_is_removed_when_cancelled(bucket_config: Config) -> None:
    written = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        if exchange.method == "GET" and PROBE_PREFIX in exchange.path:
            written.set()
            await asyncio.Event().wait()

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = hold
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            probing = asyncio.create_task(probe_store(bucket))
            await written.wait()
            assert len(await listed_keys(bucket)) == 1
            probing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probing
            assert await listed_keys(bucket) == []


async def test_a_probe_that_cannot_be_removed_is_an_error(bucket_config: Config) -> None:
    async def deny(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and "If-Match" not in exchange.headers:
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = deny
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with pytest.raises(StoreFailed, match="could not be removed"):
                await probe_store(bucket)


async def test_the_right_to_read_versioning_is_needed(bucket_config: Config) -> None:
    async def deny(exchange: Exchange) -> None:
        if exchange.path.endswith("?versioning"):
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = deny
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with pytest.raises(RightMissing, match="s3:GetBucketVersioning"):
                await probe_store(bucket)
