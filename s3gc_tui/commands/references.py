"""`s3gc references`: what is covered, who vouches for the rest, and rows without their object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_core.references import Covered
from s3gc_tui import records
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Do what the action says."""
    match context.args.action:
        case "coverage":
            return await _coverage(context)
        case "dangling":
            return await _dangling(context)
        case _:
            return await _decide(context)


async def _coverage(context: Context) -> ExitCode:
    async with context.collector() as collector:
        ledger = await collector.coverage()
    shown = [column for column in ledger if column.is_open or not context.args.open]
    _emit(context, shown)
    counts = Counter(str(column.standing) for column in ledger)
    return context.summary(
        "done" if ledger else "nothing-to-do",
        columns=len(ledger),
        standings=dict(counts),
        open=sum(column.is_open for column in ledger),
    )


async def _decide(context: Context) -> ExitCode:
    args = context.args
    if not args.reason.strip():
        raise ConfigurationError(
            [Problem("--reason", "nothing", "why, in words")], origin=f"references {args.action}"
        )
    async with context.collector() as collector:
        act = collector.clear_columns if args.action == "clear" else collector.reopen_columns
        columns = await act(args.name, reason=args.reason)
    _emit(context, columns)
    return context.summary("done", columns=len(columns))


async def _dangling(context: Context) -> ExitCode:
    found = in_vault = 0
    async with context.collector() as collector:
        async for page in collector.dangling():
            for one in page:
                context.emit(records.dangling(one))
                found += 1
                in_vault += bool(one.in_vault)
    return context.summary("done" if found else "nothing-to-do", dangling=found, in_vault=in_vault)


def _emit(context: Context, columns: Sequence[Covered]) -> None:
    for column in columns:
        context.emit(records.covered(column))
