"""The plan's screen: what it shows, what it offers, and what it offers nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.judgement import PlanItem, PlanState
from s3gc_core.session import READ_ONLY
from s3gc_tui.models.intents import ApproveIntent, ExecuteIntent, RejectIntent
from s3gc_tui.models.plan_pages import KEPT, PlanPages
from s3gc_tui.screens.approve import ApproveScreen
from s3gc_tui.screens.execute import ExecuteScreen
from s3gc_tui.screens.plan import PlanScreen
from s3gc_tui.screens.reject import RejectScreen
from tests.tui.models.test_review import items
from tests.tui.screens.asked import SIZES, Stage, assert_golden, ended, read_only, staged
from tests.tui.small_world import FORGOTTEN, PROTECTED, TABLES, USED, SmallWorld


def plan_screen(stage: Stage, plan_id: str, folder: Path | None = None) -> PlanScreen:
    return PlanScreen(stage.gateway, plan_id, folder=folder, clock=stage.clock)


async def test_approve_then_execute_by_keyboard(small: SmallWorld) -> None:
    plan_id = await small.planned()
    phrase = f"{small.world.config.bucket} 3"
    async with staged(small) as stage:
        async with stage.showing(plan_screen(stage, plan_id)) as shown:
            await shown.press("a")
            await shown.ready()
            await shown.type("old")
            await shown.press("enter")
            assert f"plan {plan_id} is approved" in shown.text()
            assert "ctrl+x execute" in shown.text()
            await shown.press("ctrl+x")
            await shown.ready()
            await shown.type(phrase)
            await shown.press("enter")
            (started,) = shown.results
        assert stage.intents == [ApproveIntent(plan_id, "old"), ExecuteIntent(plan_id, phrase)]
        outcome = await ended(stage, started)
        assert outcome.summary is not None
        assert outcome.summary["outcome"] == "done"
    assert await small.world.keys() == USED.keys() | PROTECTED.keys()
    done = await small.world.outcomes(outcome.summary["operation_id"])
    assert done == dict.fromkeys(FORGOTTEN, "deleted")


async def test_reject_by_keyboard(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        async with stage.showing(plan_screen(stage, plan_id)) as shown:
            await shown.press("N")
            assert isinstance(shown.app.screen, RejectScreen)
            await shown.ready()
            await shown.type("no")
            await shown.press("enter")
            assert " rejected" in shown.text()
            await shown.press("a", "N", "ctrl+x")
            assert isinstance(shown.app.screen, PlanScreen)
        assert stage.intents == [RejectIntent(plan_id, "no")]
        assert (await stage.gateway.plan(plan_id))[1].state is PlanState.REJECTED


@pytest.mark.parametrize("mode", ["dry_run", "audit_only"])
async def test_other_modes_execute_nothing_and_say_how_to_change_that(
    small: SmallWorld, mode: str
) -> None:
    small.world.track(TABLES, exclude_prefixes=["backups/"], mode=mode)
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(plan_screen(stage, plan_id)) as shown:
        text = shown.text()
        assert f"Mode {mode}: nothing can be deleted." in text
        assert 'mode = "execute"' in text
        assert "ctrl+x" not in text
        assert "--confirm" not in text
        await shown.press("ctrl+x")
        assert isinstance(shown.app.screen, PlanScreen)


async def test_a_read_only_session_decides_nothing(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small, READ_ONLY) as stage:
        async with stage.showing(plan_screen(stage, plan_id)) as shown:
            text = shown.text()
            assert "This session is read-only." in text
            assert "a approve" not in text
            assert "N reject" not in text
            assert "ctrl+x" not in text
            await shown.press("a", "N", "ctrl+x")
            assert isinstance(shown.app.screen, PlanScreen)
            # Absent, not refused.
            assert "so it does not" not in shown.text()
        assert stage.intents == []


async def test_a_session_that_ends_takes_the_actions_away(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(plan_screen(stage, plan_id)) as shown:
        read_only(stage)
        await shown.press("a", "N", "ctrl+x")
        assert isinstance(shown.app.screen, PlanScreen)
        assert "so it does not" not in shown.text()


async def test_an_expired_plan_offers_nothing(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        small.world.days(2)
        async with stage.showing(plan_screen(stage, plan_id)) as shown:
            assert "The plan expired" in shown.text()
            await shown.press("a", "N", "ctrl+x")
            assert isinstance(shown.app.screen, PlanScreen)


async def test_a_proposed_plan_cannot_be_executed(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage, stage.showing(plan_screen(stage, plan_id)) as shown:
        assert "ctrl+x" not in shown.text()
        await shown.press("ctrl+x")
        assert isinstance(shown.app.screen, PlanScreen)


async def test_typed_ahead_opens_dialogs_and_decides_nothing(small: SmallWorld) -> None:
    """The keys of the screen with all that its dialogs ask for, in one go."""
    plan_id = await small.approved()
    phrase = f"{small.world.config.bucket} 3"
    async with staged(small) as stage:
        for ahead in (f"\x18{phrase}\r\r", "abecause\r\r", "Nbecause\r\r", "a\r\r\r", "\x18\r\r\r"):
            async with stage.showing(plan_screen(stage, plan_id)) as shown:
                shown.raw(ahead)
                await shown.settled()
                shown.clock.pass_(0.3)
                shown.raw(phrase + "\r")
                await shown.settled()
                assert shown.results == []
            assert stage.intents == []
        async with stage.showing(plan_screen(stage, plan_id)) as shown:
            shown.paste(f"\x18{phrase}\r")
            shown.raw("\x1b[A")
            await shown.settled()
            assert shown.results == [None]
        assert stage.intents == []


async def test_each_key_opens_its_screen_and_esc_comes_back(small: SmallWorld) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage, stage.showing(plan_screen(stage, plan_id)) as shown:
        for key, screen in (("a", ApproveScreen), ("N", RejectScreen), ("ctrl+x", ExecuteScreen)):
            await shown.press(key)
            assert isinstance(shown.app.screen, screen)
            await shown.press("escape")
            assert shown.app.screen.query("#plan")
        assert "nothing was executed" in shown.text()
        await shown.press("escape")
        assert shown.results == [None]


async def test_another_persons_decision_is_seen(small: SmallWorld) -> None:
    plan_id = await small.planned()
    async with staged(small) as stage:
        screen = plan_screen(stage, plan_id)
        async with stage.showing(screen) as shown:
            async with small.world.collector() as other:
                await other.approve(plan_id, reason="JIRA-812")
            await screen.look_again()
            assert "because    JIRA-812" in shown.text()
            assert "ctrl+x execute" in shown.text()


async def test_the_list_goes_to_a_file_of_ours_alone(small: SmallWorld, tmp_path: Path) -> None:
    plan_id = await small.planned()
    folder = tmp_path / "lists"
    folder.mkdir()
    first = folder / f"s3gc-plan-{plan_id}.jsonl"
    async with staged(small) as stage:
        async with stage.showing(plan_screen(stage, plan_id, folder), (200, 50)) as shown:
            await shown.press("w")
            assert f"3 objects saved to {first}" in shown.text()
            await shown.press("w")
        nowhere = plan_screen(stage, plan_id, tmp_path / "nowhere")
        async with stage.showing(nowhere) as shown:
            await shown.press("w")
            assert "not saved: No such file or directory" in shown.text()
    assert {path.name for path in folder.iterdir()} == {first.name, f"{first.stem}-2.jsonl"}
    assert first.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(text) for text in first.read_text().splitlines()]
    assert {one["key"]: one["size"] for one in lines} == {k: len(b) for k, b in FORGOTTEN.items()}
    assert all(one["layers"]["registry"]["verdict"] == "pass" for one in lines)


async def test_a_plan_that_is_gone_is_said(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(plan_screen(stage, "01NONE")) as shown:
        assert "01NONE" in shown.text()
        await shown.press("a", "N", "ctrl+x", "full_stop", "escape")
        assert shown.results == [None]


class Counted:
    """Pages of objects that can be read any number of times."""

    def __init__(self, pages: int, each: int) -> None:
        self.all = [items(each)] * pages
        self.read = self.open = 0

    async def __call__(self) -> AsyncIterator[list[PlanItem]]:
        self.open += 1
        try:
            for page in self.all:
                self.read += 1
                yield page
        finally:
            self.open -= 1


async def test_pages_are_read_as_they_are_turned_to() -> None:
    source = Counted(40, 10)
    pages = PlanPages(lambda: source())
    for number in range(40):
        found = await pages.page(number)
        assert found is not None
        assert (found[0], len(found[1])) == (number * 10, 10)
    assert source.read == 40
    for number in range(39, 39 - KEPT, -1):
        assert await pages.page(number) is not None
    assert source.read == 40
    back = await pages.page(39 - KEPT)
    assert back is not None
    assert back[0] == (39 - KEPT) * 10
    assert source.read == 40 + 40 - KEPT
    assert await pages.page(40) is None
    assert (await pages.page(0)) is not None
    await pages.close()
    assert source.open == 0
    assert len(pages._kept) <= KEPT


async def test_pages_are_turned_by_keys(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3gc_core.judgement.plan_tables.PAGE", 1)
    plan_id = await small.planned()
    async with (
        staged(small) as stage,
        stage.showing(plan_screen(stage, plan_id), (80, 70)) as shown,
    ):
        assert "OBJECTS BY KEY 1 to 1 of 3" in shown.text()
        for key, page in (
            ("full_stop", 2),
            ("greater_than_sign", 3),
            ("full_stop", 3),
            ("comma", 2),
            ("less_than_sign", 1),
            ("comma", 1),
        ):
            await shown.press(key)
            assert f"OBJECTS BY KEY {page} to {page} of 3" in shown.text()


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_looks(small: SmallWorld, size: tuple[int, int]) -> None:
    plan_id = await small.approved()
    async with (
        staged(small) as stage,
        stage.showing(plan_screen(stage, plan_id), size) as shown,
    ):
        text = shown.text()
        assert_golden(f"plan-{size[0]}", text.replace(str(small.cli.config), "FILE"))
