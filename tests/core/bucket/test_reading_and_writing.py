from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from s3gc_core.bucket import (
    BodyLengthWrong,
    Bucket,
    ObjectChanged,
    ObjectGone,
    ObjectHeaders,
    ObjectUnreadable,
    StoreFailed,
)
from s3gc_core.bucket.reading import MIB, likely_part_size, part_size, state_of
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.errors import BucketUnreachable
from tests.conftest import MakeBucket
from tests.core.bucket import bytes_of, listed_keys, pieces, plain_client
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, running_proxy

# What each server can hold: weed insists on a date in Expires and has no redirects.
EVERYTHING: dict[str, Any] = {
    "ContentType": "text/html; charset=utf-8",
    "CacheControl": "max-age=60, private",
    "ContentDisposition": "attachment; filename*=UTF-8''%C3%A9.html",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de-CH",
    "Metadata": {"owner": "a b", "x-y": "1"},
    "Tagging": "team=a%20b&k=v%26w",
}
HEADERS = ObjectHeaders(
    content_type="text/html; charset=utf-8",
    cache_control="max-age=60, private",
    content_disposition="attachment; filename*=UTF-8''%C3%A9.html",
    content_encoding="gzip",
    content_language="de-CH",
    metadata={"owner": "a b", "x-y": "1"},
    tags={"team": "a b", "k": "v&w"},
)
RAW = b"\x1f\x8bnot really gzip\x00\xff"


async def _raw_headers(config: Config, key: str) -> dict[str, str]:
    """The object's headers as they come over the wire, without what differs by time."""
    async with plain_client(config) as s3:
        answer = await s3.head_object(Bucket=config.bucket, Key=key)
    changing = ("date", "last-modified", "x-amz-request-id", "x-amz-id-2", "x-amzn-requestid")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return {name: value for name, value in headers.items() if name not in changing}


async def _take_away_and_bring_back(bucket: Bucket, config: Config, key: str) -> ObjectHeaders:
    """Read with headers and tags, delete, write again; return what was read the first time."""
    state = await bucket.head(key)
    assert state is not None
    before = await _raw_headers(config, key)
    async with bucket.read(key, state.etag) as body:
        assert body.state == msgspec.structs.replace(state, tag_count=body.state.tag_count)
        data = b"".join([chunk async for chunk in body.chunks(1_000_000)])
    tags = await bucket.tags(key)
    assert body.state.tag_count == len(tags)
    headers = msgspec.structs.replace(body.state.headers, tags=tags)
    await bucket.delete_batch([(key, state.etag)])
    assert await bucket.head(key) is None
    etag = await bucket.put(key, pieces(data[:3], b"", data[3:]), len(data), headers)
    assert etag == state.etag
    assert await bytes_of(bucket, key, etag) == data
    assert await bucket.tags(key) == tags
    assert await _raw_headers(config, key) == before
    return headers


async def test_everything_comes_back_on_seaweed(bucket: Bucket, bucket_config: Config) -> None:
    date = datetime(1994, 12, 1, 16, tzinfo=UTC)
    async with plain_client(bucket_config) as s3:
        await s3.put_object(
            Bucket=bucket.name,
            Key="k",
            Body=RAW,
            Expires=date,
            StorageClass="GLACIER",  # weed keeps the class and still hands out the bytes
            **EVERYTHING,
        )
    assert await _take_away_and_bring_back(bucket, bucket_config, "k") == msgspec.structs.replace(
        HEADERS, expires="Thu, 01 Dec 1994 16:00:00 GMT", storage_class="GLACIER"
    )


async def test_everything_comes_back_where_aws_rules(aws_like: Bucket) -> None:
    config = Config(bucket=aws_like.name, endpoint_url=aws_like.connection.s3.meta.endpoint_url)
    async with plain_client(config) as s3:
        await s3.put_object(
            Bucket=aws_like.name,
            Key="k",
            Body=RAW,
            WebsiteRedirectLocation="/else%20where",
            StorageClass="STANDARD_IA",
            **EVERYTHING,
        )
    assert await _take_away_and_bring_back(aws_like, config, "k") == msgspec.structs.replace(
        HEADERS, website_redirect="/else%20where", storage_class="STANDARD_IA"
    )


async def test_an_expires_that_is_no_date_comes_back_verbatim(aws_like: Bucket) -> None:
    headers = ObjectHeaders(content_type="image/png", expires="0")
    etag = await aws_like.put("k", pieces(b"x"), 1, headers)
    async with aws_like.read("k", etag) as body:
        assert body.state.headers == headers
    # In parts, too: the header then goes with another request.
    parted = msgspec.structs.replace(headers, part_size=5 * MIB)
    etag = await aws_like.put("p", pieces(b"x"), 1, parted)
    async with aws_like.read("p", etag) as body:
        assert body.state.headers == msgspec.structs.replace(headers, part_size=1)


