"""Bringing objects back, to the bucket or to a folder; and cleaning up backups nothing needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from s3gc_core import collection
from s3gc_core.actions.executing import OperationSummary
from s3gc_core.actions.parts import Parts, refuse_impossible_key
from s3gc_core.collection import FolderRestore, PurgeSummary, Restore, Selection, select
from s3gc_core.config import Mode
from s3gc_core.errors import DryRunRefused, NoSuchKey
from s3gc_core.vault import RestoreOutcome


async def restore(
    parts: Parts, selection: Selection, *, overwrite: bool = False
) -> OperationSummary:
    """Write deleted objects back into the bucket, each exactly as it was.

    Raises `NoSuchKey` where the vault holds nothing of what was selected, `OperationCancelled`
    where a person ended it on its way.
    """
    await _refuse_nothing_found(parts, selection)
    async with parts.operation("restore", arguments=_in_words(selection)) as run:
        await parts.bucket.check()
        await parts.check_bucket_identity()
        restore = Restore(
            parts.bucket,
            parts.audit,
            parts.files,
            run.journal,
            run.operation_id,
            overwrite,
            parts.config.max_concurrency,
        )
        try:
            await restore.run(selection)
        finally:
            run.counts = dict(restore.counts)
        if restore.counts[RestoreOutcome.FAILED] or restore.counts[RestoreOutcome.NEWER_KEPT]:
            run.outcome = "partial"
    return OperationSummary(
        run.operation_id,
        run.outcome,
        run.counts,
        restore.bytes_restored,
        unhidden=restore.unhidden,
    )


async def restore_to_folder(parts: Parts, selection: Selection, folder: Path) -> OperationSummary:
    """Write deleted objects into a folder; the bucket is not touched."""
    await _refuse_nothing_found(parts, selection)
    arguments = {**_in_words(selection), "to": str(folder)}
    async with parts.operation("restore", arguments=arguments) as run:
        restore = FolderRestore(parts.audit, parts.files, run.journal, run.operation_id, folder)
        try:
            await restore.run(selection)
        finally:
            run.counts = dict(restore.counts)
        if restore.counts[RestoreOutcome.FAILED]:
            run.outcome = "partial"
    return OperationSummary(run.operation_id, run.outcome, run.counts, restore.bytes_written)


async def purge(parts: Parts, *, older_than_days: int | None, dry_run: bool) -> PurgeSummary:
    """Remove backups past the horizon that nothing needs; never a sole copy."""
    if parts.config.mode is Mode.DRY_RUN and not dry_run:
        raise DryRunRefused("backups are not removed in mode dry_run")
    days = parts.config.vault_horizon_days if older_than_days is None else older_than_days
    arguments = {"older_than_days": str(days), "dry_run": str(dry_run)}
    async with parts.operation("purge", arguments=arguments) as run:
        summary = await collection.purge(
            parts.bucket,
            parts.audit,
            parts.files,
            run.operation_id,
            now=parts.clock.now(),
            horizon=timedelta(days=days),
            dry_run=dry_run,
        )
        run.counts = {"purged": summary.purged, "sole_copies": summary.sole_copies}
    return summary


async def _refuse_nothing_found(parts: Parts, selection: Selection) -> None:
    for text in (*selection.keys, selection.prefix or ""):
        refuse_impossible_key(text)
    if selection.operation_id is not None:
        await parts.audit.operation(selection.operation_id)
    async for page in select(parts.audit, selection):
        if page:
            return
    raise NoSuchKey("the vault holds no backup of what was selected")


def _in_words(selection: Selection) -> dict[str, str]:
    """A selection as the audit log keeps it."""
    fields = msgspec.to_builtins(selection)
    return {name: str(value) for name, value in fields.items() if value}
