"""Approving and rejecting plans: by a named person, with a reason, for exactly what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core import log
from s3gc_core.actions.parts import Parts
from s3gc_core.errors import PlanChanged
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor
from s3gc_core.judgement import (
    Plan,
    PlanState,
    check_decidable,
    check_executable,
    check_second_person,
    grant_refusal,
    plan_histories,
    plan_history,
)
from s3gc_core.vault import PlanDecided, PlanRecorded


async def approve(
    parts: Parts,
    plan_id: str,
    *,
    reason: str,
    prefixes: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> Plan:
    """Approve a plan, or a part of it, which then becomes a frozen plan of its own.

    Raises `PlanFinished`, `PlanExpired`, `NoSuchPlan`, `NoSuchKey` (nothing selected), and
    `PlanChanged` where its scan was killed before the audit log had it.
    """
    plan = await _undecided(parts, plan_id)
    if (await plan_history(parts.audit, plan)).recorded_sha256 is None:
        # Never executable, it would be in the way of every unattended run until it expires.
        raise PlanChanged(f"plan {plan_id} is not in the audit log: its scan did not end")
    operation_id = new_id()
    records: list[PlanRecorded | PlanDecided] = []
    if prefixes or keys:
        plan = await parts.catalogue.select_plan(plan, new_id(), prefixes, frozenset(keys))
        records.append(plan_record(plan))
    records.append(PlanDecided(plan.plan_id, plan.sha256, True, actor(), reason))
    await parts.audit.append(operation_id, records)
    await parts.audit.anchor()
    log.info("plan_approved", plan_id=plan.plan_id, objects=plan.objects, bytes=plan.bytes)
    return plan


async def reject(parts: Parts, plan_id: str, *, reason: str) -> Plan:
    """Reject a plan for good. Raises `PlanFinished`, `PlanExpired`, `NoSuchPlan`."""
    plan = await _undecided(parts, plan_id)
    decided = PlanDecided(plan.plan_id, plan.sha256, False, actor(), reason)
    await parts.audit.append(new_id(), [decided])
    await parts.audit.anchor()
    return plan


async def check(parts: Parts, plan_id: str, *, confirm: str) -> Plan:
    """Raise what would refuse the execution of a plan at its start, by what is known of the plan.

    For who starts one as a process of its own: that asks again, and much more.
    """
    plan = await parts.plan(plan_id)
    history = await plan_history(parts.audit, plan)
    check_executable(
        plan,
        history,
        recomputed_sha256=await parts.catalogue.recompute_sha256(plan),
        mode=parts.config.mode,
        confirmation=confirm,
        now=parts.clock.now(),
    )
    if parts.config.require_second_person:
        check_second_person(plan, history, executor=actor())
    return plan


async def approved_plan(parts: Parts) -> Plan | None:
    """The oldest plan that is approved (or begun), not ended and not expired.

    One that a grant approved, only while the grant holds.
    """
    plans = (await parts.catalogue.plans())[::-1]
    for plan, history in zip(plans, await plan_histories(parts.audit, plans), strict=True):
        waiting = history.state in (PlanState.APPROVED, PlanState.EXECUTING)
        now = parts.clock.now()
        if not waiting or not history.approved or now >= plan.expires_at:
            continue
        if not await grant_refusal(parts.audit, plan, history, now=now):
            return plan
    return None


async def _undecided(parts: Parts, plan_id: str) -> Plan:
    plan = await parts.plan(plan_id)
    check_decidable(plan, await plan_history(parts.audit, plan), now=parts.clock.now())
    return plan


def plan_record(plan: Plan) -> PlanRecorded:
    """A plan as the audit log keeps it."""
    return PlanRecorded(
        plan.plan_id, plan.sha256, plan.objects, plan.bytes, plan.expires_at, plan.parent
    )
