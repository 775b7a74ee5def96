"""`s3gc grant`: what unattended runs may delete without a person looking at each plan."""

from __future__ import annotations

from s3gc_core.actions.granting import GrantStanding
from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context
from s3gc_tui.lines import Record


async def run(context: Context) -> ExitCode:
    """Do one of the three actions."""
    args = context.args
    async with context.collector() as collector:
        if args.action == "list":
            standings = await collector.grants()
            for standing in standings:
                context.emit(record(standing))
            return context.summary("done" if standings else "nothing-to-do", grants=len(standings))
        if args.action == "create":
            made = await collector.grant(
                prefixes=args.prefix,
                everything=args.everything,
                max_objects=args.max_objects,
                max_bytes=args.max_bytes,
                days=args.days,
                reason=args.reason,
            )
        else:
            made = await collector.revoke_grant(args.id, reason=args.reason)
    return context.summary(**_facts(made))


def record(standing: GrantStanding) -> Record:
    """One grant as a line."""
    grant, used = standing.grant, standing.used
    scope = " ".join(grant.prefixes) or "everything"
    text = (
        f"{grant.grant_id}  {standing.state:<13} {used.objects} of {grant.max_objects} objects,"
        f" {used.bytes} of {grant.max_bytes} bytes, until {grant.expires_at:%Y-%m-%d %H:%M} UTC,"
        f" by {grant.actor}: {scope}"
    )
    return {"type": "grant", **_facts(standing), "text": text}


def _facts(standing: GrantStanding) -> dict[str, object]:
    grant, used = standing.grant, standing.used
    return {
        "grant_id": grant.grant_id,
        "state": standing.state,
        "prefixes": list(grant.prefixes),
        "objects": used.objects,
        "max_objects": grant.max_objects,
        "bytes": used.bytes,
        "max_bytes": grant.max_bytes,
        "granted_at": grant.granted_at,
        "expires_at": grant.expires_at,
        "actor": grant.actor,
        "reason": grant.reason,
    }
