"""The operator's limits on requests and bytes, by a clock that nobody has to wait for."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.bucket import BackedUp, Bucket, DeleteMode, DeleteModes, DeleteOutcome, ListedObject
from s3gc_core.bucket.connection import connect
from s3gc_core.bucket.pace import Allowance, Pace
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.parallel import in_parallel
from tests.conftest import MakeBucket
from tests.core.bucket import pieces
from tests.servers.ministack import Ministack
from tests.servers.proxy import running_proxy
from tests.world import PLAIN

RATES = st.floats(0.5, 1_000)


class Waiting:
    """A clock that is as far as it was slept; all who sleep wake at their time, in their order."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wakes = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, wakes)


@given(
    rate=RATES,
    takes=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 50)), min_size=1, max_size=40),
)
def test_no_stretch_of_time_sees_more_than_its_share(
    rate: float, takes: list[tuple[float, float]]
) -> None:
    """Whatever is asked when, and how much at once."""
    allowance, now = Allowance(rate, 0.0), 0.0
    used: list[tuple[float, float]] = []
    for later, units in takes:
        now += later
        used.append((now + allowance.take(units, now), units))
    saved = max(1.0, rate / 10)
    for begin, (first, _) in enumerate(used):
        for end in range(begin, len(used)):
            last = used[end][0]
            assert last >= first - 1e-6
            # What is used at `last` itself may be its whole debt's end.
            between = sum(units for _, units in used[begin + 1 : end + 1])
            assert between <= (last - first) * rate + saved + 1e-3


@given(rate=RATES, count=st.integers(1, 200))
def test_who_keeps_to_it_does_not_wait(rate: float, count: int) -> None:
    allowance = Allowance(rate, 0.0)
    assert all(allowance.take(1, n / rate) < 1e-6 for n in range(count))


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(10, 100.0)
    assert allowance.take(1, 100.0) == 0
    assert allowance.take(1, 50.0) == pytest.approx(0.1)
    assert allowance.take(1, 100.0) == pytest.approx(0.2)
    assert allowance.take(1, 100.2) == pytest.approx(0.1)


@given(units=st.lists(st.integers(0, 1 << 40)))
def test_no_limit_is_none(units: list[int]) -> None:
    allowance = Allowance(0, 0.0)
    assert all(allowance.take(one, 0.0) == 0 for one in units)


@pytest.fixture
async def bucket_config(make_bucket: MakeBucket, ministack: Ministack) -> Config:
    return await make_bucket(ministack)


async def test_all_requests_of_all_workers_keep_one_pace(bucket_config: Config) -> None:
    waiting = Waiting()
    async with running_proxy(bucket_config.endpoint_url) as proxy:
        config = replace(bucket_config, endpoint_url=proxy.endpoint)
        pace = Pace(10, 0, clock=waiting.clock, sleep=waiting.sleep)
        async with connect(config, pace=pace) as connection, AsyncExitStack() as later:
            bucket = Bucket(connection, config, SystemClock(), later)
            await in_parallel(bucket.head(f"{n}") for n in range(40))
    assert len(proxy.seen) == 40
    # One was saved up; each of the others had to wait a tenth of a second more than the one before.
    assert waiting.now >= 3.9


async def test_bytes_of_bodies_count_both_ways(bucket_config: Config) -> None:
    waiting = Waiting()
    pace = Pace(0, 1_000, clock=waiting.clock, sleep=waiting.sleep)
    async with connect(bucket_config, pace=pace) as connection, AsyncExitStack() as later:
        bucket = Bucket(connection, bucket_config, SystemClock(), later)
        etag = await bucket.put("k", pieces(b"x" * 5_000), 5_000, PLAIN)
        assert waiting.now == pytest.approx(4.9)
        async with bucket.read("k", if_match=etag) as body:
            assert sum([len(chunk) async for chunk in body.chunks()]) == 5_000
        assert waiting.now == pytest.approx(9.9)
        listed = [one async for page in bucket.list_pages() for one in page]
        assert [type(one) for one in listed] == [ListedObject]
        assert waiting.now == pytest.approx(9.9)


async def test_a_batch_of_deletes_counts_and_does_not_wait(bucket_config: Config) -> None:
    waiting = Waiting()
    pace = Pace(1, 0, clock=waiting.clock, sleep=waiting.sleep)
    async with connect(bucket_config, pace=pace) as connection, AsyncExitStack() as later:
        bucket = Bucket(connection, bucket_config, SystemClock(), later)
        etag = await bucket.put("k", pieces(b"x"), 1, PLAIN)
        before = waiting.now
        await bucket.delete_batch([("k", etag)])
        assert waiting.now == before
        assert await bucket.head("k") is None
        assert waiting.now == pytest.approx(before + 2)


@pytest.mark.parametrize(
    "modes",
    [
        DeleteModes(batch=DeleteMode.CONDITIONAL_SINGLE),
        DeleteModes(DeleteMode.HEAD_COMPARE, DeleteMode.HEAD_COMPARE),
    ],
    ids=str,
)
async def test_nobody_waits_between_the_last_check_and_a_delete(
    bucket_config: Config, modes: DeleteModes
) -> None:
    """Key by key as well: a reference that comes meanwhile would come too late."""
    waiting = Waiting()
    pace = Pace(1, 0, clock=waiting.clock, sleep=waiting.sleep)
    keys = ["a", "b", "c"]
    async with connect(bucket_config, pace=pace) as connection, AsyncExitStack() as later:
        bucket = Bucket(connection, bucket_config, SystemClock(), later)
        were = {}
        for key in keys:
            await bucket.put(key, pieces(b"x"), 1, PLAIN)
            state = await bucket.head(key)
            assert state is not None
            were[key] = BackedUp(state.etag, state.size, state.last_modified)
        before = waiting.now
        answers = await bucket.delete_by_modes(modes, were)
        assert waiting.now == before
        assert {key: one.outcome for key, one in answers.items()} == dict.fromkeys(
            keys, DeleteOutcome.DELETED
        )
        assert [await bucket.head(key) for key in keys] == [None] * 3
    # They counted all the same.
    assert waiting.now >= before + 3
