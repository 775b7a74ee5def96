"""Work behind the caller, or beside it: no error is lost."""

from __future__ import annotations

import asyncio

import pytest

from s3gc_core.parallel import Behind, to_the_end, with_beside


class Broken(Exception):
    """What the work of these tests raises."""


async def test_one_piece_is_under_way_while_the_next_is_prepared() -> None:
    told: list[str] = []
    gates = [asyncio.Event(), asyncio.Event()]

    async def work(number: int) -> None:
        told.append(f"begin {number}")
        await gates[number].wait()
        told.append(f"end {number}")

    async with asyncio.timeout(10), Behind() as behind:
        await behind.put(work(0))
        told.append("prepared")
        second = asyncio.create_task(behind.put(work(1)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert told == ["prepared", "begin 0"]
        gates[0].set()
        await second
        gates[1].set()
    assert told == ["prepared", "begin 0", "end 0", "begin 1", "end 1"]


async def _broken() -> None:
    raise Broken


async def test_the_next_piece_hears_of_the_error_and_is_not_begun() -> None:
    begun = False

    async def work() -> None:
        nonlocal begun
        begun = True

    async with Behind() as behind:
        await behind.put(_broken())
        with pytest.raises(Broken):
            await behind.put(work())
    assert not begun


async def test_the_last_error_comes_out_of_the_block() -> None:
    with pytest.raises(Broken):
        async with Behind() as behind:
            await behind.put(_broken())


async def test_a_block_that_fails_waits_for_its_work() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        await asyncio.sleep(0)
        ended = True

    async def failing() -> None:
        async with Behind() as behind:
            await behind.put(work())
            raise Broken

    with pytest.raises(Broken):
        await failing()
    assert ended


async def _for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_what_runs_beside_ends_with_the_work() -> None:
    ended: list[str] = []

    async def work() -> int:
        await asyncio.sleep(0)
        return 5

    assert await with_beside(work(), [_for_ever(ended), _for_ever(ended)]) == 5
    assert ended == ["ended", "ended"]


async def test_an_error_beside_ends_the_work() -> None:
    ended: list[str] = []
    with pytest.raises(Broken):
        await with_beside(_for_ever(ended), [_broken(), _for_ever(ended)])
    assert ended == ["ended", "ended"]


async def test_an_error_of_the_work_ends_what_runs_beside() -> None:
    ended: list[str] = []
    with pytest.raises(Broken):
        await with_beside(_broken(), [_for_ever(ended)])
    assert ended == ["ended"]


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    ended: list[str] = []
    task = asyncio.create_task(with_beside(_for_ever(ended), [_for_ever(ended)]))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended", "ended"]


async def test_to_the_end_even_if_it_is_cancelled_twice() -> None:
    """A second Ctrl-C is a second cancellation: the answer of what was sent is waited for."""
    heard: list[str] = []
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        heard.append("answer")

    waiting = asyncio.create_task(to_the_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert heard == ["answer"]


async def test_what_failed_under_a_cancellation_is_its_cause() -> None:
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise OSError("the disk")

    waiting = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await waiting
    assert isinstance(caught.value.__cause__, OSError)
