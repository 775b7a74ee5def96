"""Jobs as processes: they outlive who started them, wait, end early, die, and lose nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3gc_core.jobs import (
    ControlState,
    Job,
    Standing,
    StartedJob,
    job_events,
    job_outcome,
    list_jobs,
    request_cancel,
    request_pause,
    request_resume,
    start_job,
    vault_lease,
)
from s3gc_core.judgement import PlanState
from tests.core.jobs.journals import until, until_job
from tests.stories.staging import ORPHANS, USED, claimed, go_on, ready_plan
from tests.tui.command_line import CommandLine, toml
from tests.world import World

DAYS = "30"
ONE_BY_ONE = "1"
STARTER = """
import json, signal, sys
from pathlib import Path
from s3gc_core.jobs import start_job
started = start_job(Path(sys.argv[1]), json.loads(sys.argv[2]))
print(json.dumps([started.job_id, started.pid, str(started.output_path)]), flush=True)
signal.pause()
"""


@dataclass(slots=True)
class Scene:
    """An approved plan of four orphans, and its execution as a job, one object a batch."""

    world: World
    cli: CommandLine
    plan_id: str
    argv: list[str]

    @property
    def vault(self) -> Path:
        return self.world.config.vault_path

    @property
    def gates(self) -> Path:
        return self.cli.folder / "gates"

    def start(self) -> StartedJob:
        return start_job(self.vault, self.argv, self.cli.variables())

    def open_gates(self, *numbers: int) -> None:
        """Let these batches begin."""
        for number in numbers:
            (self.gates / str(number)).touch()

    async def until_done(self, objects: int) -> Job:
        """Until so many objects have been executed; the next batch waits behind its gate."""

        def so_far(job: Job) -> bool:
            phases = job.state.phases if job.state else []
            return any(phase.name == "execute" and phase.done == objects for phase in phases)

        return await until_job(self.vault, so_far)

    async def until_ended(self, started: StartedJob) -> int | None:
        def ending() -> StartedJob | None:
            known = started.exit_code is not None
            return started if known and not job_outcome(started).running else None

        return (await until(ending)).exit_code

    async def state(self) -> PlanState:
        async with self.world.collector() as collector:
            return (await collector.plan(self.plan_id))[1].state

    async def outcomes_of_operations(self) -> list[tuple[str, str]]:
        async with self.world.collector() as collector:
            operations = await collector.audit.operations()
        return [(o.started.what, o.finished.outcome if o.finished else "") for o in operations]


@pytest.fixture
async def scene(sqlite_world: World, tmp_path: Path) -> Scene:
    plan_id = await ready_plan(sqlite_world)
    async with sqlite_world.collector() as collector:
        plan = await collector.approve(plan_id, reason="a test")
    folder = tmp_path / "operator"
    folder.mkdir()
    cli = CommandLine(folder)
    cli.config.write_text(toml(sqlite_world.config))
    gates = folder / "gates"
    gates.mkdir()
    gated = ["-m", "tests.stories.gated", DAYS, ONE_BY_ONE, str(gates)]
    command = ["execute", "--plan", plan_id, "--confirm", plan.confirmation]
    argv = [sys.executable, *gated, "--batch", "--config", str(cli.config), *command]
    return Scene(sqlite_world, cli, plan_id, argv)


def begun(job: Job) -> bool:
    return job.state is not None and job.state.what == "execute"


def paused(job: Job) -> bool:
    return job.state is not None and job.state.control is ControlState.PAUSED


async def test_a_job_outlives_a_starter_that_is_killed(scene: Scene) -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(scene.vault), json.dumps(scene.argv)),
        env=scene.cli.variables(),
        stdout=PIPE,
        start_new_session=True,
    )
    assert starter.stdout is not None
    job_id, pid, output = json.loads(await starter.stdout.readline())
    started = StartedJob(job_id, pid, Path(output))
    scene.open_gates(1)
    await scene.until_done(1)
    os.killpg(starter.pid, signal.SIGKILL)
    assert await asyncio.wait_for(starter.wait(), 30) == -signal.SIGKILL
    assert list_jobs(scene.vault, 1)[0].standing is Standing.RUNNING
    scene.open_gates(2, 3, 4)
    outcome = await until(lambda: o if not (o := job_outcome(started)).running else None)
    assert outcome.summary is not None
    assert (outcome.summary["outcome"], outcome.summary["deleted"]) == ("done", len(ORPHANS))
    assert await scene.world.keys() == {USED}
    [job, _] = list_jobs(scene.vault)
    assert (job.standing, job.operation_id) == (Standing.ENDED, outcome.summary["operation_id"])
    assert job.state is not None
    # What was started is found among the operations by its process.
    assert (job.state.pid, job.state.what, job.state.plan_id) == (pid, "execute", scene.plan_id)
    assert (job.state.outcome, job.state.counts) == ("done", {"deleted": len(ORPHANS)})
    size = sum(len(f"the bytes of {key}") for key in ORPHANS)
    assert job.state.bytes == {"backed_up": size, "deleted": size}
    assert [(p.name, p.done, p.total) for p in job.state.phases] == [
        ("compare plan", 4, 4),
        ("execute", 4, 4),
    ]


async def test_a_pause_changes_nothing_but_the_time(scene: Scene) -> None:
    started = scene.start()
    scene.open_gates(1)
    job = await scene.until_done(1)
    request_pause(scene.vault, job.operation_id, "ops@there")
    assert list_jobs(scene.vault, 1)[0].standing is Standing.PAUSING
    scene.open_gates(2, 3, 4)
    await until_job(scene.vault, paused)
    # The batch that had begun was finished and recorded; no other was, though all gates are open.
    assert len(await scene.world.keys()) == 1 + len(ORPHANS) - 2
    outcomes = await scene.world.outcomes(job.operation_id)
    assert sorted(outcomes.values()) == ["deleted", "deleted"]
    assert list_jobs(scene.vault, 1)[0].standing is Standing.PAUSED
    assert job_outcome(started).running
    request_resume(scene.vault, job.operation_id, "ana@there")
    assert await scene.until_ended(started) == 0
    assert await scene.world.outcomes(job.operation_id) == dict.fromkeys(ORPHANS, "deleted")
    assert await scene.world.keys() == {USED}
    assert await scene.state() is PlanState.EXECUTED
    told = [
        (e.kind.value, e.subject or e.by) for e in job_events(scene.vault, job.operation_id).events
    ]
    assert told[1:] == [
        ("phase", "compare plan"),
        ("compared", "4 objects with the plan"),
        ("asked", "main:files.k"),
        ("phase", "execute"),
        ("paused", "ops@there"),
        ("resumed", "ana@there"),
        ("ended", "done"),
    ]


async def test_a_cancelled_execution_can_be_gone_on_with(scene: Scene) -> None:
    started = scene.start()
    scene.open_gates(1)
    job = await scene.until_done(1)
    request_cancel(scene.vault, job.operation_id, "ops@there")
    assert list_jobs(scene.vault, 1)[0].standing is Standing.CANCELLING
    scene.open_gates(2, 3, 4)
    assert await scene.until_ended(started) == 4
    summary = job_outcome(started).summary
    assert summary is not None
    assert (summary["outcome"], summary["error"]) == ("cancelled", "operation-cancelled")
    assert (summary["operation_id"], summary["deleted"]) == (job.operation_id, 2)
    [ended, _] = list_jobs(scene.vault)
    assert ended.state is not None
    assert (ended.state.outcome, ended.state.counts) == ("cancelled", {"deleted": 2})
    there = await scene.world.keys()
    assert there | await claimed(scene.world) == ORPHANS | {USED}
    assert len(there & ORPHANS) == 2
    assert await scene.state() is PlanState.EXECUTING
    assert await scene.outcomes_of_operations() == [("scan", "done"), ("execute", "cancelled")]
    finished = await go_on(scene.world, scene.plan_id)
    assert (finished.outcome, finished.counts) == ("done", {"deleted": 2})
    assert await scene.world.keys() == {USED}
    assert await claimed(scene.world) == ORPHANS
    await scene.world.restore(operation_id=job.operation_id)
    await scene.world.restore(operation_id=finished.operation_id)
    assert await scene.world.keys() == ORPHANS | {USED}


async def test_a_job_that_is_killed_was_interrupted_until_the_next_recovers(scene: Scene) -> None:
    started = scene.start()
    scene.open_gates(1)
    job = await scene.until_done(1)
    os.kill(started.pid, signal.SIGKILL)
    assert await scene.until_ended(started) == -signal.SIGKILL
    [died, _] = list_jobs(scene.vault)
    assert (died.operation_id, died.standing) == (job.operation_id, Standing.INTERRUPTED)
    finished = await go_on(scene.world, scene.plan_id)
    assert finished.outcome == "done"
    assert await scene.world.keys() == {USED}
    recovered = next(j for j in list_jobs(scene.vault) if j.operation_id == job.operation_id)
    assert recovered.standing is Standing.ENDED
    assert recovered.state is not None
    assert recovered.state.outcome == "interrupted"
    assert await scene.outcomes_of_operations() == [
        ("scan", "done"),
        ("execute", "interrupted"),
        ("execute", "done"),
    ]


async def test_a_job_that_never_becomes_an_operation(scene: Scene) -> None:
    with vault_lease(scene.vault, "OP", "scan", "someone@else"):
        started = scene.start()
        assert await scene.until_ended(started) == 5
    outcome = job_outcome(started)
    assert outcome.summary is not None
    assert (outcome.summary["outcome"], outcome.summary["error"]) == ("failed", "vault-busy")
    assert [job.state.what for job in list_jobs(scene.vault) if job.state] == ["scan"]


async def test_a_job_that_is_told_to_end_by_a_signal_is_no_interruption(scene: Scene) -> None:
    started = scene.start()
    job = await until_job(scene.vault, begun)
    request_pause(scene.vault, job.operation_id, "ops@there")
    scene.open_gates(1)
    await until_job(scene.vault, paused)
    os.kill(started.pid, signal.SIGTERM)
    assert await scene.until_ended(started) == 143
    [ended, _] = list_jobs(scene.vault)
    assert ended.state is not None
    assert (ended.standing, ended.state.outcome) == (Standing.ENDED, "cancelled")
    assert await scene.state() is PlanState.EXECUTING
