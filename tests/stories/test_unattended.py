"""`s3gc run` with nobody there: it deletes what a grant covers, and nothing else, ever."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from s3gc_core.actions.granting import GrantStanding
from s3gc_core.bucket import Bucket
from s3gc_core.collection import execute
from s3gc_core.collector import Collector, silent
from s3gc_core.config import GuardLimits, Mode
from s3gc_core.errors import ConfigurationError, ExitCode, GrantRefused, NoSuchGrant
from s3gc_core.judgement import PlanState
from s3gc_tui.commands import run
from s3gc_tui.context import Context
from s3gc_tui.lines import Output, Record
from tests.core.judgement.controlled import put, rows
from tests.world import World

ORPHANS = {"a/1", "a/2", "b"}
USED = "used"


@dataclass(frozen=True, slots=True)
class Here(Context):
    """The command's surroundings, with the world's collector and its clock."""

    world: World

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        """What the configuration file would open."""
        return self.world.collector()


async def unattended(world: World) -> tuple[ExitCode, list[Record]]:
    """One `s3gc run`."""
    told: list[Record] = []

    def emit(record: Record) -> None:
        told.append(record)

    here = Here(Namespace(scheduled=None), emit, Output(None), silent, None, world)
    return await run.run(here), told


async def answers(world: World) -> dict[str, object]:
    """One `s3gc run`: the state of each grant that it names, with what that left, by reason."""
    _, told = await unattended(world)
    return {
        str(record["state"]): record.get("left") for record in told if record["type"] == "granted"
    }


async def furnished(world: World) -> None:
    """Three orphans that are old enough, and an object in use."""
    await rows(world, USED)
    world.track({"t": ["k"]})
    await put(world, USED, *ORPHANS)
    world.days(10)


async def granted(
    world: World,
    *prefixes: str,
    max_objects: int = 10,
    max_bytes: int = 1 << 20,
    days: int = 30,
) -> str:
    """Let unattended runs delete; without prefixes everything."""
    async with world.collector() as collector:
        standing = await collector.grant(
            prefixes=prefixes,
            everything=not prefixes,
            max_objects=max_objects,
            max_bytes=max_bytes,
            days=days,
            reason="a test",
        )
    return standing.grant.grant_id


async def standing(world: World, grant_id: str) -> GrantStanding:
    async with world.collector() as collector:
        [found] = [s for s in await collector.grants() if s.grant.grant_id == grant_id]
    return found


async def gone(world: World) -> set[str]:
    """Orphans that were deleted; what is in use has to be there."""
    keys = await world.keys()
    assert USED in keys
    return ORPHANS - keys


async def test_what_a_grant_covers_goes_when_it_was_seen_twice_a_day_apart(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    await furnished(world)
    grant_id = await granted(world, "a/")
    waits = {"valid": {"not-seen-twice": 2, "out-of-scope": 1}}
    assert await answers(world) == waits
    world.days(0.9)
    assert await answers(world) == waits
    assert await gone(world) == set()
    world.days(0.11)
    code, told = await unattended(world)
    assert code == ExitCode.DONE
    [executed] = [record for record in told if record["type"] == "executed"]
    assert (executed["outcome"], executed["counts"]) == ("done", {"deleted": 2})
    assert await gone(world) == {"a/1", "a/2"}
    used = (await standing(world, grant_id)).used
    assert (used.objects, used.bytes) == (2, 2 * len(b"some bytes"))
    async with world.collector() as collector:
        approved = [h for _, h in await collector.plans() if h.grant is not None]
    [history] = approved
    assert (history.grant, history.state) == (grant_id, PlanState.EXECUTED)
    assert (history.approved_by or "").startswith(f"grant {grant_id} of ")


async def test_one_look_is_not_enough(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without asking for two sightings, the first run deletes."""
    await furnished(sqlite_world)
    await granted(sqlite_world)
    monkeypatch.setattr("s3gc_core.judgement.grants.is_seen_twice", lambda sighting: True)
    await unattended(sqlite_world)
    assert await gone(sqlite_world) == ORPHANS


async def test_what_changes_in_between_begins_anew(sqlite_world: World) -> None:
    world = sqlite_world
    await furnished(world)
    await granted(world)
    await unattended(world)
    world.days(0.5)
    await world.app.execute("INSERT INTO t VALUES (7, 'a/1')")
    await world.put("a/2", b"another body")
    await unattended(world)
    await world.app.execute("DELETE FROM t WHERE id = 7")
    world.days(0.6)
    assert await answers(world) == {"valid": {"not-seen-twice": 1}}
    assert await gone(world) == {"b"}
    world.days(0.5)
    await unattended(world)
    assert await gone(world) == {"b", "a/2"}


