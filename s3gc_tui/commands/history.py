"""`s3gc history`: what became of objects."""

from __future__ import annotations

from s3gc_core.errors import ExitCode, NoSuchKey, NoSuchOperation
from s3gc_core.vault import CopyDamaged, DrillDiffered, Purged, Repaired, Restored, Result
from s3gc_tui.context import Context

_SHOWN = (Result, Restored, Purged, CopyDamaged, Repaired, DrillDiffered)


async def run(context: Context) -> ExitCode:
    """Emit the audit records about objects, oldest first."""
    args = context.args
    shown = 0
    async with context.collector() as collector:
        operations = {one.operation_id: one for one in await collector.audit.operations()}
        async for page in collector.audit.entries(operation_id=args.operation, key=args.key):
            for entry in page:
                record = entry.record
                if not isinstance(record, _SHOWN):
                    continue
                shown += 1
                operation = operations.get(entry.operation_id)
                outcome = _outcome(record)
                context.emit(
                    {
                        "type": "object",
                        "at": entry.at,
                        "operation_id": entry.operation_id,
                        "key": record.key,
                        "outcome": outcome,
                        "reason": record.reason,
                        "deletes": operation.deletes if operation else None,
                        "text": f"{entry.at:%Y-%m-%d %H:%M:%S}  {outcome:<13} {record.key}",
                    }
                )
        if not shown and args.key is not None:
            raise NoSuchKey("the audit log knows nothing of this key")
        if not shown and args.operation is not None and args.operation not in operations:
            raise NoSuchOperation(f"there is no operation {args.operation}")
    return context.summary("done" if shown else "nothing-to-do", records=shown)


def _outcome(
    record: Result | Restored | Purged | CopyDamaged | Repaired | DrillDiffered,
) -> str:
    if isinstance(record, Purged):
        return "purged"
    if isinstance(record, CopyDamaged):
        return "copy-damaged"
    if isinstance(record, Repaired):
        return "repaired"
    return "differing" if isinstance(record, DrillDiffered) else record.outcome.value
