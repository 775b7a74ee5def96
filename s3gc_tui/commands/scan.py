"""`s3gc scan`: list, read the references, judge, make a plan."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_core.judgement import ScanSummary, versioning_note
from s3gc_tui import records
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Scan once; exit 3 where a guard blocked the run."""
    accept, reason = accepted(context)
    found: dict[str, object] = {}
    async with context.collector() as collector:
        # Looked up first: a plan that is not there is told before a long scan, not after it.
        since = await collector.whole_plan(context.args.since) if context.args.since else None
        summary = await collector.scan(accept, reason)
        if since is not None:
            new = 0
            async for page in collector.new_orphans(since, scan_id=summary.scan_id):
                for judged in page:
                    context.emit(records.candidate(judged))
                new += len(page)
            found = {"since": since.plan_id, "new": new}
    return tell(context, summary, found)


def accepted(context: Context) -> tuple[list[str], str]:
    """The guards that a person takes responsibility for, and why; not without a reason."""
    accept, reason = context.args.accept, context.args.reason
    if accept and not reason.strip():
        raise ConfigurationError(
            [Problem("--reason", "nothing", "why the guard may be accepted, in words")],
            origin=f"{context.args.command} --accept",
        )
    return accept, reason


def tell(
    context: Context,
    summary: ScanSummary,
    more: Mapping[str, object] = MappingProxyType({}),
    *,
    executed: str | None = None,
) -> ExitCode:
    """Emit a scan's summary, with `more` at its end; `executed` is the outcome of what was executed
    beside it, where that is worse than done.
    """
    outcome = executed or ("done" if summary.orphans else "nothing-to-do")
    if summary.blocked:
        outcome = "blocked"
    return context.summary(
        outcome,
        summary.scan_id,
        plan_id=summary.plan_id,
        listed=summary.listed,
        referenced=summary.referenced,
        candidates=summary.candidates,
        orphans=summary.orphans,
        held=summary.held,
        kept=summary.kept,
        bytes=summary.bytes,
        sources=summary.sources,
        matches=summary.matches,
        unsearched=summary.unsearched,
        returned=summary.returned,
        unmatched_exclusions=summary.unmatched_exclusions,
        search_skipped=summary.search_skipped,
        search_unread=summary.search_unread,
        unmatched_skips=summary.unmatched_skips,
        versioning=summary.versioning,
        note=versioning_note(summary.versioning),
        blocked=[
            {"guard": t.label, "reason": t.reason, "next_step": t.next_step}
            for t in summary.blocked
        ],
        **more,
    )
