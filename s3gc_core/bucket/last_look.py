"""The look right before a delete: is each object the one that was read, and not only its bytes?

A delete is bound to the ETag, and the same bytes uploaded once more have the same one: their new
headers, and that they are young, would go unseen. Who names objects by their content uploads them
like that, and commits the row a moment later. The look makes that window as short as the requests
that follow it, and cannot close it.

What lies close together is looked at by listing it, which costs nothing that could be measured; a
HEAD for each object made collecting take half as long again (2,000 objects of 10 kB).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from s3gc_core import log
from s3gc_core.bucket.deleting import TOO_LATE, Window, is_worth_another_try
from s3gc_core.bucket.listing import list_pages
from s3gc_core.bucket.objects import DeleteOutcome, DeleteResult, ListedObject, ObjectState
from s3gc_core.bucket.reading import glance
from s3gc_core.errors import S3gcError

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection
    from s3gc_core.bucket.pace import Pace

# Nobody is looked at later than that: what was judged before the look does not last.
WITHIN_SECONDS = 5.0
# A page of a listing takes about as long as so many HEADs, of which many go side by side.
WORTH_A_PAGE = 50
GONE = "nothing was there right before the delete"


async def look_again(
    once: Connection, pace: Pace, read: Mapping[str, ObjectState]
) -> dict[str, DeleteResult]:
    """Why objects may not be deleted now; those that are missing here are as they were `read`.

    `read` holds the tags that were asked for in its headers. `once` sends every request once and
    waits for no pace; they are counted in `pace`. An error is a result. `undone`: not looked at, or
    in vain, and to be judged again.
    """
    window = Window(WITHIN_SECONDS)
    window.begin()
    left = dict(read)
    if len(left) > WORTH_A_PAGE:
        await _look_at_listing(once, pace, left, window)
    gate = asyncio.Semaphore(once.max_concurrency)

    async def look(state: ObjectState) -> DeleteResult | None:
        async with gate:
            if window.is_over():
                return DeleteResult(DeleteOutcome.FAILED, TOO_LATE, undone=True)
            pace.sent(1)
            return await _look(once, state)

    found = await asyncio.gather(*map(look, left.values()))
    return {key: why for key, why in zip(left, found, strict=True) if why is not None}


async def _look_at_listing(
    once: Connection, pace: Pace, left: dict[str, ObjectState], window: Window
) -> None:
    """Take out of `left` what a listing shows unchanged. What it does not show proves nothing."""
    pages = list_pages(once, after=min(left))
    try:
        pace.sent(1)
        async for page in pages:
            same = [one.key for one in page if is_listed_as(left.get(one.key), one)]
            for key in same:
                del left[key]
            if len(same) < WORTH_A_PAGE or len(left) <= WORTH_A_PAGE or window.is_over():
                break
            pace.sent(1)
    except S3gcError as error:
        log.info("last_look_by_listing_failed", detail=error.what)


async def _look(once: Connection, read: ObjectState) -> DeleteResult | None:
    try:
        now = await glance(once, read.key)
    except S3gcError as error:
        return DeleteResult(DeleteOutcome.FAILED, error.what, undone=is_worth_another_try(error))
    if now is None:
        return DeleteResult(DeleteOutcome.VANISHED, GONE)
    if names := changed_since(read, now):
        reason = f"right before the delete these differed from the backup: {', '.join(names)}"
        return DeleteResult(DeleteOutcome.CHANGED, reason)
    return None


def is_listed_as(read: ObjectState | None, listed: ListedObject) -> bool:
    """Whether a listing shows the object that was read. It says nothing about tags."""
    return (
        read is not None
        and not read.headers.tags
        and (listed.etag, listed.size) == (read.etag, read.size)
        and listed.storage_class == read.headers.storage_class
        and _second(listed.last_modified) == _second(read.last_modified)
    )


def changed_since(read: ObjectState, now: ObjectState) -> list[str]:
    """In what an object differs from what was read. Not every store counts tags at a HEAD: none
    says nothing.
    """
    before = _without_tags(read)
    after = _without_tags(now)
    differs = {
        "ETag": read.etag != now.etag,
        "size": read.size != now.size,
        "LastModified": _second(read.last_modified) != _second(now.last_modified),
        "version": read.version_id != now.version_id,
        "tags": now.tag_count not in (0, len(read.headers.tags)),
        "headers": before != after,
    }
    return [name for name, is_so in differs.items() if is_so]


def _without_tags(state: ObjectState) -> object:
    return msgspec.structs.replace(state.headers, tags={}, part_size=None)


def _second(moment: datetime) -> datetime:
    """A listing may tell more of a second than the headers do."""
    return moment.replace(microsecond=0)
