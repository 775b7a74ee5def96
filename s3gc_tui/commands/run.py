"""`s3gc run`: one whole cycle in the configured mode.

An approved plan is executed first, if there is one; then the bucket is scanned. What is found waits
for approval, but for what a grant covers (mode execute): that is executed at once.
"""

from __future__ import annotations

from s3gc_core import log
from s3gc_core.actions.granting import GrantAnswer
from s3gc_core.actions.scheduled import Timed
from s3gc_core.collector import Collector
from s3gc_core.config import Mode
from s3gc_core.errors import ExitCode, Refused, S3gcError
from s3gc_core.judgement import Plan
from s3gc_tui.commands import execute, scan
from s3gc_tui.context import EXIT_OF, Context


async def run(context: Context) -> ExitCode:
    """Execute what is approved, scan, and execute what grants cover. A plan that is refused keeps
    nothing from being scanned, and is told last.
    """
    slot = context.args.scheduled
    async with context.collector() as collector, collector.of_schedule(Timed.RUN, slot) as is_open:
        if not is_open:
            return context.summary("nothing-to-do", scheduled=slot)
        log.info("gc_cycle_started", bucket=collector.config.bucket, mode=collector.config.mode)
        try:
            code = await _cycle(context, collector)
        except S3gcError as error:
            log.warning("gc_cycle_failed", error=error.name, what=error.what)
            raise
        log.info("gc_cycle_completed", exit_code=int(code))
        return code


async def _cycle(context: Context, collector: Collector) -> ExitCode:
    codes: list[ExitCode] = []
    refused: Refused | None = None
    plan = None
    if collector.config.mode is not Mode.DRY_RUN:
        plan = await collector.approved_plan()
    if plan is not None:
        try:
            codes.append(await _execute(context, collector, plan))
        except Refused as error:
            # It stays so until somebody acts: the scan must not wait for that.
            log.warning("execution_refused", plan_id=plan.plan_id, error=error.name)
            refused = error
    summary = await collector.scan()
    if collector.config.mode is Mode.EXECUTE and summary.plan_id is not None:
        for covered in await _approve(context, collector, summary.plan_id):
            try:
                codes.append(await _execute(context, collector, covered))
            except Refused as error:
                log.warning("execution_refused", plan_id=covered.plan_id, error=error.name)
                refused = refused or error
    if refused is not None:
        raise refused
    outcome = "partial" if ExitCode.PARTIAL in codes else None
    scanned = scan.tell(context, summary, executed=outcome)
    return next((code for code in (scanned, *codes) if code is not ExitCode.DONE), ExitCode.DONE)


async def _execute(context: Context, collector: Collector, plan: Plan) -> ExitCode:
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
            **execute.freed(done),
            "deletes": done.deletes,
            "encodings": done.encodings,
            "lossy": done.lossy,
            "text": f"executed plan {plan.plan_id}: {done.outcome} {done.counts}"
            + (f" by {done.deletes}" if done.deletes else ""),
        }
    )
    async for page in collector.results(done.operation_id):
        for result in page:
            if result.outcome != "deleted":
                context.emit(execute.object_line(result))
    return EXIT_OF[done.outcome]


async def _approve(context: Context, collector: Collector, plan_id: str) -> list[Plan]:
    """The parts of a plan that grants approve; of each grant is said why it is no more."""
    answers = await collector.approve_granted(plan_id)
    for answer in answers:
        _tell(context, answer)
    if not answers:
        text = f"no-grant: plan {plan_id} waits for a person"
        context.emit({"type": "granted", "grant_id": None, "state": "no-grant", "text": text})
    return [answer.plan for answer in answers if answer.plan is not None]


def _tell(context: Context, answer: GrantAnswer) -> None:
    coverage, plan = answer.coverage, answer.plan
    grant_id = answer.grant.grant_id
    left = ", ".join(f"{count} {why}" for why, count in coverage.left.items())
    context.emit(
        {
            "type": "granted",
            "grant_id": grant_id,
            "state": coverage.state,
            "plan_id": plan.plan_id if plan else None,
            "objects": len(coverage.keys),
            "bytes": coverage.bytes,
            "left": coverage.left,
            "text": f"grant {grant_id} ({coverage.state}) covers {len(coverage.keys)} objects"
            + (f"; left: {left}" if left else ""),
        }
    )
