"""What this store really does, found out with a probe object of our own."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3gc_core import log
from s3gc_core.bucket import deleting
from s3gc_core.bucket.failures import ObjectChanged, StoreFailed, store_errors
from s3gc_core.bucket.objects import (
    DeleteMode,
    DeleteModes,
    DeleteOutcome,
    DeleteResult,
    ObjectHeaders,
    Versioning,
)
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.parallel import to_the_end

if TYPE_CHECKING:
    from s3gc_core.bucket.client import Bucket

PROBE_PREFIX = ".s3gc-probe/"
_BODY = b"s3gc asks whether this store keeps its word; this object may be deleted.\n"
_BODY_MD5 = hashlib.md5(_BODY, usedforsecurity=False).hexdigest()
_ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
# A well-formed ETag that is not the probe's.
_WRONG_ETAG = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class StoreCapabilities:
    """Measured answers. False also means: could not be shown.

    `conditional_delete` and `conditional_batch_delete`: a delete with a wrong ETag was refused,
    and the object survived. `conditional_read`: so was a read. `tag_count_reported`: GET says how
    many tags there are (else tags must be asked for object by object). `put_if_none_match`: an
    existing object was not overwritten. `takes_batches`: a batch with ETags was not refused as a
    whole (else its keys go singly). `etag_is_md5`: that of an object put in one is its bytes' MD5.
    """

    conditional_delete: bool
    conditional_batch_delete: bool
    conditional_read: bool
    put_if_none_match: bool
    tag_count_reported: bool
    versioning: Versioning
    takes_batches: bool = True
    etag_is_md5: bool = False

    @property
    def safe(self) -> bool:
        """Whether deletes are bound to the ETag (guard `store-unsafe`)."""
        return self.conditional_delete and self.conditional_batch_delete and self.conditional_read

    @property
    def ignored(self) -> str:
        """Where the condition was ignored, in words."""
        kept = {
            "read": self.conditional_read,
            "single delete": self.conditional_delete,
            "batch delete": self.conditional_batch_delete,
        }
        return ", ".join(name for name, is_kept in kept.items() if not is_kept)

    @property
    def delete_modes(self) -> DeleteModes:
        """The safest way there is here, for each of the two kinds of delete."""
        single = DeleteMode.HEAD_COMPARE
        if self.conditional_delete:
            single = DeleteMode.CONDITIONAL_SINGLE
        batches = self.takes_batches and self.conditional_batch_delete
        return DeleteModes(DeleteMode.CONDITIONAL_BATCH if batches else single, single)


async def probe_store(bucket: Bucket) -> StoreCapabilities:
    """Find out with one small object under `.s3gc-probe/`, which is always removed again.

    In a bucket with versions all versions of it go as well; one that the store does not let go
    (Object Lock, MFA delete, a right that is missing) lies hidden, and is told in the log.
    Raises `RightMissing` where the versioning state may not be read, `StoreFailed` where the
    probe object could not be written or removed.
    """
    key = f"{_our_prefix(bucket)}{new_id()}"
    versioning = (await bucket.versioning()).status
    async with _removed_at_the_end(bucket, key, versioning):
        etag, tag_count_reported = await _write_probe(bucket, key)
        batch = _Batch()
        return StoreCapabilities(
            put_if_none_match=await _keeps_existing(bucket, key),
            conditional_read=await _refuses_wrong_read(bucket, key),
            tag_count_reported=tag_count_reported,
            conditional_delete=await _survives(bucket, key, _delete_singly),
            conditional_batch_delete=await _survives(bucket, key, batch.delete),
            versioning=versioning,
            takes_batches=batch.taken,
            etag_is_md5=etag.strip('"') == _BODY_MD5,
        )


async def remove_old_probes(bucket: Bucket) -> None:
    """Remove what a probe of this vault left behind whose process died. The caller holds the vault.

    Only what is ours beyond doubt: this vault's prefix, a ULID, and the size of the probe.
    """
    prefix = _our_prefix(bucket)

    def is_ours(key: str, sizes: Sequence[int]) -> bool:
        return bool(_ULID.fullmatch(key[len(prefix) :])) and set(sizes) <= {len(_BODY)}

    if (await bucket.versioning()).status is not Versioning.DISABLED:
        await _remove_versions(bucket, prefix, is_ours)
        return
    async for page in bucket.list_pages(prefix):
        ours = [probe for probe in page if is_ours(probe.key, (probe.size,))]
        if ours:
            await bucket.delete_batch([(probe.key, probe.etag) for probe in ours])


def _our_prefix(bucket: Bucket) -> str:
    """Probes of one vault; another vault on the same bucket may be probing at this moment."""
    vault = f"{socket.gethostname()}:{bucket.connection.spool_folder.resolve()}"
    return f"{PROBE_PREFIX}{hashlib.sha256(vault.encode()).hexdigest()[:16]}-"


async def _pieces() -> AsyncIterator[bytes]:
    yield _BODY


async def _write_probe(bucket: Bucket, key: str) -> tuple[str, bool]:
    """Write the probe, with a tag if the store takes one; its ETag, and whether GET counts it."""
    tagged = ObjectHeaders(content_type="text/plain", tags={"s3gc": "probe"})
    try:
        etag = await bucket.put(key, _pieces(), len(_BODY), tagged)
    except ObjectChanged:
        raise
    except S3gcError:
        # No tags here (501), or no right to set them: then they cannot be counted either.
        return await _put_plain(bucket, key), False
    async with bucket.read(key, etag) as body:
        return etag, body.state.tag_count == 1


async def _put_plain(bucket: Bucket, key: str) -> str:
    headers = ObjectHeaders(content_type="text/plain")
    return await bucket.put(key, _pieces(), len(_BODY), headers)


async def _keeps_existing(bucket: Bucket, key: str) -> bool:
    try:
        await _put_plain(bucket, key)
    except ObjectChanged:
        return True
    return False


async def _refuses_wrong_read(bucket: Bucket, key: str) -> bool:
    try:
        async with bucket.read(key, _WRONG_ETAG):
            return False
    except ObjectChanged:
        return True


async def _delete_singly(bucket: Bucket, key: str) -> DeleteResult:
    return await deleting.delete_one(await bucket.once(), key, _WRONG_ETAG)


@dataclass(slots=True)
class _Batch:
    """`taken` turns false where the store refuses a batch as a whole."""

    taken: bool = True

    async def delete(self, bucket: Bucket, key: str) -> DeleteResult:
        async def one(_: str, etag: str) -> DeleteResult:
            self.taken = False
            return await deleting.delete_one(await bucket.once(), key, etag)

        items = [(key, _WRONG_ETAG)]
        return (await deleting.delete_batch(await bucket.once(), items, one=one))[key]


async def _survives(
    bucket: Bucket, key: str, delete: Callable[[Bucket, str], Awaitable[DeleteResult]]
) -> bool:
    before = await bucket.head(key)
    if before is None:  # the previous question cost it its life
        await _put_plain(bucket, key)
        before = await bucket.head(key)
    result = await delete(bucket, key)
    after = await bucket.head(key)
    alive = before is not None and after is not None and before.etag == after.etag
    return alive and result.outcome is not DeleteOutcome.DELETED


@asynccontextmanager
async def _removed_at_the_end(
    bucket: Bucket, key: str, versioning: Versioning
) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        result = await to_the_end(_remove(bucket, key, versioning))
        if result.outcome is DeleteOutcome.FAILED:
            error.add_note(f"the probe object {key!r} could not be removed: {result.reason}")
        raise
    result = await to_the_end(_remove(bucket, key, versioning))
    if result.outcome is DeleteOutcome.FAILED:
        raise StoreFailed(f"the probe object {key!r} could not be removed: {result.reason}")


async def _remove(bucket: Bucket, key: str, versioning: Versioning) -> DeleteResult:
    """The one unconditional delete of this program: the key is ours, made a moment ago."""
    try:
        with store_errors(f"removing the probe object {key!r}"):
            await bucket.connection.s3.delete_object(Bucket=bucket.name, Key=key)
    except S3gcError as error:
        return DeleteResult(DeleteOutcome.FAILED, error.what)
    if versioning is not Versioning.DISABLED:
        await _remove_versions(bucket, key, lambda found, _: found == key)
    return DeleteResult(DeleteOutcome.DELETED)


async def _remove_versions(
    bucket: Bucket, prefix: str, is_ours: Callable[[str, Sequence[int]], bool]
) -> None:
    """What stays lies hidden by its marker and harms nobody: it is told, and fails nothing."""
    try:
        left = await bucket.remove_scratch(prefix, is_ours)
    except S3gcError as error:
        left = {prefix: error.what}
    for key, reason in left.items():
        log.warning("probe_versions_left", key=key, detail=reason)
