"""What a versioned bucket keeps besides its objects: noncurrent versions and delete markers.

By version id only what is our own is removed: a marker, and all there ever was of a scratch object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
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
from s3gc_core.errors import RightMissing, S3gcError
from s3gc_core.parallel import in_parallel

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


@dataclass(slots=True)
class _Kept:
    """What a bucket keeps of one key, by version id; `sizes` in bytes are those of the versions."""

    versions: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)


async def remove_scratch(
    connection: Connection, prefix: str, is_ours: Callable[[str, Sequence[int]], bool]
) -> dict[str, str]:
    """See `Bucket.remove_scratch`."""
    kept: dict[str, _Kept] = {}
    async for page in _pages(connection, f"listing the versions below {prefix!r}", Prefix=prefix):
        for entry in page.get("Versions", []):
            of_key = kept.setdefault(entry["Key"], _Kept())
            of_key.versions.append(entry["VersionId"])
            of_key.sizes.append(entry["Size"])
        for entry in page.get("DeleteMarkers", []):
            kept.setdefault(entry["Key"], _Kept()).markers.append(entry["VersionId"])
    at_once = asyncio.Semaphore(connection.max_concurrency)

    async def remove(key: str, version: str) -> None:
        with store_errors(f"removing version {version!r} of {key!r}"):
            await connection.s3.delete_object(Bucket=connection.bucket, Key=key, VersionId=version)

    async def remove_all(key: str, of_key: _Kept) -> tuple[str, str] | None:
        async with at_once:
            try:
                # A marker goes last: before the versions it hides, it would bring one back.
                for version in (*of_key.versions, *of_key.markers):
                    await remove(key, version)
            except S3gcError as error:
                return key, error.what
        return None

    ours = [(key, of_key) for key, of_key in kept.items() if is_ours(key, of_key.sizes)]
    failed = await in_parallel(remove_all(key, of_key) for key, of_key in ours)
    return dict(one for one in failed if one is not None)


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
