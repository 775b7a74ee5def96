"""`s3gc registry`: the store of references."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing

from s3gc_core.actions.registry import RegistryStats
from s3gc_core.errors import ExitCode
from s3gc_core.references import Drift, DriftKind
from s3gc_tui.context import Context
from s3gc_tui.lines import Record


async def run(context: Context) -> ExitCode:
    """Do one of the actions."""
    action = {"stats": _stats, "verify": _verify, "rebuild": _rebuild}[context.args.action]
    return await action(context)


async def _stats(context: Context) -> ExitCode:
    async with context.collector() as collector:
        stats = await collector.registry_stats()
    _sources(context, stats)
    return context.summary(
        "done" if stats.sources else "nothing-to-do",
        sources=len(stats.sources),
        keys=sum(source.keys for source in stats.sources),
        bytes=stats.bytes,
        valid_at=stats.valid_at,
    )


async def _verify(context: Context) -> ExitCode:
    counts: Counter[DriftKind] = Counter()
    async with context.collector() as collector, aclosing(collector.verify_registry()) as pages:
        async for page in pages:
            for drift in page:
                counts[drift.kind] += 1
                context.emit(_drift(drift))
    return context.summary(
        "partial" if counts else "done",
        missing=counts[DriftKind.MISSING],
        surplus=counts[DriftKind.SURPLUS],
    )


async def _rebuild(context: Context) -> ExitCode:
    dry_run: bool = context.args.dry_run
    async with context.collector() as collector:
        rebuilt = await collector.rebuild_registry(dry_run=dry_run)
        stats = await collector.registry_stats()
    for source in rebuilt.drift:
        context.emit(
            {
                "type": "changed",
                "source": source.source,
                "missing": source.missing,
                "surplus": source.surplus,
                "text": f"{source.missing:>12} were missing {source.surplus:>12} too many"
                f"  {source.source}",
            }
        )
    if not dry_run:
        _sources(context, stats)
    return context.summary(
        "done",
        rebuilt.operation_id,
        sources=len(stats.sources),
        valid_at=stats.valid_at,
        missing=sum(source.missing for source in rebuilt.drift),
        surplus=sum(source.surplus for source in rebuilt.drift),
        dry_run=dry_run,
    )


def _sources(context: Context, stats: RegistryStats) -> None:
    for source in stats.sources:
        context.emit(
            {
                "type": "source",
                "name": source.name,
                "rows": source.rows,
                "keyed": source.keyed,
                "keys": source.keys,
                "first_read": source.first_read,
                "last_read": source.last_read,
                "text": f"{source.rows:>12} rows {source.keyed:>12} with keys"
                f" {source.keys:>12} keys  {source.name}",
            }
        )


def _drift(drift: Drift) -> Record:
    about = f": {drift.key}" if drift.key is not None else ""
    return {
        "type": drift.kind,
        "source": drift.source,
        "row": drift.row,
        # As text: JSON's readers may take numbers for doubles, which end at 53 bits.
        "hash": f"{drift.hash & (1 << 64) - 1:016x}",
        "key": drift.key,
        "text": f"{drift.kind:<8} {drift.source} row {drift.row}{about}",
    }
