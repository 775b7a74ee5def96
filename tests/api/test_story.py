"""A whole life over HTTP: scan, look, approve, execute, restore; who acted is in the audit log."""

from __future__ import annotations

from s3gc_core.vault import PlanDecided
from tests.api.asking import Asking
from tests.stories.staging import ORPHANS, USED
from tests.world import World


async def test_a_whole_life(world: World, asking: Asking) -> None:
    scanned = await asking.ended(await asking("POST", "/run", status=202))
    assert (scanned["outcome"], scanned["error"]) == ("done", None)
    [scan] = scanned["operations"]
    status = await asking("GET", "/status")
    assert status["last_scan"]["orphans"] == 4
    [plan] = await asking("GET", "/plans")
    first = await asking("GET", "/candidates", limit=3)
    rest = await asking("GET", "/candidates", limit=3, after=first["next"], verdict="orphan")
    found = [one["key"] for one in first["candidates"] + rest["candidates"]]
    assert (found, rest["next"]) == (sorted(ORPHANS), None)
    objects = await asking("GET", f"/plans/{plan['plan_id']}/objects")
    assert [one["key"] for one in objects["objects"]] == sorted(ORPHANS)
    why = await asking("GET", "/why", key=USED)
    assert (why["verdict"], why["references"][0]["table"]) == ("keep", "files")

    nobody = await asking("GET", "/why", status=404, key="no/such")
    assert nobody["error"] == "no-such-key"

    # Nothing is deleted that was not approved, nor without the plan's own words.
    path = f"/plans/{plan['plan_id']}"
    confirm = {"confirm": plan["confirm"]}
    refused = await asking("POST", f"{path}/execute", confirm, status=409)
    assert refused["error"] == "not-approved"
    approved = await asking("POST", f"{path}/approve", {"reason": "looked at each"})
    assert (approved["state"], approved["decided_by"]) == ("approved", "api:deployer")
    wrong = await asking("POST", f"{path}/execute", {"confirm": "photos 5"}, status=409)
    assert wrong["error"] == "confirmation-mismatch"
    assert await world.keys() == ORPHANS | {USED}
    executed = await asking.ended(await asking("POST", f"{path}/execute", confirm, status=202))
    assert await world.keys() == {USED}
    [execution] = executed["operations"]

    back = await asking.ended(await asking("POST", f"/restore/{execution}", status=202))
    assert await world.keys() == ORPHANS | {USED}

    operations = (await asking("GET", "/operations"))["operations"]
    assert [(o["what"], o["outcome"], o["actor"]) for o in operations[::-1]] == [
        ("scan", "done", "api:deployer"),
        ("execute", "done", "api:deployer"),
        ("restore", "done", "api:deployer"),
    ]
    assert operations[-1]["operation_id"] == scan
    assert operations[0]["job_id"] == back["job_id"]
    page = await asking("GET", "/operations", limit=2)
    last = await asking("GET", "/operations", limit=2, before=page["next"])
    assert page["operations"] + last["operations"] == operations
    assert last["next"] is None
    metrics = await asking("GET", "/metrics")
    assert (metrics["total_deleted"], metrics["total_restored"], metrics["total_runs"]) == (4, 4, 1)
    assert (await asking("GET", "/vault-stats"))["backups"] == 4
    async with world.collector() as collector:
        decided = [
            entry.record
            async for page in collector.audit.entries(kinds=("plan-decided",))
            for entry in page
        ]
        assert await collector.audit.verify() > 0
    [decision] = decided
    assert isinstance(decision, PlanDecided)
    assert (decision.actor, decision.reason) == ("api:deployer", "looked at each")
