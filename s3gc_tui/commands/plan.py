"""`s3gc plan`: list, show, approve or reject plans."""

from __future__ import annotations

from s3gc_core.collector import Collector
from s3gc_core.config import Images
from s3gc_core.errors import ExitCode
from s3gc_core.judgement import Plan, PlanHistory, versioning_note
from s3gc_core.vault import is_called_picture, may_be_lossy
from s3gc_tui import records
from s3gc_tui.context import Context
from s3gc_tui.lines import Record
from s3gc_tui.words import LOSSY_IMAGES


async def run(context: Context) -> ExitCode:
    """Do one of the four actions."""
    args = context.args
    async with context.collector() as collector:
        if args.action == "list":
            plans = await collector.plans()
            for plan, history in plans:
                context.emit(record(plan, history))
            return context.summary("done" if plans else "nothing-to-do", plans=len(plans))
        if args.action == "show":
            plan, history = await collector.plan(args.id)
            may = called = 0
            async for page in collector.plan_items(args.id):
                for item in page:
                    context.emit(records.planned(item))
                    if may_be_lossy(item.size):
                        may += 1
                        called += is_called_picture(item.key)
            return context.summary(
                **_facts(plan, history.state),
                unsafe_store=collector.config.unsafe_store,
                note=await _note(collector),
                **_lossy(collector, may, called),
            )
        if args.action == "approve":
            plan = await collector.approve(
                args.id, reason=args.reason, prefixes=args.prefix, keys=args.key
            )
            return context.summary(
                **_facts(plan, "approved"),
                note=await _note(collector),
                images=collector.config.images,
            )
        plan = await collector.reject(args.id, reason=args.reason)
        return context.summary(**_facts(plan, "rejected"))


def _lossy(collector: Collector, may: int, called: int) -> dict[str, object]:
    """How many objects could be stored LOSSY: by their size at most, and those called pictures."""
    images = collector.config.images
    if images is not Images.COMPACT:
        return {"images": images}
    return {
        "images": images,
        "lossy_at_most": may,
        "lossy_called_pictures": called,
        "lossy_note": LOSSY_IMAGES,
    }


async def _note(collector: Collector) -> str:
    """What the last scan learned about the bucket that whoever decides has to know."""
    scan = await collector.last_scan()
    return versioning_note(scan.versioning) if scan else ""


def record(plan: Plan, history: PlanHistory) -> Record:
    """One plan as a line."""
    text = (
        f"{plan.plan_id}  {history.state:<9} {plan.objects:>8} objects {plan.bytes:>14} bytes"
        f"  expires {plan.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    return {"type": "plan", **_facts(plan, history.state), "text": text}


def _facts(plan: Plan, state: str) -> dict[str, object]:
    return {
        "plan_id": plan.plan_id,
        "state": state,
        "objects": plan.objects,
        "bytes": plan.bytes,
        "created_at": plan.created_at,
        "expires_at": plan.expires_at,
        "sha256": plan.sha256,
        "parent": plan.parent,
        "confirm": plan.confirmation,
    }
