"""`s3gc why KEY`: every layer and every reference of one key, asked now."""

from __future__ import annotations

from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit the four layers, the references and the backups of a key."""
    key = context.args.key
    async with context.collector() as collector:
        found = await collector.why(key)
    if found.judged is not None:
        for name in ("registry", "database", "retention", "exclusion"):
            layer = getattr(found.judged.layers, name)
            text = f"{name:<10} {layer.verdict:<8} {layer.reason}"
            context.emit(
                {
                    "type": "layer",
                    "layer": name,
                    "verdict": layer.verdict,
                    "reason": layer.reason,
                    "text": text,
                }
            )
    for reference in found.references:
        where = f"{reference.database} {reference.table}.{reference.column} row {reference.row}"
        context.emit(
            {
                "type": "reference",
                "database": reference.database,
                "table": reference.table,
                "column": reference.column,
                "row": reference.row,
                "seen_by": reference.seen_by,
                "text": f"reference  {where} (seen by the {reference.seen_by})",
            }
        )
    for backup in found.backups:
        text = f"backup     of {backup.deleted_at:%Y-%m-%d %H:%M} UTC in {backup.operation_id}"
        context.emit(
            {
                "type": "backup",
                "operation_id": backup.operation_id,
                "deleted_at": backup.deleted_at,
                "size": backup.size,
                "text": text,
            }
        )
    verdict = found.judged.verdict if found.judged else None
    return context.summary(key=key, in_bucket=found.judged is not None, verdict=verdict)
