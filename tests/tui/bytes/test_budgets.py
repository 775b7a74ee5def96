"""Bytes on the line for each event, on the whole dashboard: what a slow connection has to carry.

No clock decides: what is written is counted until the application has nothing left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest
from textual._callback import invoke
from textual.widgets import Input

from s3gc_core.jobs import Job
from s3gc_core.judgement import Judged, Snapshot
from s3gc_tui.models.lines import Line
from s3gc_tui.models.reference_views import ReferenceViews
from s3gc_tui.screens import panes
from s3gc_tui.screens import references as references_screen
from s3gc_tui.widgets.candidate_list import CandidateList
from s3gc_tui.widgets.line_pane import LinePane
from tests.tui.small_world import SmallWorld
from tests.tui.whole import RUNNING, Whole, furnished, opened, picture_of

SIZES = [(80, 24), (160, 48)]
# The largest that was measured is 354 bytes at 80 columns and 512 at 120.
CURSOR = 600
ONE_NUMBER = 400
# The rows of the cursor, and up to eight lines about what it is on: 1,245 bytes were measured at
# 80 columns, 2,101 at 160.
ABOUT = 2_400


@asynccontextmanager
async def still(small: SmallWorld, size: tuple[int, int]) -> AsyncIterator[Whole]:
    """The dashboard with everything painted, and its own watch at rest."""
    told = await furnished(small)
    async with opened(small, told, size=size, running=True) as whole:
        for worker in whole.main.workers:
            if worker.group == "watch":
                worker.cancel()
        await whole.settled()
        whole.main.show(await whole.gateway.picture())
        await settled(whole)
        yield whole


async def settled(whole: Whole) -> None:
    """Nothing is written any more."""
    await whole.settled()
    whole.app.take()
    for _ in range(20):
        await whole.pilot.pause()
        await asyncio.sleep(0.02)
        if not whole.app.take():
            return
    raise AssertionError("the dashboard writes and writes")


async def cost(whole: Whole, *keys: str) -> int:
    """Bytes written for some keys, with everything that follows from them."""
    whole.app.take()
    await whole.press(*keys)
    await quiet(whole)
    return len(whole.app.take().encode())


async def quiet(whole: Whole) -> None:
    """What is to be painted is painted."""
    for _ in range(5):
        await whole.pilot.pause()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_an_unchanged_picture_is_not_painted(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    async with still(small, size) as whole:
        for _ in range(5):
            same = await whole.gateway.picture()
            before = picture_of(whole)
            whole.main.show(replace(before, jobs=before.jobs))
            assert same.about == before.about
            await whole.pilot.pause()
            await asyncio.sleep(0.02)
        assert whole.app.take() == ""


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_nothing_is_written_while_it_waits(small: SmallWorld, size: tuple[int, int]) -> None:
    """No cursor blinks and nothing turns: not in a pane, the command line, or a dialog."""
    async with still(small, size) as whole:
        places: list[Callable[[], object]] = [
            lambda: None,
            whole.main.action_command,
            whole.main.action_help,
            lambda: whole.main.open_thing("job", RUNNING),
            lambda: whole.main.open_thing("plan", whole.told.plan_id),
            lambda: whole.main.open_restore(None),
            whole.open_execute,
            *(partial(references, whole, view) for view in "123"),
            whole.open_clear,
        ]
        # What may turn or blink is the same widget at any size: once is enough for most.
        for place in places if size == SIZES[0] else places[3::4]:
            await whole.back_to_main()
            await invoke(place)
            await whole.ready()
            await settled(whole)
            assert all(not one.cursor_blink for one in whole.app.screen.query(Input))
            # Longer than the time after which any of them looks again.
            for _ in range(25):
                await asyncio.sleep(0.1)
                await whole.pilot.pause()
            # A running job's heartbeat may be told as one number a second.
            written = len(whole.app.take().encode())
            assert written <= (3 * ONE_NUMBER if place is places[3] else 0), place


async def references(whole: Whole, view: str) -> None:
    """One view of the references."""
    await whole.open_references()
    await whole.press(view)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_what_changes_below_is_not_painted(small: SmallWorld, size: tuple[int, int]) -> None:
    """The dialog on top stands still, whatever becomes of the job in the panes under it."""
    async with still(small, size) as whole:
        whole.main.action_pane("jobs")
        await whole.open_execute()
        await whole.ready()
        await settled(whole)
        before = picture_of(whole)
        for _ in range(3):
            before = replace(before, jobs=tuple(map(further, before.jobs)))
            whole.main.show(before)
            whole.main.refresh()
            await quiet(whole)
        assert whole.app.take() == ""
        # What is seen again is as it is now.
        await whole.back_to_main()
        await settled(whole)
        assert "43" in whole.app.screen_text()


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_moving_the_cursor(
    small: SmallWorld, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row, and then, once the cursor rests, the verdict of that row."""
    async with still(small, size) as whole:
        asked = asyncio.Semaphore(0)
        read = whole.main.browser.candidate

        async def when_asked(snapshot: Snapshot, candidate_id: int) -> Judged | None:
            await asked.acquire()
            return await read(snapshot, candidate_id)

        monkeypatch.setattr(whole.main.browser, "candidate", when_asked)
        for key in "jjjkkj":
            await whole.pilot.press(key)
            await quiet(whole)
            spent = len(whole.app.take().encode())
            assert 0 < spent <= CURSOR, (key, spent)
            asked.release()
            await whole.settled()
            await quiet(whole)
            verdict = len(whole.app.take().encode())
            assert 0 < verdict <= CURSOR, (key, verdict)
        for pane in ("jobs", "history"):
            whole.main.action_pane(pane)
            await settled(whole)
            for key in "jk":
                assert await cost(whole, key) <= CURSOR, (pane, key)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_cursor_in_the_references(small: SmallWorld, size: tuple[int, int]) -> None:
    """Two rows, and once the cursor rests what it is on; keys that are held draw that once."""
    async with still(small, size) as whole:
        await whole.open_references()
        await settled(whole)
        for key in "jjkk":
            spent = await cost(whole, key)
            assert 0 < spent <= ABOUT, (key, spent)
        drawn: list[str | None] = []
        about = ReferenceViews.about_lines

        def noted(self: ReferenceViews, view: str, cursor: str | None, *room: int) -> list[Line]:
            drawn.append(cursor)
            return about(self, view, cursor, *room)

        with (
            patch.object(ReferenceViews, "about_lines", noted),
            patch.object(references_screen, "_REST", 2),
        ):
            whole.keys("jjkj")
            await whole.until(lambda: drawn)
            await whole.settled()
        pane = whole.app.screen.query_one("#coverage", LinePane)
        assert drawn == [pane.cursor_id]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_one_number_of_a_job(small: SmallWorld, size: tuple[int, int]) -> None:
    async with still(small, size) as whole:
        whole.main.action_pane("jobs")
        await settled(whole)
        before = picture_of(whole)
        running = before.running
        assert running is not None
        whole.main.show(replace(before, jobs=tuple(map(further, before.jobs))))
        await whole.pilot.pause()
        spent = len(whole.app.take().encode())
        # The line of the job, and the percentage above.
        assert 0 < spent <= 2 * ONE_NUMBER, spent


