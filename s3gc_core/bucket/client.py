"""The bucket: the only way this program talks to the object store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from botocore.exceptions import ClientError

from s3gc_core.bucket import (
    comparing,
    deleting,
    immutable,
    last_look,
    listing,
    locking,
    marks,
    reading,
    uploads,
    versions,
)
from s3gc_core.bucket.connection import CHECK_ATTEMPTS, Connection, Keys, connect, is_aws
from s3gc_core.bucket.failures import StoreFailed, status_of, store_errors
from s3gc_core.bucket.objects import (
    BackedUp,
    BucketLock,
    BucketVersioning,
    DeleteModes,
    DeleteResult,
    ListedObject,
    ObjectHeaders,
    ObjectLock,
    ObjectState,
    OldVersions,
)
from s3gc_core.bucket.pace import Pace
from s3gc_core.bucket.reading import ObjectBody
from s3gc_core.bucket.uploads import UploadInProgress
from s3gc_core.bucket.writing import Writer

if TYPE_CHECKING:
    from s3gc_core.clock import Clock
    from s3gc_core.config import Config


class Bucket:
    """One bucket. Open it with `async with Bucket.open(config, clock) as bucket`.

    Every method raises `BucketUnreachable` where the store does not answer, throttles us for
    longer than the retries last, or refuses the credentials.
    """

    def __init__(
        self,
        connection: Connection,
        config: Config,
        clock: Clock,
        later: AsyncExitStack,
        keys: Keys | None = None,
    ) -> None:
        """`later` closes what is opened on the way."""
        self.connection = connection
        self._later = later
        self._once: Connection | None = None
        self._at_once: Connection | None = None
        self._opening = asyncio.Lock()
        self._config = config
        self._clock = clock
        self._keys = keys
        self._writer = Writer(connection)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        clock: Clock,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        profile: str | None = None,
    ) -> AsyncIterator[Bucket]:
        """Open without sending anything; credentials come from the AWS chain unless given, and from
        its `profile` where one is named.
        """
        keys = Keys(access_key, secret_key) if access_key and secret_key else None
        if keys is None and profile:
            keys = Keys(profile=profile)
        async with connect(config, keys=keys) as connection, AsyncExitStack() as later:
            yield cls(connection, config, clock, later, keys)

    @property
    def name(self) -> str:
        """The bucket's name as configured."""
        return self.connection.bucket

    async def identity(self) -> str:
        """What makes this bucket itself: `endpoint/region/name`. Holds no credentials."""
        endpoint = urlsplit(self.connection.s3.meta.endpoint_url)
        port = f":{endpoint.port}" if endpoint.port else ""
        return f"{endpoint.scheme}://{endpoint.hostname}{port}/{self._config.region}/{self.name}"

    async def marks(self) -> dict[str, str]:
        """What the store tells about the bucket itself: `owner`, `region`, `created`; or less."""
        url = self._config.endpoint_url
        return await marks.marks(self.connection, is_aws=not url or is_aws(url))

    async def check(self) -> None:
        """Ask the store whether the bucket is there for us; answers within seconds.

        Raises `BucketUnreachable` with the cause: no such bucket, denied, wrong region, no
        credentials, no answer.
        """
        doing = f"opening bucket {self.name!r}"
        async with connect(self._config, attempts=CHECK_ATTEMPTS, keys=self._keys) as connection:
            with store_errors(doing):
                try:
                    await connection.s3.head_bucket(Bucket=self.name)
                except ClientError as error:
                    # HEAD has no body: the same right asked with a GET says why.
                    if status_of(error) in (400, 403):
                        await connection.s3.list_objects_v2(Bucket=self.name, MaxKeys=1)
                    raise

    async def server_now(self) -> datetime:
        """The store's own time (`Date` header), through the clock. UTC."""
        return self._clock.bucket_now(await self.server_date())

    async def server_date(self) -> datetime:
        """The `Date` header as the store sends it. UTC."""
        with store_errors(f"asking bucket {self.name!r} for the time"):
            answer = await self.connection.s3.head_bucket(Bucket=self.name)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            raise StoreFailed(f"bucket {self.name!r}: the store does not say what time it is")
        return parsedate_to_datetime(date)

    def list_pages(self, prefix: str = "", after: str = "") -> AsyncIterator[list[ListedObject]]:
        """Every object, page by page; complete only if the iteration ends without an exception.

        With `after` only keys that follow it, and never to be relied on: some stores drop keys
        then. Raises `ListingIncomplete` where a page contradicts itself or another one.
        """
        return listing.list_pages(self.connection, prefix, after)

    async def old_versions(self) -> OldVersions:
        """Count what a versioned bucket keeps besides its objects; takes as long as a listing."""
        return await versions.old_versions(self.connection)

    async def versioning(self) -> BucketVersioning:
        """Whether deletes here remove, or only hide. Raises `RightMissing` where it may not be
        asked.
        """
        return await versions.versioning(self.connection)

    async def bucket_lock(self) -> BucketLock:
        """Whether Object Lock is on here. A store that does not know it (501) has none."""
        return await locking.bucket_lock(self.connection)

    async def object_lock(self, key: str, *, enabled: bool | None) -> ObjectLock:
        """The lock of the current object; `enabled` is what `bucket_lock` said.

        Raises `ObjectGone`, and `ObjectUnreadable` where it may not be asked.
        """
        lock = await locking.object_lock(self.connection, key, enabled=enabled)
        return msgspec.structs.replace(lock, seen_at=self._clock.bucket_now(lock.seen_at))

    async def hidden_version(self, key: str, marker: str) -> ObjectState | None:
        """The version that the delete marker `marker` hides, if removing the marker would make
        exactly that one current again; None where it would not, or nobody can tell.

        Raises `ObjectGone`, `ObjectUnreadable`, `StoreFailed`.
        """
        return await versions.hidden_version(self.connection, key, marker)

    async def remove_marker(self, key: str, marker: str) -> None:
        """Remove exactly this delete marker, which `hidden_version` has just looked at.

        A marker over which something was written meanwhile changes nothing when it goes.
        """
        await versions.remove_marker(self.connection, key, marker)

    async def remove_scratch(
        self, prefix: str, is_ours: Callable[[str, Sequence[int]], bool]
    ) -> dict[str, str]:
        """Remove every version and marker of the keys below `prefix` that are ours beyond doubt:
        `is_ours` gets a key and the sizes (bytes) of its versions. Only in a bucket with versions.

        Returns the keys of which something stays, and why. Raises `StoreFailed`,
        `ListingIncomplete`; `BucketUnreachable` also where s3:ListBucketVersions is missing.
        """
        return await versions.remove_scratch(self.connection, prefix, is_ours)

    def upload_pages(self) -> AsyncIterator[list[UploadInProgress]]:
        """Every upload in parts that is not finished, page by page.

        Raises `RightMissing` where they may not be listed, `StoreFailed`.
        """
        return uploads.upload_pages(self.connection)

    async def upload_bytes(self, upload: UploadInProgress) -> int | None:
        """Bytes of the parts that an upload in progress has; None where that is not told."""
        return await uploads.upload_bytes(self.connection, upload)

    async def head(self, key: str) -> ObjectState | None:
        """The current object's state, None where there is none. Raises `ObjectUnreadable`."""
        return await reading.head(self.connection, key)

    def read(self, key: str, if_match: str) -> AbstractAsyncContextManager[ObjectBody]:
        """Open the object for reading, if its ETag is still `if_match`.

        Entering raises `ObjectChanged`, `ObjectGone`, or `ObjectUnreadable`.
        """
        return reading.read(self.connection, key, if_match)

    async def tags(self, key: str) -> dict[str, str]:
        """The object's tags. Raises `ObjectGone`, `ObjectUnreadable`."""
        return await reading.tags(self.connection, key)

    async def put(
        self,
        key: str,
        source: AsyncIterable[bytes],
        size: int,
        headers: ObjectHeaders,
        *,
        if_match: str | None = None,
    ) -> str:
        """Write `size` bytes from `source` with exactly these headers; return the new ETag.

        Never unconditional: only if nothing lives at the key, or, with `if_match`, only over the
        object with that ETag. Raises `ObjectChanged` where that does not hold, `ObjectGone` where
        the object to be replaced is gone, `BodyLengthWrong` where the source is shorter or longer;
        `ObjectRefused` where the store takes others but not this one, `WriteDenied` where it does
        not say; then nothing was written. Cancelled or failed, no part of an upload stays behind.
        """
        if if_match is not None and not if_match.strip('"* '):
            raise ValueError("an empty ETag would overwrite whatever is there")
        condition = {"IfMatch": if_match} if if_match is not None else {"IfNoneMatch": "*"}
        return await self._writer.put(key, source, size, headers, condition)

    async def put_once(self, key: str, data: bytes) -> bool:
        """Write an object of which the store then confirms the SHA-256; False where one lives at
        the key already. Raises `StoreFailed` where the store has other bytes.
        """
        return await immutable.put_once(self.connection, key, data)

    async def fetch(self, key: str) -> bytes | None:
        """A small object as a whole, None where there is none. Raises `ObjectUnreadable`."""
        return await immutable.fetch(self.connection, key)

    async def delete_batch(self, items: Sequence[tuple[str, str]]) -> dict[str, DeleteResult]:
        """Delete (key, ETag) pairs, each only if that ETag still lives there.

        Every key gets a result; a failed request is a result too. In a versioned bucket a delete
        only adds a marker. No request begins more than `deleting.WITHIN_SECONDS` after the first:
        what is left then has failed, `undone`. Raises `ValueError` for a repeated key or a missing
        ETag, `DeleteAnswerWrong` where the store answers about other keys.
        """
        return await deleting.delete_batch(await self.once(), items)

    async def once(self) -> Connection:
        """A second client, which sends every request once: it holds nobody up who must not wait."""
        async with self._opening:
            if self._once is None:
                opened = connect(
                    self._config, attempts=1, keys=self._keys, pace=self.connection.pace
                )
                self._once = await self._later.enter_async_context(opened)
            return self._once

    async def delete_by_modes(
        self, modes: DeleteModes, objects: Mapping[str, BackedUp]
    ) -> dict[str, DeleteResult]:
        """As `delete_batch`, on a store where a probe showed that deletes have to go by `modes`.

        By head-compare-delete, what differs at a HEAD right before its delete is kept.
        """
        once, at_once = await self.once(), await self._unpaced()
        return await comparing.delete_by_modes(once, at_once, modes, objects)

    async def look_again(self, read: Mapping[str, ObjectState]) -> dict[str, DeleteResult]:
        """Right before a delete: the objects that are no longer what was `read`, with their tags in
        the headers, and why; all others are. Takes no longer than `last_look.WITHIN_SECONDS`, but
        for the answer to what was sent: what was not looked at by then has failed, `undone`.
        """
        return await last_look.look_again(await self._unpaced(), self.connection.pace, read)

    async def _unpaced(self) -> Connection:
        """As `once`, for who may not wait for the pace either, and counts what is sent."""
        async with self._opening:
            if self._at_once is None:
                opened = connect(self._config, attempts=1, keys=self._keys, pace=Pace.unlimited())
                self._at_once = await self._later.enter_async_context(opened)
            return self._at_once
