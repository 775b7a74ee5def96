"""What the audit log remembers of grants: which there are, and what was deleted under each."""

from __future__ import annotations

from datetime import datetime

import msgspec

from s3gc_core.judgement.grants import Grant, Used, refuses_plan
from s3gc_core.judgement.memory import executions_of
from s3gc_core.judgement.plans import Plan, PlanHistory
from s3gc_core.vault import (
    AuditLog,
    Granted,
    GrantRevoked,
    Intent,
    Outcome,
    PlanDecided,
    Result,
)


async def all_grants(audit: AuditLog) -> list[Grant]:
    """Every grant ever made, oldest first."""
    found: dict[str, Grant] = {}
    async for page in audit.entries(kinds=("granted", "grant-revoked")):
        for entry in page:
            said = entry.record
            if isinstance(said, Granted):
                found[said.grant_id] = Grant(
                    said.grant_id,
                    said.actor,
                    said.reason,
                    tuple(said.prefixes),
                    said.max_objects,
                    said.max_bytes,
                    entry.at,
                    said.expires_at,
                )
            elif isinstance(said, GrantRevoked) and said.grant_id in found:
                ended = msgspec.structs.replace(found[said.grant_id], revoked=True)
                found[said.grant_id] = ended
    return list(found.values())


async def used_under(audit: AuditLog, grant_id: str, *, without: str | None = None) -> Used:
    """What was deleted under a grant, deletions that recovery inferred included.

    `without` is a plan that is not counted.
    """
    plans = set()
    async for page in audit.entries(kinds=("plan-decided",)):
        for entry in page:
            if isinstance(entry.record, PlanDecided) and entry.record.grant == grant_id:
                plans.add(entry.record.plan_id)
    objects = size = 0
    for plan_id in plans - {without}:
        for run in await executions_of(audit, plan_id):
            of_run = await _deleted(audit, run.operation_id)
            objects, size = objects + of_run.objects, size + of_run.bytes
    return Used(objects, size)


async def _deleted(audit: AuditLog, operation_id: str) -> Used:
    sizes: dict[str, int] = {}
    objects = size = 0
    async for page in audit.entries(operation_id=operation_id, kinds=("intent", "result")):
        for entry in page:
            if isinstance(entry.record, Intent):
                sizes[entry.record.key] = entry.record.size
            elif isinstance(entry.record, Result) and entry.record.outcome is Outcome.DELETED:
                objects, size = objects + 1, size + sizes[entry.record.key]
    return Used(objects, size)


async def grant_refusal(
    audit: AuditLog, plan: Plan, history: PlanHistory, *, now: datetime, count: bool = True
) -> str:
    """Why the grant that approved a plan no longer lets it be executed; empty where it does, and
    for a plan that a person approved.

    Without `count` it is not added up what other plans used of the budget.
    """
    if history.grant is None:
        return ""
    grant = {grant.grant_id: grant for grant in await all_grants(audit)}.get(history.grant)
    used = await used_under(audit, history.grant, without=plan.plan_id) if count else Used()
    return refuses_plan(grant, plan.objects, plan.bytes, used, now)
