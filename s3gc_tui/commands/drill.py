"""`s3gc drill`: restore some backups beside the live objects, and compare everything."""

from __future__ import annotations

from s3gc_core.actions.scheduled import Timed
from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Drill, and tell each object that did not come back as it was."""
    args = context.args
    slot = args.scheduled
    async with (
        context.collector() as collector,
        collector.of_schedule(Timed.DRILL, slot) as is_open,
    ):
        if not is_open:
            return context.summary("nothing-to-do", scheduled=slot)
        found = await collector.drill(sample=args.sample, to=args.to, seed=args.seed)
        async for page in collector.drill_differences(found.operation_id):
            for one in page:
                context.emit(
                    {
                        "type": "object",
                        "key": one.key,
                        "outcome": "differing",
                        "from_operation": one.from_operation,
                        "reason": one.reason,
                        "text": f"{'differing':<13} {one.key}  {one.reason}",
                    }
                )
    for left in found.left:
        text = f"could not be removed, the next drill tries again: {left}"
        context.emit({"type": "left", "place": left, "text": text})
    return context.summary(
        found.outcome,
        found.operation_id,
        checked=found.checked,
        differing=found.differing,
        left=len(found.left),
        seed=found.seed,
        where=found.where,
    )
