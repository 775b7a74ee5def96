from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3gc_core.bucket import Bucket, ListedObject, ListingIncomplete
from s3gc_core.bucket.listing import check_page
from s3gc_core.bucket.parsing import parse_timestamp, take_entries
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.errors import BucketUnreachable, ExitCode
from tests.core.bucket import listed_keys, plain_client
from tests.servers.proxy import Exchange, running_proxy


async def _fill(config: Config, keys: list[str]) -> None:
    gate = asyncio.Semaphore(16)
    async with plain_client(config) as s3:

        async def put(key: str) -> None:
            async with gate:
                await s3.put_object(Bucket=config.bucket, Key=key, Body=key.encode())

        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(put(key))


async def test_lists_every_object_once(bucket_config: Config) -> None:
    keys = [f"{n % 7}/{n:05d}-ü" for n in range(2_105)]
    started = datetime.now(UTC)
    await _fill(bucket_config, keys)
    async with Bucket.open(bucket_config, SystemClock()) as bucket:
        pages = [page async for page in bucket.list_pages()]
        under = [i.key async for page in bucket.list_pages("3/") for i in page]
    listed = [item for page in pages for item in page]
    assert len(pages) == 3
    assert sorted(item.key for item in listed) == sorted(keys)
    assert sorted(under) == sorted(k for k in keys if k.startswith("3/"))
    assert {item.size for item in listed} == {len(b"0/00000-") + 2}
    assert {item.storage_class for item in listed} == {"STANDARD"}
    assert all(re.fullmatch(r'"[0-9a-f]{32}"', item.etag) for item in listed)
    assert all(
        started - timedelta(seconds=2) <= i.last_modified <= datetime.now(UTC) for i in listed
    )


async def test_entries_are_not_left_to_botocore(
    bucket_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def told(
        response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
    ) -> None:
        take_entries(response_dict, customized_response_dict)
        taken.append(len(customized_response_dict.get("Contents", [])))

    monkeypatch.setattr("s3gc_core.bucket.connection.take_entries", told)
    await _fill(bucket_config, ["a", "b & c"])
    async with Bucket.open(bucket_config, SystemClock()) as bucket:
        assert sorted(await listed_keys(bucket)) == ["a", "b & c"]
    # The second looked behind the end of the first.
    assert taken == [2, 0]


async def test_empty_bucket_is_one_empty_page(bucket: Bucket) -> None:
    assert [page async for page in bucket.list_pages()] == [[]]


LyingProxy = Callable[[Exchange], Awaitable[None]]


async def _cut_last_entry(exchange: Exchange) -> None:
    exchange.answer = re.sub(
        rb"(?s)<Contents>(?:(?!<Contents>).)*</Contents>(?!.*<Contents>)", b"", exchange.answer
    )


async def _hide_the_token(exchange: Exchange) -> None:
    exchange.answer = re.sub(
        rb"<NextContinuationToken>.*?</NextContinuationToken>", b"", exchange.answer
    )


async def _repeat_the_token(exchange: Exchange) -> None:
    exchange.answer = re.sub(
        rb"(<NextContinuationToken>).*?(</NextContinuationToken>)", rb"\1same\2", exchange.answer
    ).replace(
        b"<IsTruncated>false",
        b"<NextContinuationToken>same</NextContinuationToken><IsTruncated>true",
    )


async def _forget_whether_more(exchange: Exchange) -> None:
    exchange.answer = re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"", exchange.answer)


async def _lose_an_etag(exchange: Exchange) -> None:
    exchange.answer = re.sub(rb"<ETag>.*?</ETag>", b"", exchange.answer, count=1)


async def _end_too_early(exchange: Exchange) -> None:
    # Not by the page that looks behind the end.
    exchange.answer = exchange.answer.replace(b"<IsTruncated>true", b"<IsTruncated>false")


_first_page: list[bytes] = []


async def _send_a_page_twice(exchange: Exchange) -> None:
    if "continuation-token" not in exchange.path:
        _first_page[:] = [exchange.answer]
    else:
        exchange.answer = _first_page[0].replace(b"<IsTruncated>true", b"<IsTruncated>false")


LIES: list[LyingProxy] = [
    _end_too_early,
    _send_a_page_twice,
    _cut_last_entry,
    _hide_the_token,
    _repeat_the_token,
    _forget_whether_more,
    _lose_an_etag,
]