async def test_a_blocked_scan_is_no_sighting(sqlite_world: World) -> None:
    world = sqlite_world
    await furnished(world)
    await granted(world)
    limits = world.config.guards
    world.change(guards=GuardLimits(max_objects=1, max_share=1.0))
    assert await answers(world) == {}
    world.change(guards=limits)
    world.days(1.1)
    assert await answers(world) == {"valid": {"not-seen-twice": 3}}
    assert await gone(world) == set()


async def test_without_a_grant_that_holds_nothing_goes(sqlite_world: World) -> None:
    world = sqlite_world
    await furnished(world)
    assert await answers(world) == {"no-grant": None}
    await granted(world, days=1)
    revoked = await granted(world)
    async with world.collector() as collector:
        await collector.revoke_grant(revoked, reason="a test")
    world.days(1.1)
    assert await answers(world) == {"grant-expired": {}, "grant-revoked": {}}
    assert await gone(world) == set()
    # Other modes ask no grant.
    cut = await granted(world, max_objects=2)
    for mode in (Mode.DRY_RUN, Mode.AUDIT_ONLY):
        world.change(mode=mode)
        assert await answers(world) == {}
    world.change(mode=Mode.EXECUTE)
    assert (await answers(world))["valid"] == {"over-budget": 1}
    assert await gone(world) == {"a/1", "a/2"}
    assert (await answers(world))["grant-used-up"] == {}
    assert await gone(world) == {"a/1", "a/2"}
    assert (await standing(world, cut)).used.objects == 2


async def test_a_grant_has_to_hold_when_its_plan_is_executed(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await furnished(world)
    grant_id = await granted(world)
    await world.scan()
    world.days(1.1)
    summary = await world.scan()
    async with world.collector() as collector:
        [answer] = await collector.approve_granted(summary.plan_id or "")
        plan = answer.plan
        assert plan is not None
        assert await collector.approved_plan() == plan
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    real = Bucket.delete_batch

    async def then_revoked(bucket: Bucket, objects: Sequence[tuple[str, str]]) -> object:
        done = await real(bucket, objects)
        if {key for key, _ in objects} <= ORPHANS:
            async with world.collector() as collector:
                await collector.revoke_grant(grant_id, reason="stop")
        return done

    monkeypatch.setattr(Bucket, "delete_batch", then_revoked)
    async with world.collector() as collector:
        for _ in ("revoked on its way", "revoked before"):
            with pytest.raises(GrantRefused, match="grant-revoked"):
                await collector.execute(plan.plan_id, confirm=plan.confirmation)
            assert await gone(world) == {"a/1"}
        # So that later runs are not held up by it.
        assert await collector.approved_plan() is None


async def test_a_grant_without_scope_budget_or_end_is_none(sqlite_world: World) -> None:
    world = sqlite_world
    world.track({"t": ["k"]})
    async with world.collector() as collector:
        right = {"everything": True, "max_objects": 1, "max_bytes": 1, "days": 90, "reason": "r"}
        wrong = {
            "--prefix": ({"everything": False}, {"prefixes": ["a/"]}),
            "--max-objects": ({"max_objects": 0},),
            "--max-bytes": ({"max_bytes": 0},),
            "--days": ({"days": 0}, {"days": 91}),
            "--reason": ({"reason": " "},),
        }
        for setting, changes in wrong.items():
            for change in changes:
                with pytest.raises(ConfigurationError) as refused:
                    await collector.grant(**{**right, **change})  # type: ignore[arg-type]
                assert [problem.setting for problem in refused.value.problems] == [setting]
        hidden = {**right, "everything": False, "prefixes": [""]}
        with pytest.raises(ConfigurationError):
            await collector.grant(**hidden)  # type: ignore[arg-type]
        assert await collector.grants() == []
        made = await collector.grant(**right)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError):
            await collector.revoke_grant(made.grant.grant_id, reason="")
        with pytest.raises(NoSuchGrant):
            await collector.revoke_grant("01ARZ3NDEKTSV4RRFFQ69G5FAV", reason="r")
        assert await collector.grants() == [made]


async def test_two_plans_do_not_spend_one_budget_twice(sqlite_world: World) -> None:
    world = sqlite_world
    await furnished(world)
    await granted(world, max_objects=3)
    await world.scan()
    world.days(1.1)
    summary = await world.scan()
    async with world.collector() as collector:
        first, second = [
            (await collector.approve_granted(summary.plan_id or ""))[0].plan for _ in range(2)
        ]
        assert first is not None
        assert second is not None
        done = await collector.execute(first.plan_id, confirm=first.confirmation)
        assert done.counts == {"deleted": 3}
        with pytest.raises(GrantRefused, match="grant-used-up"):
            await collector.execute(second.plan_id, confirm=second.confirmation)
