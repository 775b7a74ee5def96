"""Work behind the caller: one piece at a time, and no error is lost."""

from __future__ import annotations

import asyncio

import pytest

from s3gc_core.parallel import Behind


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
