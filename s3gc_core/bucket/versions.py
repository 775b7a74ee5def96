"""What a versioned bucket keeps besides its objects: noncurrent versions and delete markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gc_core.bucket.failures import store_errors
from s3gc_core.bucket.listing import ListingIncomplete
from s3gc_core.bucket.objects import OldVersions

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

_MARKERS = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}


async def old_versions(connection: Connection) -> OldVersions:
    """Count them over the whole bucket (ListObjectVersions, S3 API reference).

    Raises `BucketUnreachable`, `ListingIncomplete` where a page does not say how to go on.
    """
    found = OldVersions()
    markers: Any = {}
    while True:
        with store_errors(f"listing the versions of bucket {connection.bucket!r}"):
            page: Any = await connection.s3.list_object_versions(
                Bucket=connection.bucket, **markers
            )
        for entry in page.get("Versions", []):
            if not entry["IsLatest"]:
                found.versions += 1
                found.size += entry["Size"]
        found.delete_markers += len(page.get("DeleteMarkers", []))
        if not page.get("IsTruncated"):
            return found
        after = {name: page[of] for name, of in _MARKERS.items() if page.get(of)}
        if not after or after == markers:
            raise ListingIncomplete("a page of the versions says there is more, but not where")
        markers = after
