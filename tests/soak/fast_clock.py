"""A time line on which a day passes every second: for our clock, and for what a store and a
database say of their own times.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest

from s3gc_core.bucket import Bucket, DeleteResult, ListedObject, ObjectState
from s3gc_core.bucket.reading import ObjectBody
from s3gc_core.clock import utc_now
from s3gc_core.databases.mysql import MysqlDatabase
from s3gc_core.databases.postgres import PostgresDatabase

DAYS_A_SECOND = 1
_SPEED = 86_400 * DAYS_A_SECOND


class FastClock:
    """Real time since `began`, many times as fast. The floor of 24 hours is a real second then."""

    def __init__(self, began: datetime) -> None:
        self.began = began

    def of(self, real: datetime) -> datetime:
        """The moment of this time line at a real moment."""
        return self.began + (real - self.began) * _SPEED

    def real(self, moment: datetime) -> datetime:
        """The real moment of one on this time line."""
        return self.began + (moment - self.began) / _SPEED

    def now(self) -> datetime:
        """Now, on this time line."""
        return self.of(utc_now())

    def bucket_now(self, server_date: datetime) -> datetime:
        """The same: the store runs on this machine, and its `Date` knows whole seconds only."""
        return self.now()


@contextmanager
def living_fast(clock: FastClock) -> Iterator[None]:
    """As long as the block lasts, objects and transactions are dated on the clock's time line.

    A store dates by whole seconds: an object looks up to a second older than it is.
    """
    list_pages, head, read = Bucket.list_pages, Bucket.head, Bucket.read
    look_again = Bucket.look_again

    def moved(entry: Any) -> Any:
        return msgspec.structs.replace(entry, last_modified=clock.of(entry.last_modified))

    async def listed(
        self: Bucket, prefix: str = "", after: str = ""
    ) -> AsyncIterator[list[ListedObject]]:
        async for page in list_pages(self, prefix, after):
            yield [moved(entry) for entry in page]

    async def headed(self: Bucket, key: str) -> ObjectState | None:
        state = await head(self, key)
        return state and moved(state)

    async def looked(self: Bucket, read: Mapping[str, ObjectState]) -> dict[str, DeleteResult]:
        told = {
            key: msgspec.structs.replace(state, last_modified=clock.real(state.last_modified))
            for key, state in read.items()
        }
        return await look_again(self, told)

    @asynccontextmanager
    async def reading(self: Bucket, key: str, if_match: str) -> AsyncIterator[ObjectBody]:
        async with read(self, key, if_match) as body:
            body.state = moved(body.state)
            yield body

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "list_pages", listed)
        patch.setattr(Bucket, "head", headed)
        patch.setattr(Bucket, "look_again", looked)
        patch.setattr(Bucket, "read", reading)
        for engine in (PostgresDatabase, MysqlDatabase):
            patch.setattr(engine, "oldest_transaction", _dated(engine, clock))
        yield


def _dated(engine: Any, clock: FastClock) -> Any:
    oldest_transaction = engine.oldest_transaction

    async def dated(self: Any) -> datetime | None:
        since = await oldest_transaction(self)
        return since and clock.of(since)

    return dated
