"""The view of a job: on real jobs, and on journals kept under the lease as operations keep them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.collection import Selection
from s3gc_core.config import GuardLimits
from s3gc_core.errors import OperationCancelled
from s3gc_core.jobs import (
    ControlState,
    StartedJob,
    Wish,
    job_folder,
    operation_of,
    read_control,
)
from s3gc_core.jobs.files import begin_journal
from s3gc_core.session import READ_ONLY
from s3gc_tui.messages import RestoreWanted
from s3gc_tui.models.intents import ExecuteIntent, RestoreIntent, ScanIntent
from s3gc_tui.screens.job import JobScreen
from tests.core.jobs.journals import FIRST, begun, kept
from tests.tui.models.hostile import HOSTILE
from tests.tui.screens.asked import SIZES, assert_golden, ended, staged
from tests.tui.screens.watched import assert_tame_screen, noted, pane, until_text
from tests.tui.small_world import SmallWorld


def wish_of(vault: Path) -> Wish | None:
    control = read_control(job_folder(vault, FIRST))
    return control.wish if control else None


@pytest.mark.parametrize("size", SIZES)
async def test_a_started_scan_is_followed_to_its_end(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    async with staged(small) as stage:
        started = stage.gateway.start(ScanIntent())
        screen = JobScreen.for_started(stage.gateway, started)
        async with stage.showing(screen, size) as shown:
            text = await until_text(shown, "SCAN", "DONE")
            assert "it deleted nothing, so there is nothing to undo" in text
            # The newest are seen as they come; in a small terminal the first are above.
            text = await until_text(shown, "ended done")
            await shown.press("g")
            await until_text(shown, " scan began by ")
            jobs = await stage.gateway.picture()
            assert screen.operation_id == jobs.jobs[0].operation_id
            assert "u undo" not in text
            assert not screen._looking or screen._looking.is_finished


async def test_a_started_execution_tells_how_to_undo_it(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = await small.approved()
    async with staged(small) as stage:
        plan, _ = await stage.gateway.plan(plan_id)
        started = stage.gateway.start(ExecuteIntent(plan_id, plan.confirmation))
        screen = JobScreen.for_started(stage.gateway, started)
        wanted = noted(screen, RestoreWanted, monkeypatch)
        async with stage.showing(screen) as shown:
            text = await until_text(shown, "EXECUTE", "DONE", "deleted 3")
            undo = RestoreIntent(Selection(operation_id=screen.operation_id))
            line = stage.gateway.batch_line(undo)
            assert "".join(line.split()) in "".join(text.split())
            await shown.press("u")
            assert [message.selection for message in wanted] == [undo.selection]


@pytest.mark.parametrize("size", SIZES)
async def test_a_job_that_a_guard_blocked_tells_why_and_what_next(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    """Its operation has begun: the journal is all that another session sees of it."""
    small.write_config(guards=GuardLimits(max_share=1.0, max_objects_per_day=1))
    plan_id = await small.approved()
    async with staged(small) as stage:
        plan, _ = await stage.gateway.plan(plan_id)
        started = stage.gateway.start(ExecuteIntent(plan_id, plan.confirmation))
        await ended(stage, started)
        [job, *_] = (await stage.gateway.picture()).jobs
        async with stage.showing(JobScreen(stage.gateway, job.operation_id), size) as shown:
            text = " ".join((await until_text(shown, "BLOCKED", "next: ")).split())
            assert "why: guard-blocked: budget-per-day: with the 0 objects" in text
            assert "this plan makes 3 objects (limit 1)" in text
            assert "or execute --accept budget-per-day --reason TEXT" in text


async def test_a_job_that_never_began_tells_why_and_what_next(small: SmallWorld) -> None:
    async with staged(small) as stage:
        started = stage.gateway.start(ExecuteIntent("01JJJJJJJJJJJJJJJJJJJJJJJJ", "x 1"))
        outcome = await ended(stage, started)
        assert outcome.summary is not None
        async with stage.showing(JobScreen.for_started(stage.gateway, started)) as shown:
            text = await until_text(shown, "NOT BEGUN")
            assert " error     no-such-plan" in text
            assert " next      check the name" in text


@pytest.mark.parametrize("size", SIZES)
async def test_pause_resume_and_cancel_are_asked_for(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    vault = small.world.config.vault_path
    async with staged(small) as stage:
        try:
            async with kept(vault) as journal:
                journal.progress("list", 40, 100)
                async with stage.showing(JobScreen(stage.gateway, FIRST), size) as shown:
                    await until_text(shown, "RUNNING", "[######..........]  40 / 100  40%")
                    await shown.press("p")
                    assert wish_of(vault) is Wish.PAUSE
                    await until_text(shown, "PAUSING", "it comes at the next safe point")
                    waiting = asyncio.create_task(journal.checkpoint())
                    await until_text(shown, "PAUSED", "p go on")
                    await shown.press("p")
                    assert wish_of(vault) is Wish.RUN
                    assert await waiting
                    await until_text(shown, "RUNNING", "p pause")

                    await shown.press("x")
                    assert "Cancel scan" in shown.text()
                    await shown.press("enter")
                    assert wish_of(vault) is Wish.RUN
                    await shown.press("x", "escape")
                    assert wish_of(vault) is Wish.RUN
                    await shown.press("x", "j", "enter")
                    assert wish_of(vault) is Wish.CANCEL
                    await until_text(shown, "CANCELLING", "what has begun is finished")
                    assert "x cancel" not in shown.text()
                    await journal.checkpoint()
        except OperationCancelled:
            return
    raise AssertionError("it was not cancelled")


async def test_a_read_only_session_only_watches(small: SmallWorld) -> None:
    vault = small.world.config.vault_path
    async with (
        staged(small, READ_ONLY) as stage,
        kept(vault),
        stage.showing(JobScreen(stage.gateway, FIRST)) as shown,
    ):
        text = await until_text(shown, "RUNNING")
        assert "(the job goes on)  [READ-ONLY]" in text
        await shown.press("p", "x", "enter")
        assert wish_of(vault) is None
        assert isinstance(shown.app.screen, JobScreen)


def interrupted(vault: Path, **fields: object) -> None:
    """The journal of an operation whose process died twelve minutes ago."""
    then = datetime.now(UTC) - timedelta(minutes=12, seconds=1)
    begin_journal(vault, begun(FIRST, started_at=then, heartbeat_at=then, **fields))


async def test_an_interrupted_one_tells_what_recovers(small: SmallWorld) -> None:
    interrupted(small.world.config.vault_path)
    async with staged(small) as stage, stage.showing(JobScreen(stage.gateway, FIRST)) as shown:
        text = await until_text(shown, "INTERRUPTED", "its process died")
        assert "last sign of life 12m" in text
        assert " nothing is in doubt" in text
        line = stage.gateway.batch_line(ScanIntent())
        assert "".join(line.split()) in "".join(text.split())
        await shown.press("p", "x")
        assert wish_of(small.world.config.vault_path) is None


@pytest.mark.parametrize("size", SIZES)
async def test_golden(small: SmallWorld, size: tuple[int, int]) -> None:
    interrupted(small.world.config.vault_path, actor="ops@ops-1", host="ops-1", pid=4711)
    async with (
        staged(small) as stage,
        stage.showing(JobScreen(stage.gateway, FIRST), size) as shown,
    ):
        text = await until_text(shown, "INTERRUPTED")
        text = text.replace(str(small.cli.config), "s3gc.toml")
        text = "".join(text.partition("A scan will do:\n")[:2])
        ago = text.index("life ") + len("life ")
        assert_golden(f"job-{size[0]}", text[:ago] + text[text.index(" ago", ago) :])


async def test_failures_by_outcome_and_the_events_in_a_file(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    vault = small.world.config.vault_path
    async with staged(small) as stage, kept(vault) as journal:
        journal.object_ended("changed", "a/b.jpg", "another ETag")
        journal.object_ended("failed", "c.jpg", "503")
        journal.tally({"changed": 44, "failed": 1})
        async with stage.showing(JobScreen(stage.gateway, FIRST)) as shown:
            text = await until_text(shown, "changed       a/b.jpg", "failed        c.jpg")
            assert text.index("a/b.jpg") < text.index("c.jpg")
            await shown.press("f")
            assert " changed  44; the first 1 are named" in shown.text()
            await shown.press("w")
            await shown.press("w")
            await until_text(shown, "saved to")
    saved = sorted(tmp_path.glob("s3gc-*-events*.jsonl"))
    assert [path.name for path in saved] == [
        f"s3gc-{FIRST}-events-2.jsonl",
        f"s3gc-{FIRST}-events.jsonl",
    ]
    for path in saved:
        assert path.stat().st_mode & 0o777 == 0o600
        records = [json.loads(line) for line in path.read_text("ascii").splitlines()]
        told = [(r["kind"], r["subject"], r["key"]) for r in records]
        assert told == [
            ("began", "scan", ""),
            ("object", "changed", "a/b.jpg"),
            ("object", "failed", "c.jpg"),
        ]


async def test_the_newest_are_in_sight_unless_somebody_looks_at_earlier_ones(
    small: SmallWorld,
) -> None:
    vault = small.world.config.vault_path
    async with staged(small) as stage, kept(vault) as journal:
        journal.progress("list", 1)
        async with stage.showing(JobScreen(stage.gateway, FIRST), (80, 24)) as shown:
            await until_text(shown, "phase list")
            for n in range(20):
                journal.object_ended("failed", f"first/{n:02}", "503")
            await until_text(shown, "first/19")
            # More is told above: the room for events shrinks while it runs.
            journal.progress("compare", 1, 2)
            journal.progress("judge", 1, 2)
            journal.tally({"deleted": 1}, deleted=5)
            await until_text(shown, "phase judge", "deleted 1")
            await shown.press("g")
            text = await until_text(shown, " scan began by ")
            assert "phase judge" not in text
            for n in range(20):
                journal.object_ended("changed", f"later/{n:02}", "another ETag")
            journal.progress("more", 1)
            text = await until_text(shown, " scan began by ", " more ")
            assert "later/19" not in text
            await shown.press("G")
            await until_text(shown, "phase more")
            journal.progress("last", 1)
            await until_text(shown, "phase last")


async def test_a_job_that_is_not_kept_any_more(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(JobScreen(stage.gateway, FIRST)) as shown:
        await until_text(shown, f"no journal is kept of operation {FIRST}")
        await shown.press("escape")
        assert shown.results == [None]


async def test_hostile_text_stays_text(small: SmallWorld) -> None:
    vault = small.world.config.vault_path
    fields: dict[str, Any] = {"actor": HOSTILE[5], "host": HOSTILE[0]}
    async with staged(small) as stage, kept(vault) as journal:
        for name, value in fields.items():
            setattr(journal._state, name, value)
        for wild in HOSTILE:
            journal.step(wild)
            journal.object_ended("changed", wild, wild)
        journal.progress("[red]list", 1, 2)
        async with stage.showing(JobScreen(stage.gateway, FIRST), (160, 48)) as shown:
            await until_text(shown, "[@click=app.quit]x[/]", "[red]list")
            assert_tame_screen(shown)
            await shown.press("f")
            assert_tame_screen(shown)
            assert pane(shown, "#told").lines


def test_a_process_id_that_was_used_before_is_not_taken_for_ours(tmp_path: Path) -> None:
    from s3gc_core.jobs import Job, JobOutcome, Standing

    started = StartedJob("01K0000000000000000000000A", 4711, tmp_path)
    outcome = JobOutcome(True, None, None, ())
    old = begun(FIRST, pid=4711, started_at=datetime(2020, 1, 1, tzinfo=UTC))
    new = begun(FIRST, pid=4711)
    other = begun(FIRST, pid=4712)
    for state, found in ((old, None), (new, FIRST), (other, None)):
        jobs = (Job(FIRST, Standing.RUNNING, state),)
        assert operation_of(started, outcome, jobs) == found
    assert new.control is ControlState.RUNNING
