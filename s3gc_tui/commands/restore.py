"""`s3gc restore`: bring deleted objects back."""

from __future__ import annotations

from collections import Counter

from s3gc_core.actions.restoring import Foreseen, OtherBucket
from s3gc_core.collection import LOSSY_REFUSED, REPLACES, Selection
from s3gc_core.collector import Collector
from s3gc_core.errors import ConfigurationError, ExitCode, NoSuchKey, Problem
from s3gc_core.vault import DeletedObject, RestoreOutcome
from s3gc_tui.commands.execute import tell
from s3gc_tui.context import Context
from s3gc_tui.lines import Record
from s3gc_tui.words import OVERWRITTEN

_MISSING = "its backup file is missing or cut"
_FROM_REPLICA = f"{_MISSING}: the replica is asked for it"


async def run(context: Context) -> ExitCode:
    """Restore what is selected, or with --dry-run say what that would be."""
    args = context.args
    if args.to is not None and args.overwrite:
        problem = Problem("--overwrite", "together with --to", "no file of a folder is replaced")
        raise ConfigurationError([problem], origin="command line")
    selection = Selection(tuple(args.key), args.prefix, args.operation, args.as_of)
    to, lossy = _other_bucket(context), args.accept_lossy
    async with context.collector() as collector:
        if args.dry_run:
            if args.to is not None:
                return await _preview(context, collector, selection)
            return await _foresee(context, collector, selection, to)
        if args.to is not None:
            summary = await collector.restore_to_folder(selection, args.to, accept_lossy=lossy)
        elif to is not None:
            summary = await collector.restore_to_bucket(
                selection, to, overwrite=args.overwrite, accept_lossy=lossy
            )
        else:
            summary = await collector.restore(
                selection, overwrite=args.overwrite, accept_lossy=lossy
            )
        return await tell(context, collector, summary)


def _other_bucket(context: Context) -> OtherBucket | None:
    args = context.args
    if args.to_bucket is not None:
        return OtherBucket(args.to_bucket, args.to_endpoint, args.to_prefix)
    for name, value in (("--to-endpoint", args.to_endpoint), ("--to-prefix", args.to_prefix)):
        if value:
            problem = Problem(name, "a place in no bucket", "together with --to-bucket NAME")
            raise ConfigurationError([problem], origin="command line")
    return None


async def _foresee(
    context: Context, collector: Collector, selection: Selection, to: OtherBucket | None
) -> ExitCode:
    """What would become of each key, by the same look at the bucket as the restore's own."""
    counts: Counter[RestoreOutcome] = Counter()
    size = 0
    args, lossy, replaces = context.args, 0, 0
    pages = collector.foresee(
        selection, to=to, overwrite=args.overwrite, accept_lossy=args.accept_lossy
    )
    async for page in pages:
        for one in page:
            counts[one.outcome] += 1
            if one.outcome is RestoreOutcome.RESTORED and one.backup is not None:
                size += one.backup.intent.backup.given_size
                lossy += one.backup.intent.backup.is_lossy
                replaces += one.reason.startswith(REPLACES)
            context.emit(_line(one))
    missing = counts.pop(RestoreOutcome.FAILED, 0)
    objects = counts.pop(RestoreOutcome.RESTORED, 0)
    left = missing or counts[RestoreOutcome.NEWER_KEPT] or counts[RestoreOutcome.LOSSY_REFUSED]
    outcome = "partial" if left else "done"
    others: dict[str, object] = {other.value: n for other, n in counts.items() if n}
    others |= {"replaces": replaces, "note": OVERWRITTEN} if replaces else {}
    return context.summary(
        outcome, objects=objects, bytes=size, missing=missing, lossy=lossy, **others
    )


def _line(one: Foreseen) -> Record:
    if one.outcome is RestoreOutcome.RESTORED and one.backup is not None:
        return _restorable(one.backup, one.reason)
    if one.outcome is RestoreOutcome.FAILED:
        return _damaged(one.key, one.reason)
    return _left(one.key, one.outcome, one.reason)


def _left(key: str, outcome: RestoreOutcome, reason: str) -> Record:
    return {
        "type": "object",
        "key": key,
        "outcome": outcome,
        "reason": reason,
        "text": f"{outcome:<13} {key}  {reason}".rstrip(),
    }


async def _preview(context: Context, collector: Collector, selection: Selection) -> ExitCode:
    """What a folder would get; the bucket is not asked."""
    objects = size = missing = lossy = refused = 0
    async for page in collector.preview(selection):
        for backup, present in page:
            if not present and collector.config.replica is None:
                missing += 1
                context.emit(_damaged(backup.intent.key, _MISSING))
                continue
            if backup.intent.backup.is_lossy and not context.args.accept_lossy:
                refused += 1
                context.emit(_left(backup.intent.key, RestoreOutcome.LOSSY_REFUSED, LOSSY_REFUSED))
                continue
            objects += 1
            lossy += backup.intent.backup.is_lossy
            size += backup.intent.backup.given_size
            context.emit(_restorable(backup, "" if present else _FROM_REPLICA))
    if not objects and not missing and not refused:
        raise NoSuchKey("the vault holds no backup of what was selected")
    outcome = "partial" if missing or refused else "done"
    others = {RestoreOutcome.LOSSY_REFUSED.value: refused} if refused else {}
    return context.summary(
        outcome, objects=objects, bytes=size, missing=missing, lossy=lossy, **others
    )


def _damaged(key: str, reason: str) -> Record:
    return {"type": "damaged", "key": key, "reason": reason, "text": f"{key}: {reason}"}


def _restorable(backup: DeletedObject, reason: str) -> Record:
    intent = backup.intent
    given = intent.backup.given_size
    return {
        **({"reason": reason} if reason else {}),
        "type": "restorable",
        "key": intent.key,
        "size": given,
        "fidelity": intent.backup.fidelity,
        "operation_id": backup.operation_id,
        "deleted_at": backup.deleted_at,
        "text": f"{given:>12}  {intent.key}"
        + (f"  {reason}" if reason else "  LOSSY" if intent.backup.is_lossy else ""),
    }
