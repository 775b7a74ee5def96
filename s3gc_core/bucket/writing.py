"""Writing one object exactly as described, never over an object that was not expected there."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from s3gc_core.bucket.connection import RAW_EXPIRES
from s3gc_core.bucket.failures import BodyLengthWrong, ObjectChanged, ObjectGone, store_errors, told
from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.bucket.reading import glance
from s3gc_core.errors import S3gcError, VaultFull, VaultUnreachable
from s3gc_core.parallel import to_the_end

if TYPE_CHECKING:
    from s3gc_core.bucket.connection import Connection


MIB = 1 << 20
# Up to this, one body is held in memory.
IN_MEMORY = 64 * MIB
SINGLE_PUT = 5 << 30  # S3 documentation: the largest object of one PUT
DEFAULT_PART_SIZE = 16 * MIB
MAX_PARTS = 10_000  # S3 documentation, "multipart upload limits"
ABORT_TIMEOUT_SECONDS = 30
# What is larger, or has waited for longer, is under way for so long that the key is looked at again
# right before it is written: not every store keeps to the conditions of a write (notes on S3).
LOOKED_AT_AGAIN_BYTES = MIB
LOOKED_AT_AGAIN_SECONDS = 1.0
# Smaller pieces are hashed and copied at once; a thread costs more than they do.
INLINE_BYTES = 64 * 1024


class ByteBudget:
    """Bytes of bodies in memory at any one time, over all workers; first come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes (at most the whole budget) are free, and hold them."""
        size = min(size, self._limit)
        async with self._turn, self._freed:
            await self._freed.wait_for(lambda: self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            # Not awaited under a lock: a cancelled holder must give back at once.
            wake = asyncio.ensure_future(self._wake())
            await asyncio.shield(wake)

    async def _wake(self) -> None:
        async with self._freed:
            self._freed.notify_all()


class ExactSource:
    """Cuts an async iterator of bytes into bodies of exact lengths, and notices a wrong total."""

    def __init__(self, source: AsyncIterable[bytes], size: int, key: str) -> None:
        self._pieces = aiter(source)
        self._left = memoryview(b"")
        self._size = size
        self._key = key
        self.taken = 0

    async def fill(self, sink: IO[bytes], length: int) -> str:
        """Write the next `length` bytes to `sink`; return their MD5 as Content-MD5 has it."""
        md5 = hashlib.md5(usedforsecurity=False)
        wanted = length
        while wanted:
            if not self._left:
                try:
                    self._left = memoryview(await anext(self._pieces))
                except StopAsyncIteration:
                    raise BodyLengthWrong(
                        f"the bytes for {self._key!r} ended after {self.taken} of {self._size}"
                    ) from None
                continue
            piece, self._left = self._left[:wanted], self._left[wanted:]
            if len(piece) <= INLINE_BYTES:
                _absorb(sink, md5, piece)
            else:
                await asyncio.to_thread(_absorb, sink, md5, piece)
            wanted -= len(piece)
            self.taken += len(piece)
        sink.seek(0)
        return base64.b64encode(md5.digest()).decode()

    async def end(self) -> None:
        """Raise `BodyLengthWrong` if there are bytes left over."""
        while not self._left:
            try:
                self._left = memoryview(await anext(self._pieces))
            except StopAsyncIteration:
                return
        raise BodyLengthWrong(f"the bytes for {self._key!r} go on after {self._size}")


def _absorb(sink: IO[bytes], md5: Any, piece: memoryview) -> None:
    md5.update(piece)
    sink.write(piece)


class Writer:
    """Writes objects through one connection, with one memory budget for all of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._budget = ByteBudget(IN_MEMORY)

    async def put(
        self,
        key: str,
        source: AsyncIterable[bytes],
        size: int,
        headers: ObjectHeaders,
        condition: dict[str, str],
    ) -> str:
        """See `Bucket.put`. `condition` is IfMatch or IfNoneMatch."""
        where = {"Bucket": self._connection.bucket, "Key": key}
        exact = ExactSource(source, size, key)
        if not await self._fits_one_put(size, headers):
            return await self._put_parts(where, exact, size, headers, condition)
        began = time.monotonic()
        async with self._body(exact, size) as (body, md5):
            await exact.end()
            await self._connection.pace.body(size)
            waited = time.monotonic() - began
            if size > LOOKED_AT_AGAIN_BYTES or waited > LOOKED_AT_AGAIN_SECONDS:
                await self._refuse_another(key, condition)
            request = parameters(headers) | condition | {"Key": key}
            with store_errors(f"writing {key!r}", key=key, writing=True):
                answer = await self._connection.send(
                    "PutObject", Body=body, ContentMD5=md5, ContentLength=size, **request
                )
        return told(answer, "ETag", f"writing {key!r}")

    async def _put_parts(
        self,
        where: dict[str, Any],
        exact: ExactSource,
        size: int,
        headers: ObjectHeaders,
        condition: dict[str, str],
    ) -> str:
        s3, key = self._connection.s3, where["Key"]
        started: list[str] = []

        async def start() -> None:
            answer = await s3.create_multipart_upload(**where, **parameters(headers))
            started.append(told(answer, "UploadId", f"writing {key!r}"))

        try:
            with store_errors(f"writing {key!r}", key=key, writing=True):
                await to_the_end(start())
            upload = {**where, "UploadId": started[0]}
            parts = await self._send_parts(upload, exact, size, part_size_for(size, headers))
            await exact.end()
            await self._refuse_another(key, condition)
            with store_errors(f"writing {key!r}", key=key, writing=True):
                request = upload | condition | {"MultipartUpload": {"Parts": parts}}
                finished = await s3.complete_multipart_upload(**request)
            return told(finished, "ETag", f"writing {key!r}")
        except BaseException as error:
            # Parts of an upload nobody ends are paid for, and no listing shows them.
            for upload_id in started:
                await self._abort({**where, "UploadId": upload_id}, error)
            raise

    async def _refuse_another(self, key: str, condition: dict[str, str]) -> None:
        """Raise where something else is at the key than the condition says."""
        expected = condition.get("IfMatch")
        there = await glance(self._connection, key)
        if there is None and expected is not None:
            raise ObjectGone(f"writing {key!r}: the object to be replaced is gone")
        if there is not None and there.etag != expected:
            raise ObjectChanged(f"writing {key!r}: another object came to it meanwhile")

    async def _send_parts(
        self, upload: dict[str, Any], exact: ExactSource, size: int, part_size: int
    ) -> list[Any]:
        parts: list[Any] = []
        key = upload["Key"]
        while exact.taken < size or not parts:
            number = len(parts) + 1
            doing = f"writing part {number} of {key!r}"
            length = min(part_size, size - exact.taken)
            async with self._body(exact, length) as (body, md5):
                await self._connection.pace.body(length)
                with store_errors(doing, key=key, writing=True):
                    answer = await self._connection.s3.upload_part(
                        **upload, PartNumber=number, Body=body, ContentMD5=md5
                    )
            parts.append({"PartNumber": number, "ETag": told(answer, "ETag", doing)})
        return parts

    async def _abort(self, upload: dict[str, Any], because: BaseException) -> None:
        async def abort() -> None:
            with store_errors(f"aborting the upload of {upload['Key']!r}"):
                async with asyncio.timeout(ABORT_TIMEOUT_SECONDS):
                    await self._connection.s3.abort_multipart_upload(**upload)

        try:
            await to_the_end(abort())
        except S3gcError as error:
            because.add_note(f"{error.what}; upload {upload['UploadId']} is still in the store")

    @asynccontextmanager
    async def _body(self, exact: ExactSource, size: int) -> AsyncIterator[tuple[IO[bytes], str]]:
        """The next `size` bytes as a body that can be sent again on a retry, and their MD5.

        Kept in memory, or, for the huge parts some uploaders make, in a nameless file beside the
        vault: the only folder known to be a local disk with room.
        """
        if size <= IN_MEMORY:
            async with self._budget.hold(size):
                # Of its final size at once: a buffer that grows is moved over and over, and what it
                # leaves behind is given back late (parts of 16 MiB took 34 to 84 MiB).
                with BytesIO(bytes(size)) as memory:
                    yield memory, await exact.fill(memory, size)
            return
        with spool_errors(size):
            file = await asyncio.to_thread(self._spool_file)
        with file:
            with spool_errors(size):
                md5 = await exact.fill(file, size)
            yield file, md5

    async def _fits_one_put(self, size: int, headers: ObjectHeaders) -> bool:
        if size <= IN_MEMORY:
            return goes_in_one_put(size, headers, room=0)
        with spool_errors(size):
            disk = await asyncio.to_thread(shutil.disk_usage, self._connection.spool_folder)
        return goes_in_one_put(size, headers, disk.free)

    def _spool_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._connection.spool_folder)


