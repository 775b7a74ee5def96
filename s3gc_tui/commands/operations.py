"""`s3gc operations`: every recorded run, newest first."""

from __future__ import annotations

from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit one line an operation."""
    async with context.collector() as collector:
        operations = (await collector.audit.operations())[::-1][: context.args.limit]
    for operation in operations:
        started, finished = operation.started, operation.finished
        outcome = finished.outcome if finished else "not ended"
        counts = finished.counts if finished else {}
        context.emit(
            {
                "type": "operation",
                "operation_id": operation.operation_id,
                "at": operation.started_at,
                "what": started.what,
                "actor": started.actor,
                "mode": started.mode,
                "plan_id": started.plan_id,
                "arguments": started.arguments,
                "outcome": outcome,
                "counts": counts,
                "deletes": operation.deletes,
                "text": f"{operation.operation_id}  {operation.started_at:%Y-%m-%d %H:%M:%S}"
                f"  {started.what:<8} {outcome:<11} {started.actor}"
                + (f"  by {operation.deletes}" if operation.deletes else ""),
            }
        )
    return context.summary("done" if operations else "nothing-to-do", operations=len(operations))
