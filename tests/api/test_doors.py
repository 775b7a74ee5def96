"""What batch can do beyond a cycle, by a token: chosen restores, drills, grants, guards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from s3gc_core.config import GuardLimits, PrefixBudget
from s3gc_core.errors import GuardBlocked
from s3gc_core.integrations import restoring as restores
from s3gc_core.integrations import setup_s3gc_plugin
from s3gc_core.vault import Granted, GrantRevoked, OperationStarted
from tests.api.asking import DAYS, ENVIRON, Asking, ask
from tests.service.scene import SHIFTED
from tests.stories.staging import ORPHANS, USED
from tests.world import World

A, B, C, D = sorted(ORPHANS)
SCOPE = {"max_objects": 5, "max_bytes": 1000, "days": 30, "reason": "left over"}


async def started(world: World) -> list[tuple[str, str, Mapping[str, str]]]:
    """What was begun, by whom, and with which arguments but the job's id."""
    async with world.collector() as collector:
        await collector.audit.verify()
        return [
            (one.what, one.actor, {k: v for k, v in one.arguments.items() if k != "job"})
            for page in [p async for p in collector.audit.entries(kinds=("operation-started",))]
            for entry in page
            if isinstance(one := entry.record, OperationStarted)
        ]


def outcomes(preview: Mapping[str, Any]) -> dict[str, str]:
    return {one["key"]: one["outcome"] for one in preview["objects"]}


async def test_restores_as_they_were_foreseen(world: World, asking: Asking) -> None:
    """By prefix, by time and by keys: a preview tells what comes, and writes nothing."""
    await world.collect()
    size = len(f"the bytes of {A}")
    everything = await asking("POST", "/restore-preview", {"prefix": "p/"})
    assert outcomes(everything) == dict.fromkeys(ORPHANS, "restored")
    assert (everything["counts"], everything["bytes"]) == ({"restored": 4}, 4 * size)
    assert everything["complete"]
    page = await asking("POST", "/restore-preview", {"prefix": ""}, limit=1)
    assert (len(page["objects"]), page["counts"]) == (1, {"restored": 4})
    # A time before all of them were made: nothing lived then.
    early = {"keys": [A], "as_of": "2001-01-01T00:00:00Z"}
    for path in ("/restore-preview", "/restore"):
        nothing = await asking("POST", path, early, status=404)
        assert nothing["error"] == "no-such-key"
    assert await world.keys() == {USED}

    job = await asking.ended(await asking("POST", "/restore", {"prefix": A[:3]}, status=202))
    assert (job["outcome"], await world.keys()) == ("done", {USED, A})
    # Of another time, and of two keys; what lives is kept, as it was foreseen.
    await world.put(A, b"newer")
    live = {"keys": [A, B], "as_of": (world.clock.now() - timedelta(days=1)).isoformat()}
    foreseen = outcomes(await asking("POST", "/restore-preview", live))
    job = await asking.ended(await asking("POST", "/restore", live, status=202))
    assert foreseen == {A: "newer-kept", B: "restored"}
    assert foreseen == await world.outcomes(job["operation_id"])
    assert await world.keys() == {USED, A, B}
    assert (await world.contents(A))[0] == b"newer"


async def test_a_restore_beside_the_live_objects_and_a_drill(world: World, asking: Asking) -> None:
    execution = (await world.collect()).operation_id
    beside = {"operation_id": execution, "to": {"bucket": world.config.bucket, "prefix": "back/"}}
    assert outcomes(await asking("POST", "/restore-preview", beside)) == dict.fromkeys(
        ORPHANS, "restored"
    )
    job = await asking.ended(await asking("POST", "/restore", beside, status=202))
    assert (job["outcome"], await world.keys()) == ("done", {USED, *(f"back/{k}" for k in ORPHANS)})
    itself = {"prefix": "", "to": {"bucket": world.config.bucket}}
    for path in ("/restore-preview", "/restore"):
        refused = await asking("POST", path, itself, status=422)
        assert refused["error"] == "request-unusable"
    drilled = await asking(
        "POST", "/drill", {"sample": 2, "seed": 7, "in_bucket": True}, status=202
    )
    assert (await asking.ended(drilled))["outcome"] == "done"
    assert (await asking("GET", "/status"))["last_drill"]["differing"] == 0
    _, _, *begun = await started(world)
    assert [(what, actor) for what, actor, _ in begun] == [
        ("restore", "api:deployer"),
        ("drill", "api:deployer"),
    ]
    assert begun[1][2] == {"sample": "2", "seed": "7", "to": world.config.drill_prefix}


