"""Reading an object for a preview: never more than a preview may cost."""

from __future__ import annotations

from typing import Protocol

from s3gc_core.bucket import Bucket, ObjectState

# What is read from the bucket at most.
MOST_BYTES = 20 << 20


class Objects(Protocol):
    """Where a preview gets its object."""

    async def object_state(self, key: str) -> ObjectState | None:
        """What lives at the key; None where nothing does. Raises what the store raises."""
        ...

    async def object_bytes(self, state: ObjectState, limit: int) -> bytes:
        """The first `limit` bytes of exactly that object. Raises what the store raises."""
        ...


class BucketObjects:
    """The objects of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def object_state(self, key: str) -> ObjectState | None:
        """What lives at the key; None where nothing does."""
        return await self._bucket.head(key)

    async def object_bytes(self, state: ObjectState, limit: int) -> bytes:
        """The first `limit` bytes of exactly that object; what lies behind them is not read."""
        found = bytearray()
        async with self._bucket.read(state.key, if_match=state.etag) as body:
            async for chunk in body.chunks():
                found += chunk
                if len(found) >= limit:
                    break
        return bytes(found[:limit])
