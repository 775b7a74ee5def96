"""Bytes on the line for each event, on the whole dashboard: what a slow connection has to carry.

No clock decides: what is written is counted until the application has nothing left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.widgets import Input

from s3gc_core.jobs import Job
from tests.tui.small_world import SmallWorld
from tests.tui.whole import RUNNING, Whole, furnished, opened, picture_of

SIZES = [(80, 24), (160, 48)]
# The largest that was measured is 354 bytes at 80 columns and 512 at 120.
CURSOR = 600
ONE_NUMBER = 400


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
    for _ in range(5):
        await whole.pilot.pause()
        await asyncio.sleep(0.02)
    return len(whole.app.take().encode())


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_an_unchanged_picture_is_not_painted(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    async with still(small, size) as whole:
        for _ in range(5):
            same = await whole.gateway.picture()
            before = picture_of(whole)
            # Another moment of the same minute, as every look is.
            whole.main.show(replace(before, taken_at=before.taken_at, jobs=before.jobs))
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
            lambda: whole.main.open_thing("job", RUNNING),
            lambda: whole.main.open_restore(None),
        ]
        for place in places:
            await whole.back_to_main()
            place()
            await settled(whole)
            assert all(not one.cursor_blink for one in whole.app.screen.query(Input))
            for _ in range(8):
                await asyncio.sleep(0.1)
                await whole.pilot.pause()
            # A running job's heartbeat may be told as one number a second.
            written = len(whole.app.take().encode())
            assert written <= (2 * ONE_NUMBER if place is places[2] else 0), place


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_moving_the_cursor(small: SmallWorld, size: tuple[int, int]) -> None:
    """In the list, with the verdict of the row beside it; what is beside it costs its own lines."""
    async with still(small, size) as whole:
        verdict = 0 if size[0] < 120 else 56 * 12
        for key in "jjjkkj":
            spent = await cost(whole, key)
            assert 0 < spent <= CURSOR + verdict, (key, spent)
        for pane in ("jobs", "history"):
            whole.main.action_pane(pane)
            await settled(whole)
            for key in "jk":
                assert await cost(whole, key) <= CURSOR, (pane, key)


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
