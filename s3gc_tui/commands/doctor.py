"""`s3gc doctor`: check everything, with a fix for each failure."""

from __future__ import annotations

from s3gc_core.actions.doctor import examine
from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit one line a check; exit 6 where any failed."""
    failed = 0
    async for check in examine(context.config(), write_probe=context.args.write_probe):
        failed += not check.ok
        mark = "ok  " if check.ok else "FAIL"
        context.emit(
            {
                "type": "check",
                "name": check.name,
                "ok": check.ok,
                "detail": check.detail,
                "fix": check.fix,
                "text": f"{mark} {check.name}: {check.detail}",
            }
        )
        if check.fix and not context.args.batch:
            context.emit({"type": "fix", "text": f"      fix: {check.fix}"})
    if failed:
        context.emit(
            {"type": "summary", "outcome": "failed", "operation_id": None, "failed": failed}
        )
        return ExitCode.UNREACHABLE
    return context.summary(failed=0)
