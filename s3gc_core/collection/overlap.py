"""Working one batch ahead: the next one is backed up while a batch is judged again and deleted.

A backup made ahead is nothing but bytes in the vault: its intents are recorded, and its batch is
judged, only when its turn has come. What never has its turn is a stray, and tidied as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Self

from s3gc_core import log
from s3gc_core.clock import Clock
from s3gc_core.collection.backup import Backups
from s3gc_core.judgement import PlanItem

Batch = Sequence[PlanItem]

# A finished backup that had to wait longer for its turn is made anew. The delete is bound to the
# ETag, which does not tell the same bytes uploaded once more: that window has to stay short.
LASTS = timedelta(seconds=60)


async def batches(
    pages: AsyncIterable[Batch], finished: frozenset[str], *, objects: int, size: int
) -> AsyncIterator[tuple[Batch, Batch]]:
    """What is left of a plan in batches of so many objects and bytes at most, each with the one
    that follows it (empty after the last). An object larger than `size` is a batch of its own.
    """
    batch: list[PlanItem] = []
    before: list[PlanItem] = []
    bytes_ = 0
    async for page in pages:
        for item in page:
            if item.key in finished:
                continue
            if batch and (len(batch) >= objects or bytes_ + item.size > size):
                if before:
                    yield before, batch
                before, batch, bytes_ = batch, [], 0
            batch.append(item)
            bytes_ += item.size
    if before:
        yield before, batch
    if batch:
        yield batch, []


def is_fresh(finished: datetime, now: datetime) -> bool:
    """Whether what was backed up by `finished` may still stand for its objects; UTC.

    A clock that went back tells nothing.
    """
    return timedelta(0) <= now - finished <= LASTS


class Ahead:
    """At most one batch being backed up, or waiting for its turn. `async with Ahead(...) as ahead`.

    `forget` gives up backups that waited too long. Leaving the block ends what is under way.
    """

    def __init__(
        self,
        clock: Clock,
        back_up: Callable[[Batch], Awaitable[Backups]],
        forget: Callable[[Backups], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._back_up = back_up
        self._forget = forget
        self._work: asyncio.Task[tuple[Backups, datetime]] | None = None
        self._batch: Batch = ()
        self._pays = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            # What it raised is of a batch that has not had its turn: nobody is owed it.
            await asyncio.gather(work, return_exceptions=True)

    def begin(self, batch: Batch) -> None:
        """Start to back up `batch`, unless it is empty, or earlier ones had to be made twice."""
        if self._work is not None:
            raise ValueError("one batch ahead is all there may be")
        if batch and self._pays:
            self._batch = batch
            self._work = asyncio.create_task(self._timed(batch))

    async def turn_of(self, batch: Batch) -> Backups:
        """The backups of `batch`, whose turn it is; raises what making them raised."""
        if self._work is None:
            return await self._back_up(batch)
        if self._batch is not batch:
            raise ValueError("another batch was begun")
        backups, finished = await self._work
        self._work = None
        if is_fresh(finished, self._clock.now()):
            return backups
        self._pays = False
        log.warning("backups_made_ahead_too_old", objects=len(backups.intents))
        await self._forget(backups)
        again = {intent.key for intent in backups.intents}
        anew = await self._back_up([item for item in batch if item.key in again])
        return Backups(
            anew.intents,
            [*backups.results, *anew.results],
            [*backups.alarms, *anew.alarms],
            backups.remarks | anew.remarks,
        )

    async def _timed(self, batch: Batch) -> tuple[Backups, datetime]:
        return await self._back_up(batch), self._clock.now()
