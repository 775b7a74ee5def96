"""The complete listing of a bucket, or an exception: never a part that looks like the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from s3gc_core import log
from s3gc_core.bucket.failures import StoreFailed, store_errors
from s3gc_core.bucket.objects import ListedObject
from s3gc_core.errors import BucketUnreachable, GuardBlocked

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

GUARD = "listing-incomplete"


class ListingIncomplete(GuardBlocked):
    """A page of the listing contradicts itself, so objects may be missing from it."""

    why = "a listing with holes would misjudge what it does not show"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{GUARD}: {what}",
            [GUARD],
            next_step="scan again; if it stays, the store (or a proxy before it) lists wrongly",
        )


async def list_pages(
    connection: Connection, prefix: str = "", after: str = ""
) -> AsyncIterator[list[ListedObject]]:
    """Yield every object under `prefix`, page by page, in the store's own order.

    With `after` only keys that follow it, for whoever may miss some: not every store keeps to that.

    Only an iteration that ends without an exception was complete. Raises `ListingIncomplete`
    where a page contradicts itself or another one, `BucketUnreachable` where the store stops
    answering.
    """
    seen_tokens: set[int] = set()
    seen_pages: set[int] = set()
    token: str | None = None
    last, began = "", None
    while True:
        request: dict[str, Any] = {"StartAfter": after} if after else {}
        if token is not None:
            request = {"ContinuationToken": token}
        page = await _page(connection, prefix, **request)
        listed = check_page(page, prefix)
        began = began or _date(page)
        if listed:
            if hash(listed[0].key) in seen_pages:
                raise ListingIncomplete("two pages begin with the same key")
            seen_pages.add(hash(listed[0].key))
            last = max(last, max(item.key for item in listed))
        yield listed
        if not page["IsTruncated"]:
            break
        token = str(page["NextContinuationToken"])
        # 64-bit hashes: a collision could only raise a false alarm.
        if hash(token) in seen_tokens:
            raise ListingIncomplete("the store gave the same continuation token twice")
        seen_tokens.add(hash(token))
    if last and not prefix and not after:
        await _look_behind(connection, last, began)


async def _page(connection: Connection, prefix: str, **request: Any) -> dict[str, Any]:
    try:
        with store_errors(f"listing bucket {connection.bucket!r}"):
            answer: Any = await connection.s3.list_objects_v2(
                Bucket=connection.bucket, Prefix=prefix, **request
            )
    except StoreFailed as error:
        raise ListingIncomplete(error.what) from error
    return dict(answer)


async def _look_behind(connection: Connection, last: str, began: datetime | None) -> None:
    """Ask for what comes after the greatest key: a listing that was cut short has more there.

    What was uploaded since the listing `began` is no sign of that. Nothing there proves nothing:
    some stores drop keys after a StartAfter (notes on S3), or do not know it.
    """
    try:
        page = await _page(connection, "", StartAfter=last)
    except (ListingIncomplete, BucketUnreachable) as error:
        log.info("listing_end_not_asked", detail=error.what)
        return
    for item in check_page(page, ""):
        if item.key > last and (began is None or item.last_modified < began):
            raise ListingIncomplete(f"the listing ended before {item.key!r}, which is older")


def _date(page: dict[str, Any]) -> datetime | None:
    told = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return None if told is None else parsedate_to_datetime(told)


def check_page(page: dict[str, Any], prefix: str) -> list[ListedObject]:
    """The entries of one ListObjectsV2 answer. Raises `ListingIncomplete` if anything is off."""
    entries = page.get("Contents", [])
    if not isinstance(page.get("IsTruncated"), bool):
        raise ListingIncomplete("a page does not say whether it is the last one")
    if page["IsTruncated"] and not page.get("NextContinuationToken"):
        raise ListingIncomplete("a page says there is more, but not where")
    # KeyCount counts keys and common prefixes; we never ask for a delimiter.
    if page.get("CommonPrefixes"):
        raise ListingIncomplete("a page folds keys into prefixes, which was not asked for")
    if "KeyCount" in page and page["KeyCount"] != len(entries):
        raise ListingIncomplete(
            f"a page says it has {page['KeyCount']} keys and holds {len(entries)}"
        )
    listed = [_entry(entry) for entry in entries]
    if len({item.key for item in listed}) != len(listed):
        # Counted twice, it would also stand for one that is missing.
        raise ListingIncomplete("a page names a key twice")
    for item in listed:
        if not item.key.startswith(prefix):
            raise ListingIncomplete(f"{item.key!r} was listed under prefix {prefix!r}")
    return listed


def _entry(entry: dict[str, Any]) -> ListedObject:
    try:
        return ListedObject(
            key=entry["Key"],
            size=entry["Size"],
            etag=entry["ETag"],
            last_modified=entry["LastModified"],
            storage_class=entry.get("StorageClass") or "STANDARD",
        )
    except KeyError as missing:
        raise ListingIncomplete(f"an entry has no {missing.args[0]}") from missing
