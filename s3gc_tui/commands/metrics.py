"""`s3gc metrics`: what a monitoring system asks every minute, as Prometheus' text or as JSON."""

from __future__ import annotations

import asyncio

from s3gc_core.errors import ExitCode
from s3gc_core.exposition import alert_rules, exposition, families, labels, write_textfile
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Measure and tell; changes nothing."""
    args = context.args
    if args.print_alerts:
        _print(context, alert_rules())
        return ExitCode.DONE
    async with context.collector() as collector:
        metrics = await collector.metrics()
    text = exposition(families(metrics), labels(metrics))
    if args.textfile is not None:
        await asyncio.to_thread(write_textfile, args.textfile, text)
    elif not args.batch:
        _print(context, text)
        return ExitCode.DONE
    return context.summary(
        total_runs=metrics.total_runs,
        last_run_at=metrics.last_run_at,
        total_deleted=metrics.total_deleted,
        total_backed_up=metrics.total_backed_up,
        total_restored=metrics.total_restored,
        vault_size_bytes=metrics.vault_size_bytes,
        vault_free_bytes=metrics.free_bytes,
        avg_compression_ratio=metrics.avg_compression_ratio,
        last_error=metrics.last_error,
    )


def _print(context: Context, text: str) -> None:
    for line in text.splitlines():
        context.output.line(line)
