"""`s3gc why KEY`: every layer and every reference of one key, asked now."""

from __future__ import annotations

from s3gc_core.actions.asking import Reference
from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context
from s3gc_tui.lines import Record


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
        context.emit(_reference("reference", reference))
    for reference in found.near:
        context.emit(_reference("near", reference))
    if found.last_reference is not None:
        last = found.last_reference
        row = f"{last.source} row {last.row}" if last.source else "a row that was not written down"
        context.emit(
            {
                "type": "last-reference",
                "source": last.source,
                "row": last.row,
                "gone_at": last.at,
                "text": f"last held  by {row}, seen to be gone {last.at:%Y-%m-%d %H:%M} UTC",
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
                "fidelity": "lossy" if backup.lossy else "exact",
                "text": text + ("  LOSSY" if backup.lossy else ""),
            }
        )
    verdict = found.judged.verdict if found.judged else None
    return context.summary(
        key=key,
        in_bucket=found.judged is not None,
        verdict=verdict,
        tried=found.tried,
        searched=found.searched,
    )


def _reference(kind: str, reference: Reference) -> Record:
    where = f"{reference.database} {reference.table}.{reference.column} row {reference.row}"
    spelt = f" as {reference.spelling}" if reference.spelling else ""
    since = f", since {reference.first_seen:%Y-%m-%d %H:%M} UTC" if reference.first_seen else ""
    return {
        "type": kind,
        "database": reference.database,
        "table": reference.table,
        "column": reference.column,
        "row": reference.row,
        "codec": reference.codec,
        "seen_by": reference.seen_by,
        "first_seen": reference.first_seen,
        "last_seen": reference.last_seen,
        "spelling": reference.spelling,
        "query": reference.query,
        "text": f"{kind:<10} {where}{spelt} (seen by the {reference.seen_by}{since})"
        + (f"  {reference.query}" if reference.query else ""),
    }
