"""`s3gc candidates`: the objects no row refers to, with the verdict of each layer."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import AsyncIterator

from s3gc_core.collector import Collector
from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_core.judgement import Judged, ObjectVerdict
from s3gc_tui import records
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit one line an object."""
    args = context.args
    verdict = ObjectVerdict(args.verdict) if args.verdict else None
    if args.since and verdict not in (None, ObjectVerdict.ORPHAN):
        raise ConfigurationError(
            [Problem("--verdict", args.verdict, "orphan, or left out")], origin="candidates --since"
        )
    shown: Counter[str] = Counter()
    async with context.collector() as collector:
        async for page in await _pages(collector, args, verdict):
            for judged in page:
                context.emit(records.candidate(judged))
                shown[judged.verdict] += 1
    return context.summary(
        "done" if shown else "nothing-to-do", shown=shown.total(), verdicts=dict(shown)
    )


async def _pages(
    collector: Collector, args: argparse.Namespace, verdict: ObjectVerdict | None
) -> AsyncIterator[list[Judged]]:
    if args.since:
        since = await collector.whole_plan(args.since)
        return collector.new_orphans(since, plan_id=args.plan, prefix=args.prefix)
    return collector.candidates(plan_id=args.plan, verdict=verdict, prefix=args.prefix)