async def test_a_guard_is_accepted_by_its_name_and_with_a_reason(world: World) -> None:
    """Neither a scan nor an execution goes over a budget on anybody else's word."""
    budgets = {"p/": PrefixBudget(max_objects=1, max_objects_per_day=1)}
    world.change(guards=GuardLimits(max_share=1.0, prefixes=budgets))
    world.days(DAYS)
    app = FastAPI()
    setup_s3gc_plugin(app, world.config, environ=ENVIRON, program=SHIFTED, clock=world.clock)
    asking = ask(app)
    async with app.router.lifespan_context(app), asking.client:
        [trip] = (await world.scan()).blocked
        assert trip.label == "budget-prefix:p/"
        right = {"accept": ["budget-prefix:p/"], "reason": "they are right"}
        scanned = await asking.ended(await asking("POST", "/scan", right, status=202))
        assert scanned["outcome"] == "done"
        [plan] = await asking("GET", "/plans")
        path, confirm = f"/plans/{plan['plan_id']}", {"confirm": plan["confirm"]}
        await asking("POST", f"{path}/approve", {"reason": "a test"})
        async with world.collector() as collector:
            with pytest.raises(
                GuardBlocked, match="budget-per-day: with the 0 objects that were deleted under p/"
            ):
                await collector.execute(plan["plan_id"], confirm=plan["confirm"])
        assert await world.keys() == ORPHANS | {USED}
        over = {**confirm, "accept": ["budget-per-day:p/"], "reason": "they are right"}
        done = await asking.ended(await asking("POST", f"{path}/execute", over, status=202))
        assert (done["outcome"], await world.keys()) == ("done", {USED})
    assert [one for one in await started(world) if "accept" in one[2]] == [
        (what, "api:deployer", {"accept": f"{guard}:p/", "reason": "they are right"})
        for what, guard in (("scan", "budget-prefix"), ("execute", "budget-per-day"))
    ]


async def test_a_grant_from_its_making_to_its_end(world: World, asking: Asking) -> None:
    made = await asking("POST", "/grants", {**SCOPE, "prefixes": ["p/"]}, status=201)
    assert (made["state"], made["prefixes"], made["actor"]) == ("valid", ["p/"], "api:deployer")
    whole = await asking("POST", "/grants", {**SCOPE, "everything": True}, status=201)
    path = f"/grants/{made['grant_id']}/revoke"
    revoked = await asking("POST", path, {"reason": "enough"})
    assert revoked == {**made, "state": "grant-revoked"}
    assert await asking("GET", "/grants") == [revoked, whole]
    again = await asking("POST", path, {"reason": "again"}, status=404)
    assert again["error"] == "no-such-grant"
    async with world.collector() as collector:
        records = [
            (type(one), one.actor)
            async for page in collector.audit.entries(kinds=("granted", "grant-revoked"))
            for entry in page
            if isinstance(one := entry.record, Granted | GrantRevoked)
        ]
    assert records == [(kind, "api:deployer") for kind in (Granted, Granted, GrantRevoked)]


NO_REQUESTS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("/restore", {}),
    ("/restore", {"keys": []}),
    ("/restore", {"keys": ["a"], "prefix": "a"}),
    ("/restore", {"keys": ["a"] * 201}),
    ("/restore", {"prefix": "a", "to": "/etc"}),
    ("/restore", {"prefix": "a", "to": {"bucket": "b", "endpoint_url": "http://e"}}),
    ("/restore", {"prefix": "a", "to": {"bucket": "B_B"}}),
    ("/restore", {"prefix": "a", "as_of": "yesterday"}),
    ("/restore", {"prefix": "a", "as_of": "2026-01-01T00:00:00"}),
    ("/restore", {"prefix": "a", "as_of": 1_700_000_000}),
    ("/restore-preview", {"prefix": "a", "overwirte": True}),
    ("/drill", {"sample": 0}),
    ("/drill", {"sample": 1.5}),
    ("/drill", {"to": "/etc"}),
    ("/scan", {"accept": ["budget"]}),
    ("/scan", {"accept": [], "reason": "r"}),
    ("/grants", {**SCOPE}),
    ("/grants", {**SCOPE, "prefixes": []}),
    ("/grants", {**SCOPE, "prefixes": [""]}),
    ("/grants", {**SCOPE, "prefixes": ["a"], "everything": True}),
    ("/grants", {**SCOPE, "everything": False}),
    ("/grants", {**SCOPE, "everything": True, "days": 91}),
    ("/grants", {**SCOPE, "everything": True, "reason": " "}),
    (f"/plans/{'0' * 26}/execute", {"confirm": "a 1", "accept": ["budget-per-day"]}),
    (f"/plans/{'0' * 26}/execute", {"confirm": "a 1", "accept": ["identity"], "reason": "r"}),
)


async def test_what_is_no_such_request_is_refused(quiet_asking: Asking) -> None:
    for path, body in NO_REQUESTS:
        refused = await quiet_asking("POST", path, body, status=422)
        assert refused["error"] == "request-unusable", (path, body)
    assert (await quiet_asking("GET", "/operations"))["operations"] == []


async def test_what_would_be_cleaned_is_told_and_of_very_many_that_it_is_not_all(
    world: World, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.collect()
    scan = (await asking("GET", "/status"))["last_scan"]
    size = len(f"the bytes of {A}")
    told = ("listed", "referenced", "candidates", "orphans", "held", "kept", "bytes", "blocked")
    assert [scan[name] for name in told] == [5, 1, 4, 4, 0, 0, 4 * size, []]
    monkeypatch.setattr(restores, "LOOK_AT_MOST", 2)
    preview = await asking("POST", "/restore-preview", {"prefix": ""}, limit=1)
    assert (preview["complete"], len(preview["objects"])) == (False, 1)
