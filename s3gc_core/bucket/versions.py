"""What a versioned bucket keeps besides its objects: noncurrent versions and delete markers.

A marker is the one thing here that may be removed by its version id, and only one of our own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import code_of, status_of, store_errors
from s3gc_core.bucket.listing import ListingIncomplete
from s3gc_core.bucket.objects import (
    NULL_VERSION,
    BucketVersioning,
    ObjectState,
    OldVersions,
    Versioning,
)
from s3gc_core.bucket.reading import state_of
from s3gc_core.errors import RightMissing

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection

_MARKERS = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}


async def versioning(connection: Connection) -> BucketVersioning:
    """See `Bucket.versioning`."""
    name = connection.bucket
    with store_errors(f"asking for the versioning of bucket {name!r}"):
        try:
            answer: Any = await connection.s3.get_bucket_versioning(Bucket=name)
        except ClientError as error:
            if status_of(error) == 501 or code_of(error) == "NotImplemented":
                return BucketVersioning(Versioning.DISABLED)
            if code_of(error) == "AccessDenied":
                raise RightMissing(
                    f"s3:GetBucketVersioning on bucket {name!r} is missing"
                ) from error
            raise
    status = Versioning(answer.get("Status", "disabled").lower())
    return BucketVersioning(status, mfa_delete=answer.get("MFADelete") == "Enabled")


async def old_versions(connection: Connection) -> OldVersions:
    """Count them over the whole bucket (ListObjectVersions, S3 API reference).

    Raises `BucketUnreachable`, `ListingIncomplete` where a page does not say how to go on.
    """
    found = OldVersions()
    async for page in _pages(connection, f"listing the versions of bucket {connection.bucket!r}"):
        for entry in page.get("Versions", []):
            if not entry["IsLatest"]:
                found.versions += 1
                found.size += entry["Size"]
        found.delete_markers += len(page.get("DeleteMarkers", []))
    return found


async def hidden_version(connection: Connection, key: str, marker: str) -> ObjectState | None:
    """See `Bucket.hidden_version`."""
    # The null marker's id is that of any object written in its place a moment later.
    if marker == NULL_VERSION:
        return None
    versions: list[dict[str, Any]] = []
    markers: list[dict[str, Any]] = []
    async for page in _pages(connection, f"listing the versions of {key!r}", Prefix=key):
        versions += [entry for entry in page.get("Versions", []) if entry["Key"] == key]
        markers += [entry for entry in page.get("DeleteMarkers", []) if entry["Key"] == key]
    uncovered = uncovered_by(marker, versions, markers)
    if uncovered is None:
        return None
    with store_errors(f"looking at version {uncovered!r} of {key!r}", key=key, reading=True):
        answer: Any = await connection.s3.head_object(
            Bucket=connection.bucket, Key=key, VersionId=uncovered
        )
    # The part size only shows in the ETag, which is compared.
    return state_of(key, answer, None)


def uncovered_by(
    marker: str, versions: list[dict[str, Any]], markers: list[dict[str, Any]]
) -> str | None:
    """The version that would be current without this marker; None where that is in any doubt.

    `versions` and `markers` are those of one key, newest first, as S3 lists them.
    """
    if [entry["VersionId"] for entry in markers if entry["IsLatest"]] != [marker]:
        return None
    if not versions or any(entry["IsLatest"] for entry in versions):
        return None
    newest = versions[0]["LastModified"]
    if any(entry["LastModified"] > newest for entry in versions):
        return None
    # The answer does not say in which order markers and versions lie: by their dates, to a second.
    others = [entry for entry in markers if entry["VersionId"] != marker]
    if any(entry["LastModified"] >= newest for entry in others):
        return None
    return str(versions[0]["VersionId"])


async def remove_marker(connection: Connection, key: str, marker: str) -> None:
    """See `Bucket.remove_marker`."""
    if not marker or marker == NULL_VERSION:
        raise ValueError("only a marker with a version id of its own is ever removed")
    with store_errors(f"removing the delete marker of {key!r}", key=key):
        await connection.s3.delete_object(Bucket=connection.bucket, Key=key, VersionId=marker)


async def _pages(
    connection: Connection, doing: str, **request: Any
) -> AsyncIterator[dict[str, Any]]:
    after: dict[str, Any] = {}
    while True:
        with store_errors(doing):
            page: Any = await connection.s3.list_object_versions(
                Bucket=connection.bucket, **request, **after
            )
        yield page
        if not page.get("IsTruncated"):
            return
        before = after
        after = {name: page[of] for name, of in _MARKERS.items() if page.get(of)}
        if not after or after == before:
            raise ListingIncomplete("a page of the versions says there is more, but not where")