def further(job: Job) -> Job:
    """The same job, one object further."""
    if job.state is None or not job.state.phases or job.operation_id != RUNNING:
        return job
    phase = job.state.phases[-1]
    moved = type(phase)(phase.name, phase.done + 1, phase.total, phase.began_at, phase.ended_at)
    fields = {name: getattr(job.state, name) for name in job.state.__struct_fields__}
    return replace(job, state=type(job.state)(**{**fields, "phases": [moved]}))


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_typing_in_the_dialog(small: SmallWorld, size: tuple[int, int]) -> None:
    """Each character costs its line; the rest of the dialog stands still."""
    async with still(small, size) as whole:
        await whole.open_execute()
        await whole.ready()
        await settled(whole)
        for character in whole.phrase[:4]:
            whole.pass_(0.1)
            assert await cost(whole, character) <= CURSOR


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_held_key_paints_no_verdicts(small: SmallWorld, size: tuple[int, int]) -> None:
    """Only that of the row where it ends."""
    async with still(small, size) as whole:
        read: list[int] = []
        candidate = whole.main.browser.candidate

        async def noted(snapshot: Snapshot, candidate_id: int) -> Judged | None:
            read.append(candidate_id)
            return await candidate(snapshot, candidate_id)

        # Long enough for a machine with other things to do.
        with patch.object(whole.main.browser, "candidate", noted), patch.object(panes, "_REST", 2):
            whole.keys("jjjjjjjj")
            await whole.until(lambda: read)
            await whole.settled()
        assert read == [whole.main.query_one(CandidateList).current_id]
