"""`s3gc registry`: the store of references."""

from __future__ import annotations

from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Show rows and keys per source, after reading all sources anew with `rebuild`."""
    operation_id = None
    async with context.collector() as collector:
        if context.args.action == "rebuild":
            operation_id = await collector.rebuild_registry()
        stats = await collector.registry.stats()
        valid_at = await collector.registry.valid_at()
    for source in stats:
        context.emit(
            {
                "type": "source",
                "name": source.name,
                "rows": source.rows,
                "keys": source.keys,
                "text": f"{source.rows:>12} rows {source.keys:>12} keys  {source.name}",
            }
        )
    return context.summary(
        "done" if stats else "nothing-to-do", operation_id, sources=len(stats), valid_at=valid_at
    )
