"""The complete listing of a bucket, or an exception: never a part that looks like the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from s3gc_core.bucket.failures import StoreFailed, store_errors
from s3gc_core.bucket.objects import ListedObject
from s3gc_core.errors import GuardBlocked

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


async def list_pages(connection: Connection, prefix: str = "") -> AsyncIterator[list[ListedObject]]:
    """Yield every object under `prefix`, page by page, in the store's own order.

    Only an iteration that ends without an exception was complete. Raises `ListingIncomplete`
    where a page contradicts itself, `BucketUnreachable` where the store stops answering.
    """
    doing = f"listing bucket {connection.bucket!r}"
    seen_tokens: set[int] = set()
    token: str | None = None
    while True:
        request: dict[str, Any] = {"Bucket": connection.bucket, "Prefix": prefix}
        if token is not None:
            request["ContinuationToken"] = token
        try:
            with store_errors(doing):
                page: Any = await connection.s3.list_objects_v2(**request)
        except StoreFailed as error:
            raise ListingIncomplete(error.what) from error
        yield check_page(page, prefix)
        if not page["IsTruncated"]:
            return
        token = str(page["NextContinuationToken"])
        # 64-bit hashes: a collision could only raise a false alarm.
        if hash(token) in seen_tokens:
            raise ListingIncomplete("the store gave the same continuation token twice")
        seen_tokens.add(hash(token))


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
