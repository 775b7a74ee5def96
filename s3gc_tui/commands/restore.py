"""`s3gc restore`: bring deleted objects back."""

from __future__ import annotations

from s3gc_core.collection import Selection
from s3gc_core.errors import ExitCode, NoSuchKey
from s3gc_tui.commands.execute import tell
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Restore what is selected, or with --dry-run say what that would be."""
    args = context.args
    selection = Selection(tuple(args.key), args.prefix, args.operation, args.as_of)
    async with context.collector() as collector:
        if args.dry_run:
            objects = size = missing = 0
            async for page in collector.preview(selection):
                for backup, present in page:
                    intent = backup.intent
                    if not present:
                        missing += 1
                        why = "its backup file is missing or cut"
                        context.emit(
                            {
                                "type": "damaged",
                                "key": intent.key,
                                "reason": why,
                                "text": f"{intent.key}: {why}",
                            }
                        )
                        continue
                    objects += 1
                    size += intent.size
                    context.emit(
                        {
                            "type": "restorable",
                            "key": intent.key,
                            "size": intent.size,
                            "operation_id": backup.operation_id,
                            "deleted_at": backup.deleted_at,
                            "text": f"{intent.size:>12}  {intent.key}",
                        }
                    )
            if not objects and not missing:
                raise NoSuchKey("the vault holds no backup of what was selected")
            outcome = "partial" if missing else "done"
            return context.summary(outcome, objects=objects, bytes=size, missing=missing)
        if args.to is not None:
            summary = await collector.restore_to_folder(selection, args.to)
        else:
            summary = await collector.restore(selection, overwrite=args.overwrite)
        return await tell(context, collector, summary)
