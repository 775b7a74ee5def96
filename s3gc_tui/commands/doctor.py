"""`s3gc doctor`: check everything, with a fix for each failure."""

from __future__ import annotations

import json
from dataclasses import asdict

from s3gc_core.actions.doctor import examine
from s3gc_core.actions.rights import bucket_policy, sql_grants
from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context
from s3gc_tui.safe_text import printable


async def run(context: Context) -> ExitCode:
    """Emit one line a check; exit 6 where any failed."""
    if context.args.print_policy:
        return _print_policy(context)
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


def _print_policy(context: Context) -> ExitCode:
    """The policy, then the grants: as records for scripts, else to be copied."""
    config = context.config()
    policy, grants = bucket_policy(config), sql_grants(config)
    if not context.args.batch:
        for line in json.dumps(policy, indent=2).splitlines():
            context.output.line(line)
        for grant in grants:
            where = f"{grant.database}, {grant.only}" if grant.only else grant.database
            context.output.line(printable(f"{grant.sql}  -- {where}: {grant.why}"))
        return ExitCode.DONE
    context.emit({"type": "bucket-policy", "policy": policy})
    for grant in grants:
        context.emit({"type": "grant", **asdict(grant)})
    return context.summary(grants=len(grants))
