"""Requests that are put together by us: the client's own, but for how often they were tried."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from s3gc_core.bucket import (
    ObjectChanged,
    ObjectGone,
    ObjectHeaders,
    ObjectUnreadable,
    StoreFailed,
    immutable,
)
from s3gc_core.bucket.connection import Connection, connect
from s3gc_core.bucket.light import FAILURES_AT_MOST, OPERATIONS
from s3gc_core.bucket.pace import Pace
from s3gc_core.bucket.reading import head, read
from s3gc_core.bucket.writing import Writer
from s3gc_core.config import Checksums, Config, RequestPayer
from s3gc_core.errors import BucketUnreachable
from tests.conftest import MakeBucket
from tests.core.bucket import pieces
from tests.core.bucket.test_odd_keys import TAME
from tests.core.bucket.test_reading_and_writing import HEADERS
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, Proxy, running_proxy

PLAIN = ObjectHeaders(content_type="image/png")
MANY = ObjectHeaders(
    content_type="text/plain",
    metadata={"a": "1", "b-c": "x  y", "empty": ""},
    tags={"t": "a&b=c"},
    encryption="AES256",
    storage_class="STANDARD_IA",
)
# The proxy would decode gzip.
ALL = msgspec.structs.replace(HEADERS, content_encoding="odd")
# Of the client only: that a request is numbered and asks first. Of each request: when it was made.
DIFFER = {"authorization", "x-amz-date", "expect", "amz-sdk-invocation-id", "amz-sdk-request"}
ANY = {"IfNoneMatch": "*"}


@pytest.fixture
async def proxied(
    make_bucket: MakeBucket, ministack: Ministack
) -> AsyncIterator[tuple[Config, Proxy]]:
    config = await make_bucket(ministack)
    async with running_proxy(config.endpoint_url) as proxy:
        yield replace(config, endpoint_url=proxy.endpoint), proxy


def is_light(exchange: Exchange) -> bool:
    return "amz-sdk-invocation-id" not in {name.lower() for name in exchange.headers}


def said(exchanges: Iterable[Exchange]) -> list[tuple[str, str, dict[str, str], bytes]]:
    return [
        (
            e.method,
            e.path,
            {n.lower(): v for n, v in e.headers.items() if n.lower() not in DIFFER},
            e.body,
        )
        for e in exchanges
    ]


async def put(connection: Connection, key: str, headers: ObjectHeaders = PLAIN) -> str:
    data = b"" if key == "empty" else key.encode()
    return await Writer(connection).put(key, pieces(data), len(data), headers, ANY)


async def get(connection: Connection, key: str, etag: str) -> tuple[object, bytes]:
    async with read(connection, key, etag) as body:
        return body.state, b"".join([chunk async for chunk in body.chunks()])


@asynccontextmanager
async def warm(config: Config, **more: Any) -> AsyncIterator[tuple[Connection, str]]:
    """A connection that has seen one request of each kind, and the ETag of the object `warm`."""
    async with connect(config, **more) as connection:
        etag = await put(connection, "warm")
        await head(connection, "warm")
        await get(connection, "warm", etag)
        yield connection, etag


@pytest.mark.parametrize("checksums", [Checksums.AUTO, Checksums.ON])
async def test_they_say_and_find_what_the_clients_do(
    proxied: tuple[Config, Proxy], checksums: Checksums
) -> None:
    config, proxy = proxied
    config = replace(
        config,
        checksums=checksums,
        request_payer=RequestPayer.REQUESTER,
        expected_bucket_owner="000000000000",
    )
    cases = {**dict.fromkeys(TAME, PLAIN), "h/1": ALL, "h/2": MANY, "empty": ObjectHeaders()}
    async with warm(config) as (light, _):
        assert all(not is_light(exchange) for exchange in proxy.seen)
        sent: list[list[Exchange]] = []
        found: list[list[object]] = []
        for connection in (light, replace(light, light=None)):
            proxy.seen.clear()
            found.append([])
            for key, headers in cases.items():
                await head(connection, f"{key}-not there")
                etag = await put(connection, key, headers)
                found[-1] += [await head(connection, key), *await get(connection, key, etag)]
            sent.append(list(proxy.seen))
            if connection is light:
                for key in cases:  # each is written only where nothing is
                    await light.s3.delete_object(Bucket=light.bucket, Key=key)
    assert said(sent[0]) == said(sent[1])
    assert list(map(timeless, found[0])) == list(map(timeless, found[1]))
    assert not any(map(is_light, sent[1]))
    # Checksums of what is sent are the client's business.
    clients = {"PUT"} if checksums is Checksums.ON else set()
    assert {e.method for e in sent[0] if not is_light(e)} == clients
    assert {e.method for e in sent[0] if is_light(e)} == {"PUT", "HEAD", "GET"} - clients


def timeless(found: Any) -> object:
    return found if isinstance(found, bytes) else msgspec.structs.replace(found, last_modified=None)


@pytest.mark.parametrize("key", ["a//b", "./a", "a/../b", "folder/", "/leading"])
async def test_a_key_that_may_be_spelt_otherwise_is_the_clients(
    proxied: tuple[Config, Proxy], key: str
) -> None:
    config, proxy = proxied
    async with warm(config) as (connection, _):
        proxy.seen.clear()
        assert await head(connection, key) is None
        await head(connection, "warm")
    assert [is_light(exchange) for exchange in proxy.seen] == [False, True]


async def test_what_is_not_as_the_client_sends_it_is_never_sent(
    proxied: tuple[Config, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, proxy = proxied
    # With these the client says in each request which function of which trace it runs in.
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1")
    async with warm(config) as (connection, etag):
        await put(connection, "k")
        await head(connection, "warm")
        await get(connection, "warm", etag)
    assert not any(map(is_light, proxy.seen))


async def test_refusals_are_told_by_the_client(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied
    async with warm(config) as (connection, etag):
        proxy.seen.clear()
        with pytest.raises(ObjectChanged):
            await get(connection, "warm", '"0123456789abcdef0123456789abcdef"')
        with pytest.raises(ObjectGone):
            await get(connection, "nothing", etag)
        with pytest.raises(ObjectChanged):
            await put(connection, "warm")
        assert [is_light(exchange) for exchange in proxy.seen] == [True, False] * 3
        # That is no failure of ours: the next are light again.
        proxy.seen.clear()
        assert await head(connection, "nothing") is None
        assert (await get(connection, "warm", etag))[1] == b"warm"
        await put(connection, "new")
    assert [is_light(exchange) for exchange in proxy.seen] == [True] * 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_what_fails_is_done_by_the_client_and_after_a_few_all_is(
    proxied: tuple[Config, Proxy], method: str
) -> None:
    config, proxy = proxied

    async def refuse(exchange: Exchange) -> None:
        if exchange.method == method and is_light(exchange):
            exchange.status, exchange.reset = (503, False) if len(proxy.seen) % 2 else (0, True)

    async with warm(config) as (connection, etag):
        proxy.seen.clear()
        proxy.before = refuse
        for number in range(3 * FAILURES_AT_MOST):
            if method == "GET":
                assert (await get(connection, "warm", etag))[1] == b"warm"
            elif method == "HEAD":
                assert await head(connection, "warm") is not None
            else:
                await put(connection, f"k{number}")
    assert sum(map(is_light, proxy.seen)) == FAILURES_AT_MOST
    assert len(proxy.seen) == 4 * FAILURES_AT_MOST


async def test_failures_now_and_then_are_forgotten(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied
    fails: list[bool] = []

    async def refuse(exchange: Exchange) -> None:
        if is_light(exchange):
            fails.append(not fails or not fails[-1])
            if fails[-1]:
                exchange.status = 503

    async with warm(config) as (connection, _):
        proxy.before = refuse
        for _ in range(4 * FAILURES_AT_MOST):
            assert await head(connection, "warm") is not None
    assert sum(fails) == 2 * FAILURES_AT_MOST


async def test_words_that_come_with_200_are_no_error(proxied: tuple[Config, Proxy]) -> None:
    """Sent once more, the write would be refused: its own object would be there."""
    config, proxy = proxied

    async def chat(exchange: Exchange) -> None:
        if exchange.method == "PUT":
            exchange.answer = b"<Welcome/>"

    async with warm(config) as (connection, _):
        proxy.seen.clear()
        proxy.after = chat
        etag = await put(connection, "k")
        assert [is_light(exchange) for exchange in proxy.seen] == [True]
        assert (await get(connection, "k", etag))[1] == b"k"


@pytest.mark.parametrize(
    ("header", "value"), [("Last-Modified", "yesterday"), ("x-amz-tagging-count", "some")]
)
async def test_a_header_that_makes_no_sense_is_that_objects(
    proxied: tuple[Config, Proxy], header: str, value: str
) -> None:
    config, proxy = proxied

    async def spoil(exchange: Exchange) -> None:
        if exchange.path.endswith("/odd") and exchange.method != "PUT":
            exchange.answer_headers[header] = value

    async with warm(config) as (connection, _):
        etag = await put(connection, "odd")
        proxy.after = spoil
        for connected in (connection, replace(connection, light=None)):
            with pytest.raises(ObjectUnreadable, match="cannot be understood"):
                await head(connected, "odd")
            with pytest.raises(ObjectUnreadable, match="cannot be understood"):
                await get(connected, "odd", etag)
            assert await head(connected, "warm") is not None


async def test_a_write_that_nobody_confirms_has_failed(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied

    async def hide(exchange: Exchange) -> None:
        headers = exchange.answer_headers.items()
        exchange.answer_headers = {n: v for n, v in headers if n.lower() != "etag"}

    async with warm(config) as (connection, _):
        proxy.after = hide
        for number, connected in enumerate((connection, replace(connection, light=None))):
            with pytest.raises(StoreFailed, match="has no ETag"):
                await put(connected, f"k{number}")


async def test_an_error_that_comes_with_200_is_no_success(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied

    async def lie(exchange: Exchange) -> None:
        if exchange.method == "PUT" and is_light(exchange):
            exchange.status, exchange.answer_headers = 200, {"ETag": '"none"'}
            exchange.answer = b"<Error><Code>InternalError</Code></Error>"

    async with warm(config) as (connection, _):
        proxy.before = lie
        etag = await put(connection, "k")
        assert etag != '"none"'
        assert (await get(connection, "k", etag))[1] == b"k"


@pytest.mark.parametrize("checksums", [Checksums.OFF, Checksums.ON])
async def test_checksums_that_the_store_tells_are_compared(
    proxied: tuple[Config, Proxy], checksums: Checksums
) -> None:
    config, proxy = proxied

    async def spoil(exchange: Exchange) -> None:
        if exchange.method == "GET":
            crc = zlib.crc32(exchange.answer).to_bytes(4, "big")
            exchange.answer_headers["x-amz-checksum-crc32"] = b64encode(crc).decode()
            exchange.answer = exchange.answer.upper()

    async with warm(replace(config, checksums=checksums)) as (connection, etag):
        proxy.after = spoil
        if checksums is Checksums.ON:
            with pytest.raises(StoreFailed, match="checksum"):
                await get(connection, "warm", etag)
        else:
            assert (await get(connection, "warm", etag))[1] == b"WARM"
    assert is_light(proxy.seen[-1])


async def test_a_body_that_ends_early_is_none(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied

    async def cut(exchange: Exchange) -> None:
        exchange.cut_after = 2

    async with warm(config) as (connection, etag):
        proxy.after = cut
        with pytest.raises(BucketUnreachable):
            await get(connection, "warm", etag)
    assert is_light(proxy.seen[-1])


async def test_they_keep_the_pace_and_the_limit_of_all_others(
    proxied: tuple[Config, Proxy],
) -> None:
    config, proxy = proxied
    waits: list[float] = []
    told: list[str] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    def tell(event_name: str, **_: Any) -> None:
        told.append(event_name)

    pace = Pace(1, 0, clock=lambda: 0.0, sleep=wait)
    async with warm(config, pace=pace) as (connection, etag):
        for event in ("before-send", "needs-retry", "after-call"):
            connection.s3.meta.events.register(event, tell)
        waits.clear()
        await get(connection, "warm", etag)
        await head(connection, "warm")
        await put(connection, "k")
    assert all(map(is_light, proxy.seen[-3:]))
    # One request a second, and no second has passed: each waits for one second more.
    assert waits == [3.0, 4.0, 5.0]
    events = ("before-send", "needs-retry", "after-call")
    assert sorted(told) == sorted(f"{event}.s3.{name}" for name in OPERATIONS for event in events)


async def test_who_may_send_once_only_sends_by_the_client(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied
    async with warm(config, attempts=1) as (connection, etag):
        assert connection.light is None
        await get(connection, "warm", etag)
    assert not any(map(is_light, proxy.seen))


async def test_requests_of_others_are_left_alone(proxied: tuple[Config, Proxy]) -> None:
    config, proxy = proxied
    async with connect(config) as connection:
        assert await immutable.put_once(connection, "sealed", b"1")
        assert not await immutable.put_once(connection, "sealed", b"1")
        assert await immutable.fetch(connection, "sealed") == b"1"
    assert not any(map(is_light, proxy.seen))
