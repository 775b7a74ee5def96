"""A store that lives on the world's time line: objects are dated when the world put them there.

The store itself only knows the real time. What it says about an object's age is moved by the days
that had been said to pass when the object was written; nothing else about it is touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from s3gc_core.bucket import Bucket, DeleteResult, ListedObject, ObjectHeaders, ObjectState
from s3gc_core.bucket.reading import ObjectBody
from s3gc_core.clock import ShiftedClock


@contextmanager
def dated(shifts: dict[str, timedelta], clock: ShiftedClock) -> Iterator[None]:
    """As long as the block lasts, `Bucket` dates objects by `shifts`, and notes its own writes."""
    list_pages, head, read, put = Bucket.list_pages, Bucket.head, Bucket.read, Bucket.put
    look_again = Bucket.look_again

    async def listed(
        self: Bucket, prefix: str = "", after: str = ""
    ) -> AsyncIterator[list[ListedObject]]:
        async for page in list_pages(self, prefix, after):
            yield [_moved(entry, shifts, clock) for entry in page]

    async def headed(self: Bucket, key: str) -> ObjectState | None:
        state = await head(self, key)
        return state and _moved(state, shifts, clock)

    async def looked(self: Bucket, read: Mapping[str, ObjectState]) -> dict[str, DeleteResult]:
        # As the store itself would have dated what was read.
        back = {key: -shifts.get(key, clock.shift) for key in read}
        told = {key: _moved(state, back, clock) for key, state in read.items()}
        return await look_again(self, told)

    @asynccontextmanager
    async def reading(self: Bucket, key: str, if_match: str) -> AsyncIterator[ObjectBody]:
        async with read(self, key, if_match) as body:
            body.state = _moved(body.state, shifts, clock)
            yield body

    async def putting(
        self: Bucket,
        key: str,
        source: AsyncIterable[bytes],
        size: int,
        headers: ObjectHeaders,
        *,
        if_match: str | None = None,
    ) -> str:
        etag = await put(self, key, source, size, headers, if_match=if_match)
        shifts[key] = clock.shift
        return etag

    with pytest.MonkeyPatch.context() as patch:
        for name, method in (
            ("list_pages", listed),
            ("head", headed),
            ("look_again", looked),
            ("read", reading),
            ("put", putting),
        ):
            patch.setattr(Bucket, name, method)
        yield


def _moved(entry: Any, shifts: Mapping[str, timedelta], clock: ShiftedClock) -> Any:
    moved = entry.last_modified + shifts.get(entry.key, clock.shift)
    return msgspec.structs.replace(entry, last_modified=moved)