async def test_no_content_type_is_sent_where_there_was_none(bucket_config: Config) -> None:
    async with running_proxy(bucket_config.endpoint_url) as proxy:
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            await bucket.put("k", pieces(b"x"), 1, ObjectHeaders())
            await bucket.put("p", pieces(b"x"), 1, ObjectHeaders(part_size=1))
    writes = [e for e in proxy.seen if e.method == "PUT" or "uploads" in e.path]
    assert [e.method for e in writes] == ["PUT", "POST", "PUT"]
    assert all("content-type" not in {h.lower() for h in e.headers} for e in writes)
    bodies = [e for e in writes if e.body]
    assert len(bodies) == 2
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    assert {e.headers["Content-MD5"] for e in bodies} == {md5}


async def test_empty_objects(bucket: Bucket) -> None:
    etag = await bucket.put("empty", pieces(), 0, ObjectHeaders(content_type="a/b"))
    assert etag == f'"{hashlib.md5(b"").hexdigest()}"'
    assert await bytes_of(bucket, "empty", etag) == b""
    assert await _sizes(bucket) == {"empty": 0}


async def _sizes(bucket: Bucket) -> dict[str, int]:
    return {item.key: item.size async for page in bucket.list_pages() for item in page}


async def test_nothing_is_overwritten_unasked(bucket: Bucket) -> None:
    first = await bucket.put("k", pieces(b"one"), 3, ObjectHeaders())
    with pytest.raises(ObjectChanged):
        await bucket.put("k", pieces(b"two"), 3, ObjectHeaders())
    with pytest.raises(ObjectChanged):
        await bucket.put("k", pieces(b"two"), 3, ObjectHeaders(part_size=5 * MIB))
    with pytest.raises(ObjectChanged):
        await bucket.put("k", pieces(b"two"), 3, ObjectHeaders(), if_match='"' + "0" * 32 + '"')
    assert await bytes_of(bucket, "k", first) == b"one"
    second = await bucket.put("k", pieces(b"two"), 3, ObjectHeaders(), if_match=first)
    assert await bytes_of(bucket, "k", second) == b"two"
    for empty in ("", '""', "*"):
        with pytest.raises(ValueError, match="empty ETag"):
            await bucket.put("k", pieces(b"x"), 1, ObjectHeaders(), if_match=empty)


@pytest.mark.parametrize("part", [None, 5 * MIB])
@pytest.mark.parametrize("data", [b"four", b"sixsix", b""])
async def test_a_source_of_the_wrong_length_writes_nothing(
    bucket: Bucket, data: bytes, part: int | None
) -> None:
    with pytest.raises(BodyLengthWrong):
        await bucket.put("k", pieces(data), 5, ObjectHeaders(part_size=part))
    assert await listed_keys(bucket) == []


