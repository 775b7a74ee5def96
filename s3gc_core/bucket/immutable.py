"""Objects that are written once and never again: what a replica is made of.

Each goes in one request, bound to its SHA-256, and only where nothing lives at its key: multipart
uploads that complete over an existing object are common (notes on S3), so there are none here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any

from s3gc_core.bucket.failures import ObjectChanged, ObjectGone, StoreFailed, store_errors

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection


async def put_once(connection: Connection, key: str, data: bytes) -> bool:
    """Write an object, and return True once the store has it with this SHA-256.

    False where an object lives at the key already, whatever it holds. Raises `StoreFailed` where
    the store has it with other bytes.
    """
    said, md5 = await asyncio.to_thread(_sums, data)
    where: dict[str, Any] = {"Bucket": connection.bucket, "Key": key}
    try:
        with store_errors(f"writing {key!r}", key=key):
            answer = await connection.s3.put_object(
                Body=data, ContentMD5=md5, ChecksumSHA256=said, IfNoneMatch="*", **where
            )
    except ObjectChanged:
        return False
    told = answer.get("ChecksumSHA256")
    if told is None:
        # This store keeps no such checksum: then only the bytes themselves say what it has.
        found = await fetch(connection, key)
        told, _ = await asyncio.to_thread(_sums, found or b"")
    if told != said:
        raise StoreFailed(f"writing {key!r}: the store has other bytes than it was sent")
    return True


def _sums(data: bytes) -> tuple[str, str]:
    """SHA-256 and MD5, in base64. For a thread: of 8 MiB they take tens of milliseconds."""
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return sha256, base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


async def fetch(connection: Connection, key: str) -> bytes | None:
    """A whole object, in memory; None where there is none. Raises `ObjectUnreadable`."""
    try:
        with store_errors(f"reading {key!r}", key=key, reading=True):
            answer: Any = await connection.s3.get_object(Bucket=connection.bucket, Key=key)
            async with answer["Body"] as stream:
                data: bytes = await stream.read()
    except ObjectGone:
        return None
    if len(data) != answer["ContentLength"]:
        raise StoreFailed(f"reading {key!r}: {len(data)} of {answer['ContentLength']} bytes came")
    return data
