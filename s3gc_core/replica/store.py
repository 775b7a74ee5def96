"""A replica's bucket: objects that are written once, and heads that are found by their numbers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from s3gc_core.bucket import Bucket
from s3gc_core.clock import Clock
from s3gc_core.config import Config, ReplicaConfig, RequestPayer
from s3gc_core.errors import ConfigurationError, NoReplica, Problem, ReplicaAltered, ReplicaUnsafe
from s3gc_core.replica.contents import (
    HEADS,
    MARK,
    Head,
    Mark,
    Piece,
    Segment,
    decoded,
    head_name,
    head_number,
    sha256_of,
)

# Written once by the doctor. No head names it, so it counts for nothing.
PROBE = "probe.txt"
_PROBE_BODY = b"s3gc asks whether this store writes over what is there.\n"


def replica_of(config: Config) -> ReplicaConfig:
    """The configured replica. Raises `NoReplica`."""
    if config.replica is None:
        raise NoReplica("no replica is configured")
    return config.replica


def replica_id(config: Config) -> str:
    """What tells one replica from another: store, bucket and prefix."""
    replica = replica_of(config)
    return f"{replica.endpoint_url or replica.region}/{replica.bucket}/{replica.prefix}"


class ReplicaStore:
    """One replica, opened. Every method raises `BucketUnreachable`, `StoreFailed`."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self.bucket = bucket
        self._prefix = prefix

    async def put(self, name: str, data: bytes) -> None:
        """Write an object, or see that it is there with the same bytes: a retry is harmless.

        Raises `ReplicaAltered` where it holds other bytes.
        """
        if await self.bucket.put_once(self._prefix + name, data):
            return
        if await self.bucket.fetch(self._prefix + name) != data:
            raise ReplicaAltered(f"{name} in the replica holds other bytes than were shipped")

    async def keeps_what_is_there(self) -> bool:
        """Whether it can be written, and does not write over an object: shown with one of our own,
        which stays. Raises `StoreFailed`, `BucketUnreachable`.
        """
        key = self._prefix + PROBE
        await self.bucket.put_once(key, _PROBE_BODY)
        return not await self.bucket.put_once(key, _PROBE_BODY)

    async def find(self, name: str) -> bytes | None:
        """An object, or None."""
        return await self.bucket.fetch(self._prefix + name)

    async def get(self, of: Piece | Segment) -> bytes:
        """What a head names, compared by its SHA-256. Raises `ReplicaAltered`."""
        data = await self.find(of.key)
        if data is None:
            raise ReplicaAltered(f"{of.key} is missing in the replica")
        if await asyncio.to_thread(sha256_of, data) != of.sha256:
            raise ReplicaAltered(f"{of.key} in the replica holds other bytes than were shipped")
        return data

    async def mark(self) -> Mark | None:
        """Which vault it is a replica of; None where nothing was ever shipped."""
        data = await self.find(MARK)
        return None if data is None else decoded(data, Mark, MARK)

    async def bind(self, mark: Mark, data: bytes, source: Bucket) -> None:
        """Make it the replica of this vault.

        Raises `ReplicaAltered` where it is that of another, `ReplicaUnsafe` where its store writes
        over what is there, or where it lies in the bucket `source` that is kept clean.
        """
        there = await self.mark()
        if there is None:
            await self.put(MARK, data)
            if await self.bucket.put_once(self._prefix + MARK, data):
                raise ReplicaUnsafe("the replica's store ignores If-None-Match: * on writing")
            if await source.fetch(self._prefix + MARK) == data:
                raise ReplicaUnsafe("the replica lies in the bucket that is kept clean")
        elif there != mark:
            raise ReplicaAltered("the replica is that of another vault")

    async def newest(self, known: int) -> int:
        """The number of the newest head, at least `known`; 0 where there is none.

        Raises `ReplicaAltered` where the head `known` is gone.
        """
        if known and not await self._has(known):
            raise ReplicaAltered(f"head {known} in the replica was acknowledged, and is gone")
        # Heads leave no number out: about 2 log2(n) questions, and as a rule one.
        low, step = known, 1
        while await self._has(low + step):
            low, step = low + step, 2 * step
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            if await self._has(middle):
                low = middle
            else:
                high = middle
        return low

    async def newest_of_all(self, known: int) -> int:
        """As `newest`, by a listing of all heads: none before it may be gone either.

        Raises `ReplicaAltered`, `ListingIncomplete`.
        """
        numbers: set[int] = set()
        async for page in self.bucket.list_pages(self._prefix + HEADS):
            found = (head_number(entry.key.removeprefix(self._prefix)) for entry in page)
            numbers.update(number for number in found if number)
        newest = max(numbers, default=0)
        if newest < known:
            raise ReplicaAltered(f"head {known} in the replica was acknowledged, and is gone")
        if len(numbers) < newest:
            gone = min(set(range(1, newest)) - numbers)
            raise ReplicaAltered(f"{head_name(gone)} is missing in the replica")
        return newest

    async def count(self) -> int:
        """How many heads there are, by a listing: for who reads them all, and so finds the one
        that is missing in between. Raises `ListingIncomplete`.
        """
        pages = self.bucket.list_pages(self._prefix + HEADS)
        return sum([len(page) async for page in pages])

    async def head(self, number: int) -> tuple[Head, str]:
        """A head, and the SHA-256 of its bytes. Raises `ReplicaAltered`."""
        name = head_name(number)
        data = await self.find(name)
        if data is None:
            raise ReplicaAltered(f"{name} is missing in the replica")
        head = decoded(data, Head, name)
        if head.number != number:
            raise ReplicaAltered(f"{name} in the replica says it is number {head.number}")
        return head, await asyncio.to_thread(sha256_of, data)

    async def _has(self, number: int) -> bool:
        return await self.bucket.head(self._prefix + head_name(number)) is not None


@asynccontextmanager
async def open_replica(config: Config, clock: Clock) -> AsyncIterator[ReplicaStore]:
    """Open the configured replica, after a look whether it can be reached, which takes seconds.

    Raises `NoReplica`, `ConfigurationError` (its credentials), `BucketUnreachable`.
    """
    replica = replica_of(config)
    of_replica = replace(
        config,
        bucket=replica.bucket,
        region=replica.region,
        endpoint_url=replica.endpoint_url,
        expected_bucket_owner=replica.expected_bucket_owner,
        request_payer=RequestPayer.OWNER,
    )
    keys = {
        "access_key": _secret("access_key_env", replica.access_key_env),
        "secret_key": _secret("secret_key_env", replica.secret_key_env),
        "profile": replica.profile or None,
    }
    async with Bucket.open(of_replica, clock, **keys) as bucket:
        await bucket.check()
        yield ReplicaStore(bucket, replica.prefix)


def _secret(setting: str, variable: str) -> str | None:
    if not variable:
        return None
    value = os.environ.get(variable)
    if not value:
        allowed = "an environment variable that is set, and not empty"
        raise ConfigurationError([Problem(f"replica.{setting}", variable, allowed)])
    return value
