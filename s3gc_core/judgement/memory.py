"""What the audit log remembers, as judgement needs it: earlier scans, identity, plans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from s3gc_core.config import Mode
from s3gc_core.judgement.day_budget import Deletion
from s3gc_core.judgement.guards import Identity
from s3gc_core.judgement.plans import Plan, PlanHistory
from s3gc_core.judgement.scan import Before
from s3gc_core.references import Clearance, ColumnId
from s3gc_core.vault import (
    AuditLog,
    Bound,
    ColumnDecided,
    Intent,
    Operation,
    Outcome,
    PlanDecided,
    PlanRecorded,
    Result,
    ScanRecorded,
)


async def identity_bound(audit: AuditLog) -> Identity | None:
    """The bucket and databases this vault was bound to; None before the first scan."""
    bound = await audit.last(Bound)
    if bound is None:
        return None
    return Identity(bound.record.bucket, bound.record.databases, bound.record.marks)


async def before_this_scan(audit: AuditLog) -> Before:
    """The last scan that no guard blocked, and how many objects we ourselves removed since."""
    last = await audit.last(ScanRecorded)
    if last is None:
        return Before(cleared=await clearances(audit))
    record = last.record
    removed = await audit.removed_since_scan()
    cleared = await clearances(audit)
    return Before(record.listed, removed, record.sources, record.matches, cleared)


async def clearances(audit: AuditLog) -> dict[ColumnId, Clearance]:
    """Columns that a person says hold no keys, as far as that was not taken back."""
    cleared: dict[ColumnId, Clearance] = {}
    async for page in audit.entries(kinds=("column-decided",)):
        for entry in page:
            if not isinstance(entry.record, ColumnDecided):
                continue
            said = entry.record
            id_ = ColumnId(said.database, said.table, said.column)
            cleared.pop(id_, None)
            if said.cleared:
                cleared[id_] = Clearance(said.type, said.actor, entry.at, said.reason)
    return cleared


async def deleted_since(audit: AuditLog, since: datetime) -> list[Deletion]:
    """What executions deleted after `since` (UTC), inferred deletions included."""
    deleted: list[Deletion] = []
    # Newest first, a result comes before its intent, which knows the size.
    sought: dict[tuple[str, str], datetime] = {}
    async for page in audit.entries(kinds=("intent", "result"), newest_first=True):
        for entry in page:
            if entry.at <= since and not sought:
                return deleted
            record = entry.record
            if isinstance(record, Intent):
                at = sought.pop((entry.operation_id, record.key), None)
                if at is not None:
                    deleted.append(Deletion(at, record.size, record.key))
            elif (
                isinstance(record, Result)
                and record.outcome is Outcome.DELETED
                and entry.at > since
            ):
                sought[entry.operation_id, record.key] = entry.at
    return deleted + [Deletion(at, 0, key) for (_, key), at in sought.items()]


async def plan_history(audit: AuditLog, plan: Plan) -> PlanHistory:
    """What was decided about a plan, and how far its execution went."""
    return (await plan_histories(audit, [plan]))[0]


async def plan_histories(audit: AuditLog, plans: Sequence[Plan]) -> list[PlanHistory]:
    """The same of many plans, in their order, from one reading of the log."""
    recorded = await recorded_plans(audit)
    decided: dict[tuple[str, str], PlanDecided] = {}
    async for page in audit.entries(kinds=("plan-decided",)):
        for entry in page:
            if isinstance(entry.record, PlanDecided):
                decided[entry.record.plan_id, entry.record.sha256] = entry.record
    runs: defaultdict[str | None, list[Operation]] = defaultdict(list)
    for operation in await audit.operations():
        if _executed(operation):
            runs[operation.started.plan_id].append(operation)
    return [
        _history(
            recorded.get(plan.plan_id),
            decided.get((plan.plan_id, plan.sha256)),
            runs[plan.plan_id],
        )
        for plan in plans
    ]


async def recorded_plans(audit: AuditLog) -> dict[str, str]:
    """The hash of every plan ever made, by its id, whether it is still kept or not."""
    return {
        entry.record.plan_id: entry.record.sha256
        async for page in audit.entries(kinds=("plan",))
        for entry in page
        if isinstance(entry.record, PlanRecorded)
    }


async def executions_of(audit: AuditLog, plan_id: str) -> list[Operation]:
    """Executions of a plan that were not refused at once."""
    return [
        operation
        for operation in await audit.operations()
        if operation.started.plan_id == plan_id and _executed(operation)
    ]


def _executed(operation: Operation) -> bool:
    """Runs in audit_only mode delete nothing and do not count, nor do refused ones."""
    started, finished = operation.started, operation.finished
    return (
        started.what == "execute"
        and started.mode == Mode.EXECUTE
        and not (finished and finished.outcome == "blocked")
    )


def _history(
    recorded: str | None, decided: PlanDecided | None, runs: Sequence[Operation]
) -> PlanHistory:
    return PlanHistory(
        recorded_sha256=recorded,
        approved=decided.approved if decided else None,
        approved_by=decided.actor if decided else None,
        started=bool(runs),
        finished=any(run.finished and run.finished.outcome in ("done", "partial") for run in runs),
        decided_because=decided.reason if decided else None,
        grant=decided.grant if decided else None,
    )
