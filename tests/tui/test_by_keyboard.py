"""An operator's whole life by keyboard: scan, mark, approve, execute, look, restore; real jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from s3gc_core.session import READ_ONLY, UNRESTRICTED, Session
from s3gc_tui import terminal
from s3gc_tui.models.intents import ApproveIntent, ExecuteIntent, RestoreIntent, ScanIntent
from s3gc_tui.screens.job import JobScreen
from s3gc_tui.screens.main import MainScreen
from s3gc_tui.screens.plan import PlanScreen
from s3gc_tui.widgets.candidate_list import CandidateList
from tests.tui.screens.asked import CountingGateway, staged
from tests.tui.small_world import FORGOTTEN, LATER, PROTECTED, USED, SmallWorld
from tests.tui.whole import Told, Whole, WholeDashboard

EVERYTHING = {*USED, *FORGOTTEN, *PROTECTED}


@asynccontextmanager
async def operator(small: SmallWorld, session: Session = UNRESTRICTED) -> AsyncIterator[Whole]:
    """The dashboard with the real gateway, as `s3gc --write` opens it."""
    small.world.days(LATER)
    async with staged(small, session) as stage:
        with patch.object(terminal, "handle_signals"):
            app = WholeDashboard(stage.gateway)
            async with app.run_test(size=(160, 48), message_hook=app.hear) as pilot:
                told = Told("", "", frozenset())
                whole = Whole(small, told, stage.gateway, app, pilot)  # type: ignore[arg-type]
                await whole.opened()
                yield whole
                assert app.failed == []


async def ended(whole: Whole) -> str:
    """Wait for the job on the screen to end; what the screen then says."""
    await whole.until(lambda: isinstance(whole.app.screen, JobScreen))
    await whole.until(lambda: " ended " in whole.app.screen_text())
    return whole.app.screen_text()


def status_of(whole: Whole) -> str:
    """The line that speaks of what is selected, or of what was just done."""
    return whole.app.screen_text().splitlines()[-3]


async def typed(whole: Whole, text: str) -> None:
    """Type a line and Enter."""
    await whole.type(text)
    await whole.press("enter")


async def enter_alone(whole: Whole) -> None:
    """Enter, once the field has been left alone, and nothing after it."""
    await whole.ready()
    whole.keys("\r")
    await whole.pilot.pause()
    whole.pass_(0.3)


def gateway_of(whole: Whole) -> CountingGateway:
    assert isinstance(whole.gateway, CountingGateway)
    return whole.gateway


async def test_a_whole_life(small: SmallWorld) -> None:
    async with operator(small) as whole:
        listed = whole.main.query_one(CandidateList)
        assert "no scan yet" in whole.app.screen_text()
        await whole.press("s")
        assert "orphans 3" in await ended(whole)
        await whole.press("escape")
        await whole.until(lambda: listed.row_count == len(FORGOTTEN) + len(PROTECTED))

        await whole.until(lambda: "protected by the prefix" in status_of(whole))

        # What is kept cannot be marked, and says why; the two below gone/ can.
        await whole.press("g", "space")
        await whole.until(lambda: "exclusion" in status_of(whole))
        assert len(listed.marks) == 0
        await whole.press("slash")
        await typed(whole, "gone/")
        await whole.until(lambda: listed.row_count == 2)
        await whole.press("plus", "a")
        await whole.ready()
        assert "2 objects" in whole.app.screen_text()
        await whole.type("forgotten uploads")
        whole.keys("\r")
        await whole.until(lambda: isinstance(whole.app.screen, PlanScreen))
        await whole.until(lambda: "approved" in whole.app.screen_text())

        await whole.press("ctrl+x")
        await whole.ready()
        await whole.type(f"{small.world.config.bucket} 2")
        whole.keys("\r")
        assert "deleted 2" in await ended(whole)
        assert await small.world.keys() == EVERYTHING - {"gone/a.txt", "gone/b.txt"}

        # Four keys and the key itself bring it back.
        await whole.press("escape")
        await whole.until(lambda: isinstance(whole.app.screen, MainScreen))
        await whole.until(lambda: "deleted or restored after this scan" in whole.app.screen_text())
        await whole.press("u")
        await typed(whole, "gone/a.txt")
        await enter_alone(whole)
        assert "restored 1" in await ended(whole)
        assert await small.world.keys() == EVERYTHING - {"gone/b.txt"}

        # And the rest of the operation from the history.
        await whole.press("escape", "5")
        await whole.until(lambda: "  restore  " in whole.app.screen_text())
        await whole.press("g", "j", "enter")
        await whole.until(lambda: "gone/b.txt" in whole.app.screen_text())
        await whole.press("u")
        await enter_alone(whole)
        text = await ended(whole)
        assert "restored 1" in text
        assert "already-there 1" in text
    assert await small.world.keys() == EVERYTHING
    assert [type(one) for one in gateway_of(whole).intents] == [
        ScanIntent,
        ApproveIntent,
        ExecuteIntent,
        RestoreIntent,
        RestoreIntent,
    ]


async def test_a_read_only_operator_can_look_and_scan(small: SmallWorld) -> None:
    async with operator(small, READ_ONLY) as whole:
        listed = whole.main.query_one(CandidateList)
        await whole.press("s")
        await ended(whole)
        await whole.press("escape")
        await whole.until(lambda: listed.row_count == len(FORGOTTEN) + len(PROTECTED))
        assert "[READ-ONLY]" in whole.app.screen_text()
        assert "approve" not in whole.app.screen_text().splitlines()[-1]
        await whole.press("plus", "a", "u", "3", "enter", "a", "N", "ctrl+x", "escape", "p", "x")
    assert [type(one) for one in gateway_of(whole).intents] == [ScanIntent]
    assert await small.world.keys() == EVERYTHING
