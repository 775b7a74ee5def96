"""kill -9 during a scan: nothing is deleted, and the next scan finds exactly the orphans."""

from __future__ import annotations

import asyncio
import random

from tests.faults.ground import Ground

NAMED = (
    "audit-append:after:1",
    "add-listing:before:1",
    "add-listing:after:1",
    "refresh:before:1",
    "refresh:after:1",
    "add-unreferenced:after:1",
    "add-candidates:before:1",
    "add-candidates:after:1",
    "add-folders:before:1",
    "add-folders:after:1",
    "create-plan:before:1",
    "create-plan:after:1",
    "finish-scan:before:1",
    "finish-scan:after:1",
    "anchor:before:1",
    "anchor-line:half:1",
)
RANDOM = 3
KILLS = len(NAMED) + RANDOM
SEED = 20261123


async def test_killed_during_a_scan(ground: Ground) -> None:
    chance = random.Random(SEED)
    for fault in NAMED:
        ended = await ground.children.run("scan", fault=fault)
        assert ended.killed, f"did not fire: {fault}"
        await _nothing_happened(ground)
    whole = (await ground.children.run("scan")).seconds
    kills = 0
    while kills < RANDOM:
        ended = await ground.children.run("scan", kill_after=chance.uniform(0, whole))
        kills += ended.killed
        await _nothing_happened(ground)
    # The next life is as if nothing had been.
    await ground.begin_round()
    await asyncio.to_thread(ground.oracle.everything_is_settled)
    await ground.end_round()


async def test_a_plan_that_a_killed_scan_left_cannot_be_executed(ground: Ground) -> None:
    """It is in the catalogue, but the audit log has never heard of it."""
    assert (await ground.children.run("scan", fault="finish-scan:after:1")).killed
    listed = await ground.children.run("plan", "list")
    (ground.plan_id,) = [str(line["plan_id"]) for line in listed.lines if line["type"] == "plan"]
    approved = await ground.children.run("plan", "approve", ground.plan_id, "--reason", "a test")
    assert (approved.returncode, approved.summary["error"]) == (3, "plan-changed")
    ended = await ground.children.run(*ground.execution)
    assert (ended.returncode, ended.summary["error"]) == (3, "not-approved")
    await _nothing_happened(ground)


async def _nothing_happened(ground: Ground) -> None:
    seen = await ground.after_kill()
    assert seen.only_in_vault == 0
    assert await asyncio.to_thread(ground.oracle.keys) == set(ground.objects)
    rows = await asyncio.to_thread(ground.oracle.rows)
    assert {row.kind for row in rows} <= {
        *("operation-started", "operation-finished", "scan", "bound", "plan", "plan-decided")
    }
    assert not (ground.vault / "backups").exists()
