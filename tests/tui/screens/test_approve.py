"""Approving and rejecting: reviewed first, with a reason, by nothing but a person's typing."""

from __future__ import annotations

import pytest

from s3gc_core.errors import ReadOnlySession
from s3gc_core.judgement import Plan, PlanState
from s3gc_core.session import READ_ONLY
from s3gc_core.vault import PlanDecided
from s3gc_tui.models.intents import ApproveIntent, RejectIntent
from s3gc_tui.screens.approve import ApproveScreen
from s3gc_tui.screens.asking import AskingScreen
from s3gc_tui.screens.reject import RejectScreen
from tests.tui.screens.accidents import ACCIDENTS
from tests.tui.screens.asked import SIZES, Stage, assert_golden, read_only, staged
from tests.tui.small_world import SmallWorld

REASON = "JIRA-812 old exports"


async def decisions(small: SmallWorld, plan_id: str) -> list[tuple[bool, str]]:
    """What the audit log holds about a plan."""
    async with small.world.collector() as collector:
        return [
            (entry.record.approved, entry.record.reason)
            async for page in collector.audit.entries(kinds=("plan-decided",))
            for entry in page
            if isinstance(entry.record, PlanDecided) and entry.record.plan_id == plan_id
        ]


async def test_a_reason_approves_the_whole_plan(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        async with stage.showing(ApproveScreen(stage.gateway, plan_id, clock=stage.clock)) as shown:
            await shown.ready()
            await shown.type(REASON)
            shown.raw("\r\r")
            await shown.settled()
            (plan,) = shown.results
        assert stage.intents == [ApproveIntent(plan_id, REASON)]
        assert isinstance(plan, Plan)
        assert plan.plan_id == plan_id
        assert (await stage.gateway.plan(plan_id))[1].state is PlanState.APPROVED
    assert await decisions(small, plan_id) == [(True, REASON)]


async def test_a_part_becomes_a_plan_of_its_own(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        screen = ApproveScreen(
            stage.gateway, plan_id, ["gone/"], ["left/c.txt", "used/1.jpg"], clock=stage.clock
        )
        async with stage.showing(screen, (100, 60)) as shown:
            text = shown.text()
            assert " 3 objects, 3.1 KiB" in text
            assert " 1 chosen keys are no orphans of this plan" in text
            await shown.ready()
            await shown.type("a part")
            await shown.press("enter")
            (plan,) = shown.results
        async with small.world.collector() as collector:
            held = [i.key async for page in collector.plan_items(plan.plan_id) for i in page]
        assert held == ["gone/a.txt", "gone/b.txt", "left/c.txt"]
        assert plan.parent == plan_id


async def test_what_is_left_out_is_said(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        screen = ApproveScreen(stage.gateway, plan_id, ["gone/"], clock=stage.clock)
        async with stage.showing(screen, (100, 60)) as shown:
            text = shown.text()
            assert " 2 objects, 210 B" in text
            assert (
                f" 1 object (2.9 KiB) of the plan were not chosen: they stay in plan {plan_id}"
                in text
            )
            assert " 1 candidates kept" in text
            assert "left/c.txt" not in text


async def test_nothing_chosen_cannot_be_approved(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        screen = ApproveScreen(stage.gateway, plan_id, ["nowhere/"], clock=stage.clock)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(REASON)
            await shown.press("enter")
            assert shown.results == []
        assert stage.intents == []


async def test_a_refusal_is_shown_and_can_be_left(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with (
        staged(small) as stage,
        stage.showing(ApproveScreen(stage.gateway, plan_id, clock=stage.clock)) as shown,
    ):
        await shown.ready()
        async with small.world.collector() as other:
            await other.reject(plan_id, reason="no")
        await shown.type(REASON)
        await shown.press("enter")
        assert f"plan {plan_id} is rejected" in shown.text()
        await shown.press("escape")
        assert shown.results == [None]
    assert await decisions(small, plan_id) == [(False, "no")]


async def test_a_plan_that_is_gone_is_said(small: SmallWorld) -> None:
    async with staged(small) as stage:
        screen = ApproveScreen(stage.gateway, "01NONE", clock=stage.clock)
        async with stage.showing(screen) as shown:
            assert "01NONE" in shown.text()
            assert "next: " in shown.text()


async def test_a_reason_rejects(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        plan, _ = await stage.gateway.plan(plan_id)
        async with stage.showing(RejectScreen(stage.gateway, plan, clock=stage.clock)) as shown:
            await shown.ready()
            await shown.press("enter")
            assert "a text is required" in shown.text()
            await shown.type("still used")
            await shown.press("enter")
            assert [p.plan_id for p in shown.results] == [plan_id]
        assert stage.intents == [RejectIntent(plan_id, "still used")]
        assert (await stage.gateway.plan(plan_id))[1].state is PlanState.REJECTED
    assert await decisions(small, plan_id) == [(False, "still used")]


async def screen_of(stage: Stage, plan_id: str, name: str) -> AskingScreen[Plan]:
    if name == "approve":
        return ApproveScreen(stage.gateway, plan_id, clock=stage.clock)
    plan, _ = await stage.gateway.plan(plan_id)
    return RejectScreen(stage.gateway, plan, clock=stage.clock)


@pytest.mark.parametrize("name", ["approve", "reject"])
async def test_accidents_decide_nothing(small: SmallWorld, name: str) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        for accident in ACCIDENTS:
            async with stage.showing(await screen_of(stage, plan_id, name)) as shown:
                await accident(shown, REASON)
                await shown.settled()
                assert [r for r in shown.results if r is not None] == [], accident.__name__
            assert stage.intents == [], accident.__name__
    assert await decisions(small, plan_id) == []


@pytest.mark.parametrize("name", ["approve", "reject"])
async def test_a_read_only_session_cannot_open_them(small: SmallWorld, name: str) -> None:
    plan_id = await small.planned()
    async with staged(small, READ_ONLY) as stage:
        with pytest.raises(ReadOnlySession):
            await screen_of(stage, plan_id, name)


async def test_a_session_that_ended_meanwhile_is_refused_by_the_core(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with (
        staged(small) as stage,
        stage.showing(ApproveScreen(stage.gateway, plan_id, clock=stage.clock)) as shown,
    ):
        await shown.ready()
        await shown.type(REASON)
        read_only(stage)
        stage.gateway._collector._session = READ_ONLY
        await shown.press("enter")
        assert "read-only" in shown.text()
        assert shown.results == []
    assert await decisions(small, plan_id) == []


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_looks(small: SmallWorld, size: tuple[int, int]) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        screen = ApproveScreen(stage.gateway, plan_id, clock=stage.clock)
        async with stage.showing(screen, size) as shown:
            await shown.ready()
            await shown.type("because")
            assert_golden(f"approve-{size[0]}", shown.text())
