"""`s3gc --batch plan`, `execute` and `run`: deciding and deleting, each as a process."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.config import GuardLimits, Mode, PrefixBudget
from tests.tui.command_line import Record
from tests.tui.small_world import FORGOTTEN, LATER, PROTECTED, USED, SmallWorld

EVERYTHING = {*USED, *FORGOTTEN, *PROTECTED}


def confirmation(small: SmallWorld, objects: int = 3) -> list[str]:
    return ["--confirm", f"{small.world.config.bucket} {objects}"]


async def states(small: SmallWorld) -> dict[str, str]:
    ran = await small.cli.batch("plan", "list")
    return {plan["plan_id"]: plan["state"] for plan in ran.of("plan")}


async def test_a_plan_is_shown_object_by_object(small: SmallWorld) -> None:
    plan = await small.planned()
    ran = await small.cli.batch("plan", "show", plan)
    assert ran.code == 0
    shown = ran.of("planned")
    assert {p["key"]: p["size"] for p in shown} == {k: len(v) for k, v in FORGOTTEN.items()}
    fields = {"type", "key", "size", "etag", "last_modified", "layers"}
    assert [p.keys() for p in shown] == [fields] * 3
    assert (ran.summary["plan_id"], ran.summary["state"]) == (plan, "proposed")
    assert ran.summary["confirm"] == f"{small.world.config.bucket} 3"


async def test_a_part_of_a_plan_is_approved_as_a_plan_of_its_own(small: SmallWorld) -> None:
    plan = await small.planned()
    approve = ("plan", "approve", plan, "--reason", "they go")
    by_prefix = await small.cli.batch(*approve, "--prefix", "gone/")
    said = by_prefix.summary
    assert (by_prefix.code, said["state"], said["parent"]) == (0, "approved", plan)
    assert (said["objects"], said["confirm"]) == (2, f"{small.world.config.bucket} 2")
    by_key = await small.cli.batch(*approve, "--key", "left/c.txt", "--key", "gone/a.txt")
    parts = [said["plan_id"], by_key.summary["plan_id"]]
    assert await states(small) == {plan: "proposed", **dict.fromkeys(parts, "approved")}
    shown = await asyncio.gather(*(small.cli.batch("plan", "show", part) for part in parts))
    assert [{p["key"] for p in ran.of("planned")} for ran in shown] == [
        {"gone/a.txt", "gone/b.txt"},
        {"gone/a.txt", "left/c.txt"},
    ]


async def test_an_approval_of_nothing_leaves_no_plan(small: SmallWorld) -> None:
    plan = await small.planned()
    ran = await small.cli.batch("plan", "approve", plan, "--prefix", "x/", "--reason", "r")
    assert (ran.code, ran.summary["error"]) == (7, "no-such-key")
    assert await states(small) == {plan: "proposed"}


async def test_a_rejected_plan_stays_rejected(small: SmallWorld) -> None:
    plan = await small.planned()
    without = await small.cli.batch("plan", "reject", plan)
    assert (without.code, without.summary["error"]) == (2, "usage")
    assert await states(small) == {plan: "proposed"}
    rejected = await small.cli.batch("plan", "reject", plan, "--reason", "no")
    assert (rejected.code, rejected.summary["state"]) == (0, "rejected")
    assert await states(small) == {plan: "rejected"}
    again = await small.cli.batch("plan", "approve", plan, "--reason", "yes")
    execute = await small.cli.batch("execute", "--plan", plan, *confirmation(small))
    for ran in (again, execute):
        assert (ran.code, refusal(ran.summary)) == (3, "plan-finished")


async def test_execution_is_refused(small: SmallWorld) -> None:
    plan = await small.planned()
    arguments = ("execute", "--plan", plan)
    right = confirmation(small)
    refused = [await small.cli.batch(*arguments, *right, days=LATER)]
    approved = await small.cli.batch("plan", "approve", plan, "--reason", "they go")
    assert (approved.code, approved.summary["state"]) == (0, "approved")
    refused += [
        await small.cli.batch(*arguments, *right, days=LATER, S3GC_MODE="dry_run"),
        await small.cli.batch(*arguments, *right, days=LATER + 1.5),
        await small.cli.batch(*arguments, days=LATER),
        await small.cli.batch(*arguments, *confirmation(small, 4), days=LATER),
        await small.cli.batch(*arguments, "--confirm", "other 3", days=LATER),
    ]
    assert [(ran.code, refusal(ran.summary)) for ran in refused] == [
        (3, "not-approved"),
        (3, "dry-run-refused"),
        (3, "plan-expired"),
        *[(3, "confirmation-mismatch")] * 3,
    ]
    for ran in refused:
        assert [ran.summary[part] in ran.complaints for part in ("what", "why", "next_step")] == [
            True
        ] * 3
    assert await small.world.keys() == EVERYTHING


CONDITIONAL = {"batch": "conditional batch", "single": "conditional single"}


async def test_an_approved_plan_is_executed_once(small: SmallWorld) -> None:
    plan = await small.approved()
    arguments = ("execute", "--plan", plan, *confirmation(small))
    ran = await small.cli.batch(*arguments, days=LATER)
    assert ran.code == 0
    [summary] = ran.records
    operation_id = summary.pop("operation_id")
    assert summary == {
        "type": "summary",
        "outcome": "done",
        "deleted": 3,
        "bytes": sum(map(len, FORGOTTEN.values())),
        "plan_id": plan,
        "planned": 3,
        "done_before": 0,
        "deletes": CONDITIONAL,
        "encodings": {"raw": 1, "zstd 3": 2},
        "lossy": 0,
        "freed": sum(map(len, FORGOTTEN.values())),
        "note": "",
    }
    assert await small.world.keys() == {*USED, *PROTECTED}
    assert await states(small) == {plan: "executed"}
    assert await small.world.outcomes(operation_id) == dict.fromkeys(FORGOTTEN, "deleted")
    again = await small.cli.batch(*arguments, days=LATER)
    assert (again.code, refusal(again.summary)) == (3, "plan-finished")


async def test_with_the_real_clock_the_last_judgement_keeps_them_all(small: SmallWorld) -> None:
    plan = await small.approved()
    ran = await small.cli.batch("execute", "--plan", plan, *confirmation(small))
    assert (ran.code, ran.summary["outcome"], ran.summary["kept"]) == (0, "done", 3)
    assert {o["key"]: o["outcome"] for o in ran.of("object")} == dict.fromkeys(FORGOTTEN, "kept")
    assert all(o["reason"] for o in ran.of("object"))
    assert await small.world.keys() == EVERYTHING


async def test_an_overwritten_object_makes_it_partial(small: SmallWorld) -> None:
    plan = await small.approved()
    await small.world.put("gone/b.txt", b"newer", ObjectHeaders())
    ran = await small.cli.batch("execute", "--plan", plan, *confirmation(small), days=LATER)
    assert (ran.code, ran.summary["outcome"]) == (4, "partial")
    assert (ran.summary["deleted"], ran.summary["changed"]) == (2, 1)
    [told] = ran.of("object")
    assert told.keys() == {"type", "key", "outcome", "reason", "inferred"}
    assert (told["key"], told["outcome"], told["inferred"]) == ("gone/b.txt", "changed", False)
    assert await small.world.keys() == {*USED, *PROTECTED, "gone/b.txt"}


async def test_audit_only_says_what_it_would_delete(small: SmallWorld) -> None:
    plan = await small.approved()
    arguments = ("execute", "--plan", plan, *confirmation(small))
    ran = await small.cli.batch(*arguments, days=LATER, S3GC_MODE="audit_only")
    assert ran.code == 0
    assert {o["key"]: o["outcome"] for o in ran.of("object")} == dict.fromkeys(
        FORGOTTEN, "would-delete"
    )
    assert await small.world.keys() == EVERYTHING


async def test_run_deletes_only_what_was_approved_and_then_scans(small: SmallWorld) -> None:
    await small.planned()
    unapproved = await small.cli.batch("run", days=LATER)
    assert (unapproved.code, unapproved.of("executed")) == (0, [])
    assert await small.world.keys() == EVERYTHING
    plan = await small.approved("gone/a.txt")
    small.write_config(mode=Mode.DRY_RUN)
    later = small.world.clock.shift / timedelta(days=1)
    looking = await small.cli.batch("run", days=later)
    assert (looking.code, looking.of("executed")) == (0, [])
    assert await small.world.keys() == EVERYTHING
    small.write_config(mode=Mode.EXECUTE)
    ran = await small.cli.batch("run", days=later)
    [executed] = ran.of("executed")
    assert (ran.code, executed["outcome"], executed["counts"]) == (0, "done", {"deleted": 1})
    assert executed["plan_id"] == plan
    assert (ran.summary["listed"], ran.summary["orphans"]) == (5, 2)
    assert await small.world.keys() == EVERYTHING - {"gone/a.txt"}


async def test_a_plan_that_is_refused_keeps_no_run_from_scanning(small: SmallWorld) -> None:
    await small.approved("gone/a.txt")
    later = small.world.clock.shift / timedelta(days=1)
    before = (await small.cli.batch("status")).summary["audit_records"]
    small.write_config(mode=Mode.EXECUTE, retention_days=1)
    ran = await small.cli.batch("run", days=later)
    assert (ran.code, refusal(ran.summary)) == (3, "plan-drifted")
    operations = (await small.cli.batch("operations")).of("operation")
    assert operations[0]["what"] == "scan"
    assert (await small.cli.batch("status")).summary["audit_records"] > before
    assert await small.world.keys() == EVERYTHING


def refusal(summary: Record) -> str:
    """The name of the refusal, which `blocked` holds as well."""
    assert (summary["outcome"], summary["blocked"]) == ("blocked", [summary["error"]])
    name: str = summary["error"]
    return name


async def test_going_over_the_days_budget_takes_a_reason(small: SmallWorld) -> None:
    plan = await small.planned()
    ran = await small.cli.batch(
        "execute", "--plan", plan, "--confirm", "x 3", "--accept", "budget-per-day"
    )
    assert (ran.code, ran.summary["error"]) == (2, "configuration-error")
    assert "--reason" in ran.summary["what"]


async def test_a_prefix_goes_over_its_budget_by_its_own_name(small: SmallWorld) -> None:
    budgets = {"gone/": PrefixBudget(max_objects=1), "left/": PrefixBudget(max_objects_per_day=1)}
    small.write_config(guards=GuardLimits(max_share=1.0, prefixes=budgets))
    small.world.days(LATER)
    ran = await small.cli.batch("scan", days=LATER)
    blocked = [trip["guard"] for trip in ran.summary["blocked"]]
    assert (ran.code, blocked) == (3, ["budget-prefix:gone/"])
    reason = ("--reason", "they are right")
    ran = await small.cli.batch("scan", "--accept", "budget-prefix:gone/", *reason, days=LATER)
    assert ran.code == 0
    async with small.world.collector() as collector:
        plan = await collector.approve(ran.summary["plan_id"], reason="a test")
    execute = ("execute", "--plan", plan.plan_id, "--confirm", plan.confirmation, *reason)
    for wrong in ("budget-per-day", "budget", "budget-per-day:", "identity:bucket"):
        ran = await small.cli.batch(*execute, "--accept", wrong, days=LATER)
        assert ran.code == (3 if wrong == "budget-per-day" else 2)
    assert await small.world.keys() == EVERYTHING
    ran = await small.cli.batch(*execute, "--accept", "budget-per-day:gone/", days=LATER)
    assert (ran.code, ran.summary["deleted"]) == (0, 3)