async def test_reading_is_bound_to_the_etag(bucket: Bucket) -> None:
    first = await bucket.put("k", pieces(b"one"), 3, ObjectHeaders())
    second = await bucket.put("k", pieces(b"two"), 3, ObjectHeaders(), if_match=first)
    with pytest.raises(ObjectChanged):
        await bytes_of(bucket, "k", first)
    await bucket.delete_batch([("k", second)])
    with pytest.raises(ObjectGone):
        await bytes_of(bucket, "k", second)
    with pytest.raises(ObjectGone):
        await bucket.tags("k")
    assert await bucket.head("k") is None


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "InvalidObjectState", "archived"),
        (403, "AccessDenied", "cannot be read"),
        # The key is refused, disabled or gone (KMS error codes): this object's trouble alone.
        (403, "KMS.AccessDeniedException", "cannot be read"),
        (400, "KMS.DisabledException", "cannot be read"),
        (400, "KMS.NotFoundException", "cannot be read"),
    ],
)
async def test_archived_and_forbidden_objects_cannot_be_read(
    bucket_config: Config, status: int, code: str, reason: str
) -> None:
    """No local server refuses so: the proxy answers as S3 documents it."""

    async def refuse(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.startswith(f"/{bucket_config.bucket}/k"):
            exchange.status = status
            exchange.answer = f"<Error><Code>{code}</Code></Error>".encode()

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            headers = ObjectHeaders(storage_class="GLACIER")
            etag = await bucket.put("k", pieces(b"x"), 1, headers)
            proxy.before = refuse
            state = await bucket.head("k")
            assert state is not None
            assert (state.etag, state.headers.storage_class) == (etag, "GLACIER")
            classes = [i.storage_class async for page in bucket.list_pages() for i in page]
            assert classes == ["GLACIER"]
            with pytest.raises(ObjectUnreadable, match=reason):
                await bytes_of(bucket, "k", etag)


async def test_objects_under_a_key_of_their_owner_cannot_be_read(
    bucket: Bucket, bucket_config: Config
) -> None:
    async with plain_client(bucket_config) as s3:
        answer = await s3.put_object(
            Bucket=bucket.name,
            Key="k",
            Body=b"x",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey="k" * 32,
        )
    with pytest.raises(ObjectUnreadable):
        await bytes_of(bucket, "k", answer["ETag"])


async def test_the_key_of_an_encrypted_object_is_kept_and_used_again(
    make_bucket: MakeBucket, ministack: Ministack
) -> None:
    """Seen on ministack; SeaweedFS without a KMS answers 500 to such a PUT."""
    config = await make_bucket(ministack)
    key_id = "arn:aws:kms:us-east-1:000000000000:key/0d6a2f4c"
    encrypted = ObjectHeaders(
        content_type="text/plain", encryption="aws:kms", encryption_key_id=key_id
    )
    async with Bucket.open(config, SystemClock()) as bucket:
        for key, headers in (("k", encrypted), ("again", None)):
            state = await bucket.head("k")
            await bucket.put(key, pieces(b"x"), 1, headers or state.headers)  # type: ignore[union-attr]
            written = await bucket.head(key)
            assert written is not None
            assert written.headers == encrypted


async def test_a_body_that_ends_early_is_an_error(bucket_config: Config) -> None:
    async def cut(exchange: Exchange) -> None:
        if exchange.method == "GET":
            exchange.cut_after = 900

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.after = cut
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etag = await bucket.put("k", pieces(b"x" * 1000), 1000, ObjectHeaders())
            with pytest.raises(BucketUnreachable):
                await bytes_of(bucket, "k", etag)


async def test_a_body_is_counted(bucket: Bucket) -> None:
    etag = await bucket.put("k", pieces(b"four"), 4, ObjectHeaders())
    async with bucket.read("k", etag) as body:
        body.state = msgspec.structs.replace(body.state, size=5)
        with pytest.raises(BucketUnreachable, match="sent 4 of 5 bytes"):
            [chunk async for chunk in body.chunks()]


async def test_hidden_metadata_makes_an_object_unreadable(bucket_config: Config) -> None:
    async def hide_one(exchange: Exchange) -> None:
        exchange.answer_headers["x-amz-missing-meta"] = "1"

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            etag = await bucket.put("k", pieces(b"x"), 1, ObjectHeaders())
            assert await bytes_of(bucket, "k", etag) == b"x"
            proxy.after = hide_one
            with pytest.raises(ObjectUnreadable, match="hides 1 metadata"):
                await bytes_of(bucket, "k", etag)


def test_an_answer_without_etag_is_no_state() -> None:
    answer = {"ETag": '"e"', "ContentLength": 1, "LastModified": datetime.now(UTC)}
    assert state_of("k", answer, None).etag == '"e"'
    for name in answer:
        with pytest.raises(StoreFailed):
            state_of("k", {k: v for k, v in answer.items() if k != name}, None)


async def test_the_store_says_what_time_it_is(bucket: Bucket) -> None:
    now = await bucket.server_now()
    assert now.utcoffset() == timedelta(0)
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("etag", "size", "first", "expected"),
    [
        ('"0cc175b9c0f1b6a831c399e269772661"', 100 * MIB, None, None),
        ('"x-1"', 7, None, 7),
        ('"x-1"', 0, None, 1),
        ('"x-3"', 20 * MIB, 7 * MIB, 7 * MIB),
        ('"x-3"', 20 * MIB, 20 * MIB, 8 * MIB),  # PartNumber ignored: the whole length
        ('"x-3"', 20 * MIB, None, 8 * MIB),
    ],
)
def test_part_sizes(etag: str, size: int, first: int | None, expected: int | None) -> None:
    assert part_size(etag, size, first) == expected


@pytest.mark.parametrize(
    ("size", "parts", "expected"),
    [(20 * MIB, 4, 5 * MIB), (20 * MIB + 1, 3, 8 * MIB), (60 * MIB, 3, 20 * MIB), (10, 3, 4)],
)
def test_likely_part_sizes(size: int, parts: int, expected: int) -> None:
    assert likely_part_size(size, parts) == expected


async def test_who_reads_a_body_can_ask_for_its_tags(bucket_config: Config) -> None:
    alone = replace(bucket_config, max_concurrency=1)
    size = 8 * MIB
    async with Bucket.open(alone, SystemClock()) as bucket:
        etag = await bucket.put("k", pieces(bytes(size)), size, ObjectHeaders(tags={"a": "b"}))
        async with asyncio.timeout(20), bucket.read("k", etag) as body:
            assert await bucket.tags("k") == {"a": "b"}  # a second request, the first still open
            assert len(b"".join([chunk async for chunk in body.chunks()])) == size
