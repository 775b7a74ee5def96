"""A dashboard ends in every way there is while a job runs that it started; the job goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3gc_core.jobs import Job, Standing, list_jobs
from s3gc_core.judgement import PlanState
from s3gc_tui.terminal import HARD_LIMIT_SECONDS
from tests.core.jobs.journals import until, until_job
from tests.stories.staging import ORPHANS, USED, go_on, ready_plan
from tests.tui.command_line import CommandLine, toml
from tests.tui.terminal.test_real_terminal import LEFT
from tests.tui.terminal.tmux import BEFORE, Terminal, terminal
from tests.world import World

DAYS = "30"
# What an end may take beyond its limit before it counts as late, on a machine with much to do.
LATE = 1.0


@dataclass(slots=True)
class Stage:
    """An approved plan of four orphans, to be executed one object a batch from a dashboard."""

    world: World
    cli: CommandLine
    plan_id: str
    confirmation: str

    @property
    def vault(self) -> Path:
        return self.world.config.vault_path

    @property
    def pid_file(self) -> Path:
        return self.cli.folder / "dashboard.pid"

    @property
    def hangs(self) -> Path:
        return self.pid_file.with_suffix(".hangs")

    @contextmanager
    def dashboard(self, *more: str) -> Iterator[Terminal]:
        program = [sys.executable, "-m", "tests.tui.terminal.dashboard_on_stage", DAYS]
        files = [str(self.cli.folder / "gates"), str(self.pid_file)]
        self.pid_file.unlink(missing_ok=True)
        argv = [*program, *files, "--config", str(self.cli.config), *more]
        with terminal(argv, self.cli.variables()) as term:
            yield term

    def open_gates(self, *numbers: int) -> None:
        """Let these batches begin."""
        for number in numbers:
            (self.cli.folder / "gates" / str(number)).touch()

    def signal_dashboard(self, number: signal.Signals) -> int:
        """Send it a signal; returns its process id."""
        pid = int(self.pid_file.read_text())
        os.kill(pid, number)
        return pid

    async def execute(self, term: Terminal) -> Job:
        """Start the execution as an operator does, and let its first batch be done."""
        await term.shows("approved")
        term.press("3")
        await term.until(lambda screen: "/ filter" not in screen.lines[-1])
        term.press("Enter")
        await term.shows(self.plan_id, "ctrl+x execute")
        term.press("C-x")
        await term.shows("not yet matching")
        await term.type(self.confirmation)
        term.press("Enter")
        await term.shows("EXECUTE", "RUNNING")
        self.open_gates(1)
        job = await self.until_done(1)
        await term.shows("1 / 4", "p pause")
        return job

    async def until_done(self, objects: int) -> Job:
        """Until so many objects have been executed; the next batch waits behind its gate."""

        def so_far(job: Job) -> bool:
            phases = job.state.phases if job.state else []
            return any(phase.name == "execute" and phase.done == objects for phase in phases)

        return await until_job(self.vault, so_far)

    async def ends_exactly(self, job: Job) -> None:
        """The job goes on to its end as if nobody had ever watched it."""
        assert job.state is not None
        os.kill(job.state.pid, 0)
        self.open_gates(2, 3, 4)
        ended = await until_job(self.vault, lambda one: one.standing is Standing.ENDED)
        assert (ended.operation_id, ended.state.outcome if ended.state else None) == (
            job.operation_id,
            "done",
        )
        assert await self.world.outcomes(job.operation_id) == dict.fromkeys(ORPHANS, "deleted")
        assert await self.world.keys() == {USED}
        async with self.world.collector() as collector:
            assert (await collector.plan(self.plan_id))[1].state is PlanState.EXECUTED
            assert await collector.audit.verify() > 0


@pytest.fixture
async def stage(sqlite_world: World, alone: CommandLine) -> Stage:
    plan_id = await ready_plan(sqlite_world)
    async with sqlite_world.collector() as collector:
        plan = await collector.approve(plan_id, reason="a test")
    alone.config.write_text(toml(sqlite_world.config))
    (alone.folder / "gates").mkdir()
    return Stage(sqlite_world, alone, plan.plan_id, plan.confirmation)


async def gone(pid: int) -> None:
    def ended() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    await until(ended)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
async def test_a_signal_ends_the_dashboard_and_not_its_job(
    stage: Stage, number: signal.Signals, code: int
) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        began = time.monotonic()
        pid = stage.signal_dashboard(number)
        await gone(pid)
        assert time.monotonic() - began < HARD_LIMIT_SECONDS
        ended = await term.until(lambda screen: screen.exit_code is not None)
        assert ended.exit_code == code
        assert ended.lines[0] == BEFORE
        assert term.modes() == LEFT
        before, after = term.settings()
        assert before == after
    await stage.ends_exactly(job)


async def test_a_killed_dashboard_leaves_its_job(stage: Stage) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        stage.signal_dashboard(signal.SIGKILL)
        await term.until(lambda screen: "exit code 137" in screen.text)
    await stage.ends_exactly(job)


async def test_a_closed_terminal_ends_the_dashboard_and_not_its_job(stage: Stage) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        began = time.monotonic()
        term.close()
        await gone(int(stage.pid_file.read_text()))
        assert time.monotonic() - began < HARD_LIMIT_SECONDS + LATE
    await stage.ends_exactly(job)


async def test_a_new_dashboard_finds_the_running_job_and_may_only_look(stage: Stage) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        stage.signal_dashboard(signal.SIGKILL)
        await term.until(lambda screen: "exit code 137" in screen.text)
    with stage.dashboard() as term:
        found = await term.shows("[READ-ONLY]", "EXECUTE 25%", "1 / 4")
        assert "p pause" not in found.text
        term.press("3")
        # The line of keys is the pane's own: keys that come before it would go to the list.
        there = await term.until(lambda screen: "/ filter" not in screen.lines[-1])
        assert "p pause" not in there.text
        term.press("p", "x", "Enter")
        watched = await term.shows(
            job.operation_id, "RUNNING", "1 / 4", "q back  (the job goes on)"
        )
        assert "pause" not in watched.lines[-1]
        assert "cancel" not in watched.lines[-1]
        term.press("p", "x")
        # It is live: what the job does now is shown now.
        stage.open_gates(2)
        await term.shows("2 / 4", "RUNNING")
        [now, *_] = list_jobs(stage.vault, 1)
        assert (now.standing, now.asked) == (Standing.RUNNING, None)
        await stage.ends_exactly(job)
        await term.shows("DONE", "deleted 4")


async def test_a_killed_job_is_shown_as_interrupted_with_what_is_in_doubt(stage: Stage) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        assert job.state is not None
        os.kill(job.state.pid, signal.SIGKILL)
        shown = await term.shows("INTERRUPTED", "in doubt; nothing was deleted without a backup")
        assert "p pause" not in shown.text
        term.press("q")
        await term.shows("interrupted", "1 Candidates")
    assert len(await stage.world.keys()) == 1 + len(ORPHANS) - 1
    finished = await go_on(stage.world, stage.plan_id)
    assert finished.outcome == "done"
    assert await stage.world.keys() == {USED}


async def test_a_dashboard_that_hangs_ends_all_the_same(stage: Stage) -> None:
    with stage.dashboard("--write") as term:
        job = await stage.execute(term)
        term.press("Z")
        await until(stage.hangs.exists)
        began = time.monotonic()
        await gone(stage.signal_dashboard(signal.SIGTERM))
        assert HARD_LIMIT_SECONDS <= time.monotonic() - began < HARD_LIMIT_SECONDS + LATE
        ended = await term.until(lambda screen: screen.exit_code is not None)
        assert ended.exit_code == 143
        assert ended.lines[0] == BEFORE
        assert term.modes() == LEFT
        before, after = term.settings()
        assert before == after
    await stage.ends_exactly(job)
