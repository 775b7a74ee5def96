"""`s3gc execute`: back up and delete what an approved plan holds."""

from __future__ import annotations

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.collection.write_back import FROM_REPLICA
from s3gc_core.collector import Collector
from s3gc_core.config import Images, UnsafeStore
from s3gc_core.errors import ExitCode
from s3gc_core.judgement import NOTHING_FREED, versioning_note
from s3gc_core.vault import Outcome, Restored, RestoreOutcome, Result
from s3gc_tui.commands.scan import accepted
from s3gc_tui.context import Context
from s3gc_tui.words import LOSSY_IMAGES, RECOVERY_PENDING, WINDOW

_AS_INTENDED = frozenset({Outcome.DELETED, RestoreOutcome.RESTORED, RestoreOutcome.EXPORTED})


async def run(context: Context) -> ExitCode:
    """Execute; a person at a terminal may type the confirmation when asked."""
    args = context.args
    accept, reason = accepted(context)
    async with context.collector() as collector:
        plan, _ = await collector.plan(args.plan)
        confirm = args.confirm
        if confirm is None and context.ask is not None:
            compares = collector.config.unsafe_store is UnsafeStore.HEAD_COMPARE
            scan = await collector.last_scan()
            note = versioning_note(scan.versioning) + "\n" if scan else ""
            lossy = collector.config.images is Images.COMPACT
            confirm = context.ask(
                f"This deletes {plan.objects} objects ({plan.bytes} bytes) from {plan.bucket}.\n"
                f"{note.lstrip()}"
                + (f"{WINDOW}\n" if compares else "")
                + (f"{LOSSY_IMAGES}\n" if lossy else "")
                + f"Type the bucket's name and the count, as in {plan.confirmation!r}: "
            )
        summary = await collector.execute(
            args.plan, confirm=confirm or "", accept=accept, reason=reason
        )
        return await tell(context, collector, summary)


async def tell(context: Context, collector: Collector, summary: OperationSummary) -> ExitCode:
    """Emit each object that did not end as intended, then the summary."""
    async for page in collector.results(summary.operation_id):
        for result in page:
            told = is_lossy(result) or FROM_REPLICA in result.reason
            if result.outcome not in _AS_INTENDED or told:
                context.emit(object_line(result))
    fields: dict[str, object] = {}
    if summary.plan_id is not None:
        fields = {
            "plan_id": summary.plan_id,
            "planned": summary.planned,
            "done_before": summary.done_before,
            "deletes": summary.deletes,
            "encodings": summary.encodings,
            "lossy": summary.lossy,
            **freed(summary),
        }
    else:
        came = {
            "unhidden": summary.unhidden,
            "from_replica": summary.from_replica,
            "lossy": summary.lossy,
        }
        fields = {how: count for how, count in came.items() if count}
        if summary.to_recover:
            fields["note"] = RECOVERY_PENDING
    return context.summary(
        summary.outcome, summary.operation_id, **summary.counts, bytes=summary.bytes, **fields
    )


def is_lossy(result: Result | Restored) -> bool:
    """Whether what came back is not what the object was: said of each, though it is intended."""
    return isinstance(result, Restored) and result.lossy


def freed(summary: OperationSummary) -> dict[str, object]:
    """What an execution really freed; in a versioned bucket that is not what it deleted."""
    note = f"deleting {summary.noncurrent} bytes {NOTHING_FREED}" if summary.noncurrent else ""
    return {"freed": summary.bytes - summary.noncurrent, "note": note}


def object_line(result: Result | Restored) -> dict[str, object]:
    """What became of one object, as a line."""
    reason = f"  {result.reason}" if result.reason else ""
    return {
        "type": "object",
        "key": result.key,
        "outcome": result.outcome,
        "reason": result.reason,
        "inferred": result.inferred,
        "text": f"{result.outcome:<13} {result.key}{reason}",
    }
