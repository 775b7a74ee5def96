"""A store may say Deleted and not delete: nothing is lost by it, but the log would be wrong."""

from __future__ import annotations

from collections.abc import Mapping

from s3gc_core import log
from s3gc_core.bucket import Bucket, ListingIncomplete, ObjectChanged, ObjectUnreadable

# So few are each looked at; of more the first and the last, and what a listing shows.
_LOOKED_AT = 8
# Objects deleted for each page that is listed behind them: one request in a hundred.
_PER_PAGE = 100


async def any_still_there(bucket: Bucket, deleted: Mapping[str, str]) -> bool:
    """Whether any of these keys, which are said to be deleted, has the object of its ETag still.

    Where other objects lie thick between them, a listing does not come to all, and those it does
    not come to are believed. Raises `BucketUnreachable`, and what a HEAD raises.
    """
    keys = list(deleted)
    if len(keys) > _LOOKED_AT:
        keys = [keys[0], keys[-1], *await _still_listed(bucket, deleted)]
    for key in dict.fromkeys(keys):
        try:
            state = await bucket.head(key)
        except (ObjectChanged, ObjectUnreadable) as error:
            # Another one came to the key: ours could be looked at.
            log.info("delete_not_looked_at", key=key, detail=error.what)
            continue
        if state is not None and state.etag == deleted[key]:
            return True
    return False


async def _still_listed(bucket: Bucket, deleted: Mapping[str, str]) -> list[str]:
    """Those that a listing of the stretch around them shows; it need not be up to date."""
    first, last = min(deleted), max(deleted)
    found: list[str] = []
    pages = max(1, len(deleted) // _PER_PAGE)
    try:
        async for page in bucket.list_pages(after=first[:-1]):
            found += [one.key for one in page if deleted.get(one.key) == one.etag]
            pages -= 1
            if not pages or all(one.key > last for one in page):
                break
    except ListingIncomplete as error:
        log.warning("deletes_not_looked_at", detail=error.what)
    return found
