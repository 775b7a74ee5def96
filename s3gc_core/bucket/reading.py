"""Reading one object: its state, its bytes, its tags, bound to the ETag that was asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3gc_core.bucket.failures import (
    ObjectGone,
    ObjectUnreadable,
    StoreFailed,
    code_of,
    status_of,
    store_errors,
)
from s3gc_core.bucket.objects import ObjectHeaders, ObjectState
from s3gc_core.errors import BucketUnreachable

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection
    from s3gc_core.bucket.pace import Pace

MIB = 1 << 20
# First parts of the usual uploaders, likeliest first: boto3 and aws-cli, rclone, MinIO, s5cmd ...
USUAL_PART_SIZES = tuple(n * MIB for n in (8, 5, 16, 50, 64, 10, 15, 32, 100, 128, 256, 512))
_MULTIPART_ETAG = re.compile(r'-(\d+)"?$')


class ObjectBody:
    """An object being read. `state` is that of exactly these bytes."""

    def __init__(self, state: ObjectState, stream: Any, pace: Pace) -> None:
        self.state = state
        self._stream = stream
        self._pace = pace

    async def chunks(self, size: int = MIB) -> AsyncIterator[bytes]:
        """Yield the bytes once, in pieces of at most `size` bytes.

        Raises `BucketUnreachable` when the body ends early or the connection breaks.
        """
        key, seen = self.state.key, 0
        while True:
            with store_errors(f"reading {key!r}", key=key, reading=True):
                chunk: bytes = await self._stream.read(size)
            if not chunk:
                break
            seen += len(chunk)
            await self._pace.body(len(chunk))
            yield chunk
        if seen != self.state.size:
            raise BucketUnreachable(
                f"reading {key!r}: the store sent {seen} of {self.state.size} bytes"
            )


@asynccontextmanager
async def read(connection: Connection, key: str, if_match: str) -> AsyncIterator[ObjectBody]:
    """GET the object if its ETag is `if_match`.

    Raises `ObjectChanged`, `ObjectGone`, `ObjectUnreadable`, `BucketUnreachable`.
    """
    # Before the GET: two requests at once for one object could use up the pool and wait forever.
    first = await first_part(connection, key, if_match)
    with store_errors(f"reading {key!r}", key=key, reading=True):
        answer = await connection.send("GetObject", Key=key, IfMatch=if_match)
    async with answer["Body"] as stream:
        # x-amz-missing-meta: metadata that the protocol could not carry would be lost for good.
        if answer.get("MissingMeta"):
            raise ObjectUnreadable(
                f"reading {key!r}: the store hides {answer['MissingMeta']} metadata entries"
            )
        yield ObjectBody(state_of(key, answer, first), stream, connection.pace)


async def head(connection: Connection, key: str) -> ObjectState | None:
    """The current object's state, or None where there is none.

    Raises `ObjectUnreadable`, `BucketUnreachable`; `ObjectChanged` when a multipart object is
    replaced in the middle of it.
    """
    answer = await _head(connection, key)
    if answer is None:
        return None
    return state_of(key, answer, await first_part(connection, key, answer.get("ETag", "")))


async def glance(connection: Connection, key: str) -> ObjectState | None:
    """As `head`, by one request only and so without the part size: for who must not lose time."""
    answer = await _head(connection, key)
    return None if answer is None else state_of(key, answer, None)


async def _head(connection: Connection, key: str) -> dict[str, Any] | None:
    try:
        with store_errors(f"looking at {key!r}", key=key, reading=True):
            return await connection.send("HeadObject", Key=key)
    except ObjectGone:
        return None


async def tags(connection: Connection, key: str) -> dict[str, str]:
    """The object's tags. A store that knows no tags (501) has none.

    Raises `ObjectGone`, `ObjectUnreadable`, `BucketUnreachable`, `StoreFailed` for an empty answer.
    """
    with store_errors(f"reading the tags of {key!r}", key=key, reading=True):
        try:
            answer = await connection.s3.get_object_tagging(Bucket=connection.bucket, Key=key)
        except ClientError as error:
            if status_of(error) == 501 or code_of(error) == "NotImplemented":
                return {}
            raise
    if "TagSet" not in answer:
        raise StoreFailed(f"reading the tags of {key!r}: the answer holds none, not even no tags")
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def state_of(key: str, answer: dict[str, Any], first: int | None) -> ObjectState:
    """The state that a GET or HEAD answer describes; `first` is what `first_part` found.

    Raises `StoreFailed` if the answer names no ETag, length or date.
    """
    if not answer.get("ETag") or "ContentLength" not in answer or "LastModified" not in answer:
        raise StoreFailed(f"looking at {key!r}: the answer lacks ETag, length or date")
    return ObjectState(
        key=key,
        etag=answer["ETag"],
        size=answer["ContentLength"],
        last_modified=answer["LastModified"],
        version_id=answer.get("VersionId"),
        tag_count=answer.get("TagCount", 0),
        headers=ObjectHeaders(
            content_type=answer.get("ContentType"),
            cache_control=answer.get("CacheControl"),
            content_disposition=answer.get("ContentDisposition"),
            content_encoding=answer.get("ContentEncoding"),
            content_language=answer.get("ContentLanguage"),
            expires=answer.get("ExpiresString"),
            website_redirect=answer.get("WebsiteRedirectLocation"),
            metadata=dict(answer.get("Metadata", {})),
            storage_class=answer.get("StorageClass") or "STANDARD",
            encryption=answer.get("ServerSideEncryption"),
            encryption_key_id=answer.get("SSEKMSKeyId"),
            part_size=part_size(answer["ETag"], answer["ContentLength"], first),
        ),
    )


async def first_part(connection: Connection, key: str, etag: str) -> int | None:
    """Bytes of the first part of a multipart object; None for others, or if the store won't say."""
    if parts_of(etag) < 2:
        return None
    with store_errors(f"looking at {key!r}", key=key, reading=True):
        try:
            answer = await connection.s3.head_object(
                Bucket=connection.bucket, Key=key, PartNumber=1, IfMatch=etag
            )
        except ClientError as error:
            if status_of(error) in (400, 416, 501):
                return None
            raise
    return answer.get("ContentLength")


def parts_of(etag: str) -> int:
    """How many parts an ETag ending in `-N` speaks of; 0 for an object that was put in one."""
    found = _MULTIPART_ETAG.search(etag)
    return int(found[1]) if found else 0


def part_size(etag: str, size: int, first: int | None) -> int | None:
    """The part size in bytes that gives the same `-N` ETag again; None for a plain object.

    A store that ignores PartNumber answers with the whole length; then the usual sizes are tried
    against the number of parts. A wrong guess changes the ETag of a restore, never its bytes.
    """
    parts = parts_of(etag)
    if parts == 0:
        return None
    if parts == 1:
        return max(size, 1)
    return first if first is not None and 0 < first < size else likely_part_size(size, parts)


def likely_part_size(size: int, parts: int) -> int:
    """A part size in bytes that cuts `size` bytes into `parts` parts, a usual one if any does."""
    even = max(-(-size // max(parts, 1)), 1)
    whole_mib = -(-even // MIB) * MIB
    for candidate in (*USUAL_PART_SIZES, whole_mib):
        if -(-size // candidate) == parts:
            return candidate
    return even
