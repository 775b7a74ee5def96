"""Running coroutines: several at a time with one error coming out as itself, one with others beside
it, one to its end, or one behind what its caller does meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Self, TypeVar

T = TypeVar("T")


async def in_parallel(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all and return their results in order.

    The first error cancels the others, waits for them, and is raised as it was (a task group
    would wrap it).
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def with_beside(
    main: Coroutine[Any, Any, T], beside: Iterable[Coroutine[Any, Any, None]]
) -> T:
    """Await `main`; what goes on for ever `beside` it is cancelled then.

    An error of either ends all, and is raised as it was: nothing beside dies unnoticed.
    """
    first = asyncio.ensure_future(main)
    others = [asyncio.ensure_future(coroutine) for coroutine in beside]
    try:
        await asyncio.wait([first, *others], return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            if other.done():
                other.result()
        return await first
    finally:
        for task in (first, *others):
            task.cancel()
        await asyncio.gather(first, *others, return_exceptions=True)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even if we are cancelled, however often; the cancellation follows
    afterwards, with the error of `work`, if any, as its cause.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        while not task.done():
            # Who presses Ctrl-C once more is not answered sooner: what was sent has to be heard of.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise cancelled from error
        raise


class Behind:
    """Pieces of work of which one is under way while the caller prepares the next.

    `async with Behind() as writing: ... await writing.put(write(page))`. Leaving the block waits
    for the last piece.
    """

    def __init__(self) -> None:
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ended()

    async def put(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` once the piece before it has ended; raises what that piece raised."""
        try:
            await self._ended()
        except BaseException:
            work.close()
            raise
        self._work = asyncio.create_task(work)

    async def _ended(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            await work
