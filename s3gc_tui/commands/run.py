"""`s3gc run`: one whole cycle in the configured mode.

An approved plan is executed first, if there is one; then the bucket is scanned, and what is found
waits for approval. Nothing is deleted that no person approved.
"""

from __future__ import annotations

from s3gc_core.config import Mode
from s3gc_core.errors import ExitCode
from s3gc_tui.commands import execute, scan
from s3gc_tui.context import EXIT_OF, Context


async def run(context: Context) -> ExitCode:
    """Execute what is approved, then scan."""
    executed = ExitCode.DONE
    async with context.collector() as collector:
        plan = None
        if collector.config.mode is not Mode.DRY_RUN:
            plan = await collector.approved_plan()
        if plan is not None:
            done = await collector.execute(plan.plan_id, confirm=plan.confirmation)
            context.emit(
                {
                    "type": "executed",
                    "operation_id": done.operation_id,
                    "plan_id": plan.plan_id,
                    "outcome": done.outcome,
                    "planned": done.planned,
                    "done_before": done.done_before,
                    "counts": done.counts,
                    "text": f"executed plan {plan.plan_id}: {done.outcome} {done.counts}",
                }
            )
            async for page in collector.results(done.operation_id):
                for result in page:
                    if result.outcome != "deleted":
                        context.emit(execute.object_line(result))
            executed = EXIT_OF[done.outcome]
        scanned = scan.tell(context, await collector.scan())
    return scanned if scanned is not ExitCode.DONE else executed
