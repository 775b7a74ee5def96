"""`s3gc candidates`: the objects no row refers to, with the verdict of each layer."""

from __future__ import annotations

from collections import Counter

from s3gc_core.errors import ExitCode
from s3gc_core.judgement import ObjectVerdict
from s3gc_tui import records
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit one line an object."""
    args = context.args
    verdict = ObjectVerdict(args.verdict) if args.verdict else None
    shown: Counter[str] = Counter()
    async with context.collector() as collector:
        async for page in collector.candidates(
            plan_id=args.plan, verdict=verdict, prefix=args.prefix
        ):
            for judged in page:
                context.emit(records.candidate(judged))
                shown[judged.verdict] += 1
    return context.summary(
        "done" if shown else "nothing-to-do", shown=shown.total(), verdicts=dict(shown)
    )
