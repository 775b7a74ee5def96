from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.bucket.reading import MIB
from s3gc_core.bucket.writing import (
    DEFAULT_PART_SIZE,
    ByteBudget,
    goes_in_one_put,
    part_size_for,
)
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.errors import BucketUnreachable
from tests.core.bucket import bytes_of, listed_keys, pieces, plain_client
from tests.servers.proxy import Exchange, running_proxy


async def _numbered(mebibytes: int) -> AsyncIterator[bytes]:
    """Different bytes in every MiB, made on the way."""
    for number in range(mebibytes):
        yield hashlib.sha256(number.to_bytes(4)).digest() * (MIB // 32)


async def _sha256(source: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in source:
        digest.update(chunk)
    return digest.hexdigest()


def _peak_memory() -> int:
    """Highest resident size in bytes since the last `_forget_peak`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_memory()


@pytest.mark.parametrize("part_size", [None, 100 * MIB])
async def test_large_objects_stream_in_bounded_memory(
    bucket: Bucket, part_size: int | None
) -> None:
    size = 200 * MIB
    expected = await _sha256(_numbered(200))
    before = _forget_peak()
    etag = await bucket.put("big", _numbered(200), size, ObjectHeaders(part_size=part_size))
    after_put = _peak_memory() - before
    before = _forget_peak()
    async with bucket.read("big", etag) as body:
        read = await _sha256(body.chunks(MIB))
    after_read = _peak_memory() - before
    assert read == expected
    assert after_put < 2 * DEFAULT_PART_SIZE
    assert after_read < 2 * DEFAULT_PART_SIZE
    assert body.state.size == size
    assert body.state.headers.part_size == part_size
    assert etag.endswith('-2"') == (part_size is not None)


@pytest.mark.parametrize(
    ("size", "part_size", "room", "expected"),
    [
        (0, None, 0, True),
        (64 * MIB, None, 0, True),
        (64 * MIB + 1, None, 128 * MIB + 1, False),
        (64 * MIB + 1, None, 128 * MIB + 2, True),
        (5 << 30, None, 1 << 40, True),
        ((5 << 30) + 1, None, 1 << 40, False),
        (1, 1, 1 << 40, False),
    ],
)
def test_what_goes_in_one_put(size: int, part_size: int | None, room: int, expected: bool) -> None:
    assert goes_in_one_put(size, ObjectHeaders(part_size=part_size), room) is expected


@pytest.mark.parametrize("part_size", [5 * MIB, 6 * MIB + 1])
async def test_the_same_parts_give_the_same_etag(
    bucket: Bucket, bucket_config: Config, part_size: int
) -> None:
    data = b"".join([chunk async for chunk in _numbered(14)])[:-100]
    async with plain_client(bucket_config) as s3:
        upload: dict[str, Any] = {"Bucket": bucket.name, "Key": "k"}
        started = await s3.create_multipart_upload(**upload, ContentType="image/png")
        upload["UploadId"] = started["UploadId"]
        parts: list[Any] = []
        for number, start in enumerate(range(0, len(data), part_size), 1):
            part = await s3.upload_part(
                **upload, PartNumber=number, Body=BytesIO(data[start : start + part_size])
            )
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        done = await s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-3"')
    async with bucket.read("k", done["ETag"]) as body:
        assert b"".join([chunk async for chunk in body.chunks()]) == data
        headers = body.state.headers
    assert headers == ObjectHeaders(content_type="image/png", part_size=part_size)
    await bucket.delete_batch([("k", done["ETag"])])
    assert await bucket.put("k", pieces(data), len(data), headers) == done["ETag"]
    assert await bytes_of(bucket, "k", done["ETag"]) == data


async def _unfinished(config: Config) -> list[str]:
    async with plain_client(config) as s3:
        answer = await s3.list_multipart_uploads(Bucket=config.bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


async def test_a_failing_source_leaves_no_upload(bucket: Bucket, bucket_config: Config) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        async for chunk in _numbered(7):
            yield chunk
        assert await _unfinished(bucket_config) == ["k"]  # it had begun
        raise RuntimeError("the backup is damaged")

    with pytest.raises(RuntimeError, match="damaged"):
        await bucket.put("k", breaks(), 20 * MIB, ObjectHeaders(part_size=5 * MIB))
    assert await _unfinished(bucket_config) == []
    assert await listed_keys(bucket) == []


async def test_a_cancelled_upload_leaves_nothing(bucket: Bucket, bucket_config: Config) -> None:
    waiting = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        async for chunk in _numbered(7):
            yield chunk
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(
        bucket.put("k", stalls(), 20 * MIB, ObjectHeaders(part_size=5 * MIB))
    )
    await waiting.wait()
    assert await _unfinished(bucket_config) == ["k"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _unfinished(bucket_config) == []
    assert await listed_keys(bucket) == []


async def test_cancelled_while_the_upload_begins(bucket_config: Config) -> None:
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def hold_the_answer(exchange: Exchange) -> None:
        if exchange.path.endswith("?uploads"):
            begun.set()
            await go_on.wait()

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.after = hold_the_answer
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            task = asyncio.create_task(bucket.put("k", pieces(b"x"), 1, ObjectHeaders(part_size=1)))
            await begun.wait()
            assert await _unfinished(bucket_config) == ["k"]
            task.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert await _unfinished(bucket_config) == []


async def test_a_part_that_is_refused_for_a_moment_is_sent_again(bucket_config: Config) -> None:
    refusals = 0

    async def slow_down_once(exchange: Exchange) -> None:
        nonlocal refusals
        if "partNumber=2" in exchange.path and refusals == 0:
            refusals += 1
            exchange.status = 503
            exchange.answer = b"<Error><Code>SlowDown</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = slow_down_once
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etag = await bucket.put("k", _numbered(11), 11 * MIB, ObjectHeaders(part_size=5 * MIB))
            async with bucket.read("k", etag) as body:
                assert await _sha256(body.chunks()) == await _sha256(_numbered(11))
    assert refusals == 1


async def test_an_upload_that_cannot_be_aborted_is_named(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.bucket.connection.MAX_ATTEMPTS", 1)

    async def refuse(exchange: Exchange) -> None:
        if "uploadId" in exchange.path:
            exchange.status = 503
            exchange.answer = b"<Error><Code>SlowDown</Code></Error>"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.before = refuse
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with pytest.raises(BucketUnreachable) as caught:
                await bucket.put("k", pieces(b"x"), 1, ObjectHeaders(part_size=1))
    assert len(caught.value.__notes__) == 1
    assert "is still in the store" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("size", "part", "expected"),
    [
        (65 * MIB, None, 16 * MIB),
        (65 * MIB, 5 * MIB, 5 * MIB),
        (10_000 * 16 * MIB, None, 16 * MIB),
        (10_000 * 16 * MIB + 1, None, 17 * MIB),
        (10_000 * 16 * MIB + 1, 5 * MIB, 17 * MIB),
    ],
)
def test_never_more_than_ten_thousand_parts(size: int, part: int | None, expected: int) -> None:
    assert part_size_for(size, ObjectHeaders(part_size=part)) == expected


async def test_the_memory_budget_holds_over_all_workers() -> None:
    budget = ByteBudget(10)
    held, peak, order = 0, 0, []

    async def worker(size: int) -> None:
        nonlocal held, peak
        async with budget.hold(size):
            order.append(size)
            held += size
            peak = max(peak, held)
            for _ in range(3):
                await asyncio.sleep(0)
            held -= size

    async with asyncio.TaskGroup() as group:
        for size in (4, 4, 9, 1, 10, 2):
            group.create_task(worker(size))
    assert (peak, held) == (10, 0)
    assert order == [4, 4, 9, 1, 10, 2]  # the large one is not starved by small ones

    waiting = asyncio.create_task(worker(10))
    async with budget.hold(1):
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await worker(10)  # what the cancelled one wanted was not taken
