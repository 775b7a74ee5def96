"""The execute dialog: the phrase, typed, deletes exactly the plan; nothing else does anything."""

from __future__ import annotations

from typing import ClassVar

import pytest
from textual.binding import Binding, BindingType

from s3gc_core.config import UnsafeStore
from s3gc_core.errors import DryRunRefused, NotApproved, PlanExpired, ReadOnlySession, S3gcError
from s3gc_core.jobs import StartedJob
from s3gc_core.judgement import PlanState
from s3gc_tui.models.confirmation import OPEN_FOR, Phase
from s3gc_tui.models.intents import ExecuteIntent
from s3gc_tui.screens.execute import ExecuteScreen
from tests.tui.screens.accidents import ACCIDENTS
from tests.tui.screens.asked import SIZES, Stage, assert_golden, ended, read_only, staged
from tests.tui.small_world import FORGOTTEN, PROTECTED, USED, SmallWorld


async def dialog(stage: Stage, plan_id: str) -> ExecuteScreen:
    plan, history = await stage.gateway.plan(plan_id)
    return ExecuteScreen(stage.gateway, plan, history, clock=stage.clock)


async def test_the_phrase_deletes_exactly_the_plan(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        screen = await dialog(stage, plan_id)
        phrase = f"{small.world.config.bucket} 3"
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(phrase)
            # All at once: only the first of them counts.
            shown.raw("\r\r\r")
            await shown.settled()
            (started,) = shown.results
        assert stage.intents == [ExecuteIntent(plan_id, phrase)]
        assert isinstance(started, StartedJob)
        outcome = await ended(stage, started)
        assert outcome.exit_code == 0, outcome.tail
        assert outcome.summary is not None
        assert outcome.summary["deleted"] == 3
        operation_id = outcome.summary["operation_id"]
        assert (await stage.gateway.plan(plan_id))[1].state is PlanState.EXECUTED
    assert await small.world.keys() == USED.keys() | PROTECTED.keys()
    assert await small.world.outcomes(operation_id) == dict.fromkeys(FORGOTTEN, "deleted")


async def test_the_window_is_told_before_anything_is_confirmed(small: SmallWorld) -> None:
    plan_id = await small.approved()
    told = "looked at and compared right before its delete"
    for choice in UnsafeStore:
        small.world.change(unsafe_store=choice)
        async with staged(small) as stage, stage.showing(await dialog(stage, plan_id)) as shown:
            await shown.ready()
            assert (told in " ".join(shown.text().split())) is (choice is UnsafeStore.HEAD_COMPARE)


async def test_accidents_start_nothing(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        for accident in ACCIDENTS:
            screen = await dialog(stage, plan_id)
            async with stage.showing(screen) as shown:
                await accident(shown, f"{small.world.config.bucket} 3")
                await shown.settled()
                assert [r for r in shown.results if r is not None] == [], accident.__name__
            assert stage.intents == [], accident.__name__


async def test_enter_does_nothing_before_the_phrase_is_whole(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        async with stage.showing(await dialog(stage, plan_id)) as shown:
            await shown.ready()
            for character in f"{small.world.config.bucket} ":
                await shown.type(character)
                await shown.press("enter")
            await shown.type("33")
            await shown.press("enter")
            assert "not yet matching" in shown.text()
        assert stage.intents == []


async def test_a_paste_is_refused_in_words(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(await dialog(stage, plan_id)) as shown:
        await shown.ready()
        shown.paste(f"{small.world.config.bucket} 3")
        await shown.settled()
        assert "pasted text is refused: type it" in shown.text()
        assert shown.field.confirmation.text == ""


class Bound(ExecuteScreen):
    """With keys that mean something else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "pressed"),
        Binding("enter", "pressed"),
        Binding("backspace", "pressed"),
    ]
    pressed = 0

    def action_pressed(self) -> None:
        self.pressed += 1


async def test_what_is_typed_is_text_whatever_else_it_is_bound_to(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        plan, history = await stage.gateway.plan(plan_id)
        screen = Bound(stage.gateway, plan, history, clock=stage.clock)
        async with stage.showing(screen) as shown:
            await shown.press("b", "enter")
            await shown.ready()
            await shown.press("b", "b", "enter", "backspace")
            assert (screen.pressed, shown.field.confirmation.text) == (0, "b")


async def test_esc_leaves(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(await dialog(stage, plan_id)) as shown:
        await shown.press("escape")
        assert shown.results == [None]
        assert stage.intents == []


async def test_it_closes_after_a_minute(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        screen = await dialog(stage, plan_id)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(f"{small.world.config.bucket} 3")
            shown.clock.pass_(OPEN_FOR)
            await screen.look_again()
            await shown.settled()
            assert shown.results == [None]
        assert screen.closed_because == "closed: nothing was confirmed within 60 seconds"
        assert stage.intents == []


@pytest.mark.parametrize("change", ["rejected", "approved again", "expired", "session"])
async def test_it_closes_when_what_it_showed_is_no_longer_so(
    small: SmallWorld, change: str
) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        screen = await dialog(stage, plan_id)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(f"{small.world.config.bucket} 3")
            await changed(small, stage, plan_id, change)
            await screen.look_again()
            await shown.settled()
            assert shown.results == [None]
        said = {
            "rejected": "is rejected",
            "approved again": "decided about",
            "expired": "expired",
            "session": "is read-only",
        }
        assert said[change] in screen.closed_because
        assert stage.intents == []


@pytest.mark.parametrize("change", ["rejected", "approved again", "expired", "session"])
async def test_it_is_asked_again_at_the_moment_of_enter(small: SmallWorld, change: str) -> None:
    """Also between two looks."""
    plan_id = await small.approved()
    async with staged(small) as stage:
        screen = await dialog(stage, plan_id)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(f"{small.world.config.bucket} 3")
            await changed(small, stage, plan_id, change)
            shown.key("\r")
            await shown.settled()
            assert shown.results == [None]
        assert stage.intents == []


async def changed(small: SmallWorld, stage: Stage, plan_id: str, change: str) -> None:
    if change == "rejected":
        async with small.world.collector() as other:
            await other.reject(plan_id, reason="another person")
    elif change == "approved again":
        async with small.world.collector() as other:
            await other.approve(plan_id, reason="for another reason")
    elif change == "expired":
        small.world.days(2)
    else:
        read_only(stage)


async def test_a_job_that_cannot_be_started_asks_again(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        screen = await dialog(stage, plan_id)
        launch = stage.gateway._launch
        stage.gateway._launch = type(launch)(("/no/such/program",), launch.shown)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type(f"{small.world.config.bucket} 3")
            await shown.press("enter")
            assert "/no/such/program" in shown.text()
            assert shown.field.confirmation.text == ""
            assert shown.field.confirmation.phase is not Phase.CONFIRMED
            await shown.press("enter", "enter")
            assert shown.results == []
        assert len(stage.intents) == 1


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        ("session", ReadOnlySession),
        ("dry_run", DryRunRefused),
        ("audit_only", DryRunRefused),
        ("expired", PlanExpired),
        ("proposed", NotApproved),
        ("executed", NotApproved),
    ],
)
async def test_it_does_not_open_at_all(
    small: SmallWorld, what: str, refusal: type[S3gcError]
) -> None:
    plan_id = await (small.planned() if what == "proposed" else small.approved())
    if what in ("dry_run", "audit_only"):
        small.world.track({"users": ["avatar"]}, exclude_prefixes=["backups/"], mode=what)
    if what == "executed":
        async with small.world.collector() as collector:
            await collector.execute(plan_id, confirm=f"{small.world.config.bucket} 3")
    async with staged(small) as stage:
        if what in ("session", "expired"):
            await changed(small, stage, plan_id, what)
        with pytest.raises(refusal):
            await dialog(stage, plan_id)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_looks(small: SmallWorld, size: tuple[int, int]) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(await dialog(stage, plan_id), size) as shown:
        await shown.ready()
        await shown.type(f"{small.world.config.bucket} ")
        assert_golden(f"execute-{size[0]}", shown.text())
