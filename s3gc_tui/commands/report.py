"""`s3gc report`: what the last scan's orphans cost, who held them last, how fast new ones come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from s3gc_core.config import Images
from s3gc_core.errors import ExitCode
from s3gc_core.judgement import LEAK_WINDOW, UploadSum, versioning_note
from s3gc_tui.context import Context
from s3gc_tui.words import LOSSY_IMAGES

T = TypeVar("T")
V = TypeVar("V")

# Folders that are told, those with the most new orphans first.
_FOLDERS = 100


async def run(context: Context) -> ExitCode:
    """Emit sums by storage class, by the source that held the orphans last, and new ones a day."""
    async with context.collector() as collector:
        told = await collector.report(versions=context.args.versions, uploads=context.args.uploads)
    report = told.report
    for kind, sums in (("class", report.classes), ("origin", report.origins)):
        for name, of in _largest(sums, lambda one: one.bytes):
            called = name or "no row was ever seen to refer to them"
            context.emit(
                {
                    "type": kind,
                    "name": name,
                    "objects": of.objects,
                    "bytes": of.bytes,
                    "saved_per_month": round(of.monthly, 2),
                    "text": f"{of.objects:>10}  {of.bytes:>16} bytes  {called}",
                }
            )
    for folder, leak in _largest(report.leaks, lambda one: one.objects)[:_FOLDERS]:
        context.emit(
            {
                "type": "leak",
                "prefix": folder,
                "objects": leak.objects,
                "bytes": leak.bytes,
                "per_day": round(leak.per_day, 2),
                "text": f"{leak.per_day:>10.2f} new a day  {folder or '(no folder)'}",
            }
        )
    old, unfinished = told.versions, told.uploads
    for folder, uploads in _largest(unfinished.folders if unfinished else {}, _bytes)[:_FOLDERS]:
        at_least = "at least " if uploads.unmeasured else ""
        context.emit(
            {
                "type": "unfinished-uploads",
                "prefix": folder,
                "uploads": uploads.uploads,
                "bytes": uploads.bytes,
                "unmeasured": uploads.unmeasured,
                "oldest": uploads.oldest,
                "text": f"{uploads.uploads:>10} unfinished uploads,"
                f" {at_least}{uploads.bytes} bytes, the oldest of {uploads.oldest:%F}"
                f"  {folder or '(no folder)'}",
            }
        )
    return context.summary(
        "done" if report.total.objects else "nothing-to-do",
        scan_id=told.scan.scan_id,
        scanned_at=told.scan.finished_at,
        orphans=report.total.objects,
        bytes=report.total.bytes,
        saved_per_month=round(report.total.monthly, 2),
        request_cost=round(told.requests, 4),
        leak_days=LEAK_WINDOW.days,
        leak_until=report.window_end,
        unsafe_store=told.unsafe_store,
        images=told.images,
        lossy_note=LOSSY_IMAGES if told.images is Images.COMPACT else "",
        last_deletes=told.last_deletes,
        noncurrent_versions=old.versions if old else None,
        noncurrent_bytes=old.size if old else None,
        delete_markers=old.delete_markers if old else None,
        unfinished_uploads=unfinished.total.uploads if unfinished else None,
        unfinished_bytes=unfinished.total.bytes if unfinished else None,
        unfinished_unmeasured=unfinished.total.unmeasured if unfinished else None,
        oldest_upload=unfinished.total.oldest if unfinished else None,
        versioning=told.scan.versioning,
        note=versioning_note(told.scan.versioning),
    )


def _bytes(sums: UploadSum) -> int:
    return sums.bytes


def _largest(sums: Mapping[T, V], by: Callable[[V], int]) -> list[tuple[T, V]]:
    return sorted(sums.items(), key=lambda item: (-by(item[1]), str(item[0])))
