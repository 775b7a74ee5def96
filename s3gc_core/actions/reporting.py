"""What an operator learns from the last scan: money, leaks and where the orphans came from."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.actions.standing import last_scan
from s3gc_core.bucket import DeleteModes, OldVersions
from s3gc_core.config import Images, UnsafeStore
from s3gc_core.errors import NoListing
from s3gc_core.judgement import ObjectVerdict, Report, ScanSummary, UnfinishedUploads
from s3gc_core.parallel import in_parallel
from s3gc_core.references import key_hashes
from s3gc_core.vault import StoreProbed

if TYPE_CHECKING:
    # Only the types are named here, and the client is slow to import.
    from s3gc_core.bucket import Bucket, UploadInProgress


class Reported(msgspec.Struct, frozen=True):
    """A scan's report. `requests`: what listing, reading and deleting cost, by `[prices]`.

    `versions`: what a versioned bucket keeps besides the objects, `uploads`: the unfinished ones;
    each where that was asked for. `last_deletes`: how the last execution that came to deleting did
    that; `unsafe_store`: what is done where the store ignores conditions. `images`: how pictures
    among the orphans would be backed up.
    """

    scan: ScanSummary
    report: Report
    requests: float
    versions: OldVersions | None
    unsafe_store: UnsafeStore
    last_deletes: DeleteModes | None
    uploads: UnfinishedUploads | None = None
    images: Images = Images.EXACT


async def report(parts: Parts, *, versions: bool = False, uploads: bool = False) -> Reported:
    """Sum up the last finished scan; with `versions` the bucket's versions are listed too, with
    `uploads` the unfinished uploads and their parts.

    Raises `NoListing` before the first scan, `BucketUnreachable`, `RightMissing`.
    """
    scan = await last_scan(parts)
    if scan is None:
        raise NoListing("no scan has finished yet")
    retention = timedelta(days=parts.config.retention_days)
    found = Report(parts.config.all_prices, scan.finished_at - retention)
    async for page in parts.catalogue.candidates(scan.scan_id, verdict=ObjectVerdict.ORPHAN):
        orphans = [judged.object for judged in page]
        hashes = await asyncio.to_thread(key_hashes, [one.key for one in orphans])
        holders = await parts.registry.last_holders(hashes)
        held = [holders.get(h) for h in hashes]
        found.add(
            (one, last.source if last else None, last.at if last else None)
            for one, last in zip(orphans, held, strict=True)
        )
    old = await parts.bucket.old_versions() if versions else None
    unfinished = await _unfinished(parts.bucket, parts.config.max_concurrency) if uploads else None
    probed = await parts.audit.last(StoreProbed)
    return Reported(
        scan,
        found,
        found.requests_cost(scan.listed),
        old,
        parts.config.unsafe_store,
        probed.record.deletes if probed else None,
        unfinished,
        parts.config.images,
    )


async def _unfinished(bucket: Bucket, concurrency: int) -> UnfinishedUploads:
    found, at_once = UnfinishedUploads(), asyncio.Semaphore(concurrency)

    async def measured(upload: UploadInProgress) -> int | None:
        async with at_once:
            return await bucket.upload_bytes(upload)

    async for page in bucket.upload_pages():
        sizes = await in_parallel(measured(upload) for upload in page)
        for upload, size in zip(page, sizes, strict=True):
            found.add(upload.key, upload.began_at, size)
    return found
