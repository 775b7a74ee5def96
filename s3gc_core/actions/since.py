"""What is new: orphans of a scan that an earlier plan's scan did not find."""

from __future__ import annotations

from collections.abc import AsyncIterator

from s3gc_core.actions.parts import Parts
from s3gc_core.judgement import Judged, ObjectVerdict, Plan


async def whole_plan(parts: Parts, plan_id: str) -> Plan:
    """The plan of everything a scan found, from which the named one may be a part.

    Raises `NoSuchPlan`, `PlanGone`.
    """
    plan = await parts.plan(plan_id)
    while plan.parent is not None:
        plan = await parts.plan(plan.parent)
    return plan


async def new_orphans(
    parts: Parts, scan_id: str, since: Plan, *, prefix: str = ""
) -> AsyncIterator[list[Judged]]:
    """Orphans of a scan that `since` does not hold with the same ETag, by key, in pages."""
    catalogue = parts.catalogue
    async for page in catalogue.candidates(scan_id, verdict=ObjectVerdict.ORPHAN, prefix=prefix):
        known = await catalogue.planned_etags(since.plan_id, [one.object.key for one in page])
        if new := [one for one in page if known.get(one.object.key) != one.object.etag]:
            yield new
