"""Before the first backup: which objects of a plan are no longer what was approved.

Cheap, and not the last word: each batch is read, judged and deleted by its ETags all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice

from s3gc_core.bucket import Bucket, ObjectChanged, ObjectUnreadable
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import Outcome, Result

# Objects asked for between two safe points, and what a page of a listing holds.
PAGE = 1_000
# So many HEADs are worth a page of a listing: they cost a tenth each, and go side by side.
HEADS_PER_PAGE = 10


async def drifted(
    bucket: Bucket,
    planned: Mapping[str, str],
    *,
    listed: int,
    concurrency: int,
    between: Callable[[int], Awaitable[None]],
) -> list[Result]:
    """Results of the planned objects (key to ETag) that changed or vanished.

    `listed` is about how many objects the bucket has. `between` is awaited between two pages with
    the number of objects that are known; it may raise. Raises what a listing raises.
    """
    doubtful = dict(planned)
    if len(planned) > HEADS_PER_PAGE * -(-listed // PAGE):
        async for page in bucket.list_pages(_folder_around(planned)):
            for one in page:
                if doubtful.get(one.key) == one.etag:
                    del doubtful[one.key]
            await between(len(planned) - len(doubtful))
    # A listing that lacks an object proves nothing: it is asked for by its name.
    return await _looked_at(bucket, doubtful, len(planned), concurrency, between)


async def _looked_at(
    bucket: Bucket,
    doubtful: Mapping[str, str],
    planned: int,
    concurrency: int,
    between: Callable[[int], Awaitable[None]],
) -> list[Result]:
    at_once = asyncio.Semaphore(concurrency)
    unserved = Unserved(bucket)

    async def look(key: str, etag: str) -> Result | None:
        async with at_once:
            try:
                found = await _look(bucket, key, etag)
            except OF_ONE_OR_OF_ALL as error:
                await unserved.excuse(error)
                return None  # its backup will say why
            unserved.served()
            return found

    found: list[Result] = []
    left, rest = len(doubtful), iter(doubtful.items())
    while page := list(islice(rest, PAGE)):
        results = await in_parallel(look(key, etag) for key, etag in page)
        found += [result for result in results if result is not None]
        left -= len(page)
        await between(planned - left)
    return found


async def _look(bucket: Bucket, key: str, etag: str) -> Result | None:
    try:
        state = await bucket.head(key)
    except ObjectChanged as error:
        return Result(key, Outcome.CHANGED, error.what)
    except ObjectUnreadable:
        return None  # its backup will say why
    if state is None:
        return Result(key, Outcome.VANISHED, "gone since the plan was made")
    if state.etag.strip('"') != etag.strip('"'):
        return Result(key, Outcome.CHANGED, "overwritten since the plan was made")
    return None


def _folder_around(keys: Mapping[str, str]) -> str:
    """The innermost folder that holds all keys; empty: the whole bucket."""
    first, last = min(keys), max(keys)
    common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: first.rfind("/", 0, common) + 1]