@contextmanager
def spool_errors(size: int) -> Iterator[None]:
    """The disk beside the vault has no room, or is not there."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise VaultFull(f"no room for a part of {size} bytes beside the vault") from error
        raise VaultUnreachable(f"cannot hold a part of {size} bytes: {error}") from error


def goes_in_one_put(size: int, headers: ObjectHeaders, room: int) -> bool:
    """Whether an object comes in one piece again, as it was: in parts it has another ETag.

    `room` is the free space beside the vault (bytes), which a body too large for the memory needs:
    where half of it would go, the object comes back in parts rather than not at all.
    """
    if headers.part_size is not None or size > SINGLE_PUT:
        return False
    return size <= IN_MEMORY or size <= room // 2


def part_size_for(size: int, headers: ObjectHeaders) -> int:
    """Bytes per part: as the object had it, else ours, and never more than 10,000 parts."""
    wanted = headers.part_size or DEFAULT_PART_SIZE
    smallest = -(-size // MAX_PARTS)
    return wanted if wanted >= smallest else -(-smallest // MIB) * MIB


def parameters(headers: ObjectHeaders) -> dict[str, Any]:
    """Request parameters that give a new object exactly these headers. Nothing is invented."""
    named: dict[str, str | None] = {
        "ContentType": headers.content_type,
        "CacheControl": headers.cache_control,
        "ContentDisposition": headers.content_disposition,
        "ContentEncoding": headers.content_encoding,
        "ContentLanguage": headers.content_language,
        "WebsiteRedirectLocation": headers.website_redirect,
        "ServerSideEncryption": headers.encryption,
        "SSEKMSKeyId": headers.encryption_key_id,
        RAW_EXPIRES: headers.expires,
    }
    result: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if headers.metadata:
        result["Metadata"] = headers.metadata
    if headers.tags:
        result["Tagging"] = urlencode(headers.tags, quote_via=quote, safe="")
    if headers.storage_class != "STANDARD":
        result["StorageClass"] = headers.storage_class
    return result