async def test_a_listing_with_a_hole_is_no_listing(bucket_config: Config) -> None:
    keys = [f"k{n:04d}" for n in range(1_001)]
    await _fill(bucket_config, keys)
    refused = {}
    async with running_proxy(bucket_config.endpoint_url) as proxy:
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            newest = max([i.last_modified async for page in bucket.list_pages() for i in page])
            # What is as young as the listing itself may well follow its end.
            older_in = newest + timedelta(seconds=1) - await bucket.server_date()
            await asyncio.sleep(max(0.0, older_in.total_seconds()))
            assert sorted(await listed_keys(bucket)) == keys  # the proxy itself is honest
            for lie in LIES:
                proxy.after = lie
                with pytest.raises(ListingIncomplete) as caught:
                    async with asyncio.timeout(20):  # a repeated token would go round forever
                        await listed_keys(bucket)
                refused[lie] = caught.value
    assert {error.guards for error in refused.values()} == {("listing-incomplete",)}
    assert {error.exit_code for error in refused.values()} == {ExitCode.BLOCKED}
    assert all(error.what.startswith("listing-incomplete: ") for error in refused.values())
    assert len({error.what for error in refused.values()}) == len(LIES)


async def _fail_slowly(exchange: Exchange) -> None:
    exchange.status = 503
    exchange.answer = b"<Error><Code>SlowDown</Code></Error>"


async def _break_off(exchange: Exchange) -> None:
    exchange.answer = exchange.answer[: len(exchange.answer) // 2]


@pytest.mark.parametrize("lie", [_fail_slowly, _break_off])
async def test_an_answer_that_stops_midway_is_an_error(
    bucket_config: Config, lie: LyingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.bucket.connection.MAX_ATTEMPTS", 2)
    await _fill(bucket_config, [f"k{n:04d}" for n in range(1_001)])
    pages: list[list[ListedObject]] = []

    async def second_page_fails(exchange: Exchange) -> None:
        if "continuation-token" in exchange.path:
            await lie(exchange)

    async def read_all(bucket: Bucket) -> None:
        async for page in bucket.list_pages():
            pages.append(page)

    async with running_proxy(bucket_config.endpoint_url) as proxy:
        proxy.after = second_page_fails
        through = replace(bucket_config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with pytest.raises(BucketUnreachable, match="the store kept failing"):
                await read_all(bucket)
        asked = [e for e in proxy.seen if "continuation-token" in e.path]
    assert [len(page) for page in pages] == [1_000]
    assert len(asked) == 2


def _page(**changes: Any) -> dict[str, Any]:
    entry = {"Key": "a", "Size": 1, "ETag": '"e"', "LastModified": datetime.now(UTC)}
    page: dict[str, Any] = {"Contents": [entry], "IsTruncated": False, "KeyCount": 1}
    return page | changes


def test_a_sound_page_passes() -> None:
    assert [item.key for item in check_page(_page(), "")] == ["a"]


@pytest.mark.parametrize(
    "page",
    [
        _page(KeyCount=2),
        _page(IsTruncated=None),
        _page(IsTruncated=True),
        _page(IsTruncated=True, NextContinuationToken=""),
        _page(CommonPrefixes=[{"Prefix": "b/"}]),
        _page(Contents=[{"Key": "a"}]),
        _page(Contents=2 * _page()["Contents"], KeyCount=2),
    ],
)
def test_a_page_that_contradicts_itself_is_refused(page: dict[str, Any]) -> None:
    with pytest.raises(ListingIncomplete):
        check_page(page, "")


def test_a_key_outside_the_prefix_is_refused() -> None:
    with pytest.raises(ListingIncomplete):
        check_page(_page(), "b/")


def test_timestamps_are_utc_whatever_their_form() -> None:
    expected = datetime(2026, 11, 21, 10, 55, 43, tzinfo=UTC)
    assert parse_timestamp("2026-11-21T10:55:43.000Z") == expected
    assert parse_timestamp("2026-11-21T12:55:43+02:00") == expected
    assert parse_timestamp("2026-11-21T10:55:43") == expected
    assert parse_timestamp("Sat, 21 Nov 2026 10:55:43 GMT") == expected
    assert parse_timestamp(expected.timestamp()) == expected
    with pytest.raises(ValueError, match="soon"):
        parse_timestamp("soon")
