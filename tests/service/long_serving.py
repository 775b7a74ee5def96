"""The service as systemd runs it: what is due, who is in the way, how it ends.

Run by `python -m tests.service`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import timedelta

from s3gc_core.jobs import list_jobs, vault_lease
from tests.core.jobs.journals import until
from tests.service.gates import approved, gated, job_done, open_gates
from tests.service.scene import NOON, Scene
from tests.stories.staging import ORPHANS, USED, claimed

TODAY = "run 2026-11-23T02:30:00+00:00"


async def test_what_was_missed_runs_once_and_never_again(scene: Scene) -> None:
    scene.was_served_before()
    first = await scene.serve()
    ended = await first.until("ended", "run-failed")
    assert (ended.event, ended.record and ended.record["exit_code"]) == ("ended", 0)
    await first.kill()
    # The next service has it from the audit log.
    second = await scene.serve(at=NOON + timedelta(hours=1))
    tomorrow = (NOON + timedelta(days=1)).replace(hour=2, minute=30)
    state = await scene.until(
        lambda s: (
            s.pid == second.process.pid and s.timed["run"].next_at == tomorrow
            if "run" in s.timed
            else False
        )
    )
    assert state.timed["run"].last_outcome == "scan done"
    await second.end()
    assert second.told() == ["serving", "stopping"]
    assert await scene.operations() == [("scan", "done", TODAY)]


async def test_a_killed_service_leaves_its_run_alone_and_waits_for_it(scene: Scene) -> None:
    await approved(scene)
    scene.was_served_before()
    program = gated(scene)
    first = await scene.serve(program=program)
    run = await until(scene.scheduled)
    open_gates(scene, 1)
    await until(lambda: any(j.state and j.state.what == "execute" for j in list_jobs(scene.vault)))
    await first.kill()
    second = await scene.serve(program=program)
    waits = await second.until("waits", "started")
    assert (waits.event, str(run.pid) in waits.detail) == ("waits", True)
    open_gates(scene, 2, 3, 4)
    state = await scene.until(lambda s: s.timed["run"].last_outcome == "execute done, scan done")
    assert state.timed["run"].waits == ""
    await second.end()
    assert second.told() == ["serving", "waits", "stopping"]
    assert await scene.world.keys() == {USED}
    assert await claimed(scene.world) == ORPHANS


async def test_a_run_that_finds_no_safe_point_is_ended_by_a_signal(scene: Scene) -> None:
    await approved(scene)
    scene.was_served_before()
    service = await scene.serve(program=gated(scene), safe_seconds=0.3)
    await until(lambda: len(list_jobs(scene.vault)) == 2)
    began = time.monotonic()
    await service.end()
    assert time.monotonic() - began < 15
    assert scene.scheduled() is None
    assert [how for _, how, _ in await scene.operations()] == ["done", "cancelled"]
    assert await scene.world.keys() == ORPHANS | {USED}


async def test_a_second_signal_ends_it_at_once_and_the_run_goes_on(scene: Scene) -> None:
    await approved(scene)
    scene.was_served_before()
    service = await scene.serve(program=gated(scene))
    open_gates(scene, 1)
    await until(lambda: len(list_jobs(scene.vault)) == 2 and job_done(scene, 1))
    service.process.terminate()
    await service.until("stopping")
    service.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        await service.process.wait()
    run = scene.scheduled()
    assert run is not None
    os.kill(run.pid, 0)
    open_gates(scene, 2, 3, 4)
    await until(lambda: scene.scheduled() is None)


async def test_a_busy_vault_is_told_and_waited_for(scene: Scene) -> None:
    scene.was_served_before()
    with vault_lease(scene.vault, "OP", "restore", "ana@there"):
        service = await scene.serve()
        assert "restore of ana@there" in (await service.until("waits", "started")).detail
        assert "restore of ana@there" in scene.state().timed["run"].waits
    await service.until("ended")
    await service.end()
    assert service.told() == ["serving", "waits", "started", "ended", "stopping"]
    assert await scene.operations() == [("scan", "done", TODAY)]


async def test_a_run_that_leaves_no_record_is_told_and_tried_again(scene: Scene) -> None:
    scene.was_served_before()
    service = await scene.serve(program=["false"])
    assert "no word (exit 1)" in (await service.until("run-failed")).detail
    assert "no word (exit 1)" in scene.state().timed["run"].problem
    await service.until("run-failed")
    await service.end()
    assert await scene.operations() == []


async def test_runs_and_drills_never_overlap(scene: Scene) -> None:
    scene.write_config(more='drill_cron = "03:00"\ndrill_sample = 5\n')
    scene.was_served_before()
    service = await scene.serve()
    await service.until("ended")
    await service.until("ended")
    await service.end()
    assert service.told() == ["serving", "started", "ended", "started", "ended", "stopping"]
    assert sorted(await scene.operations()) == [
        ("drill", "done", "drill 2026-11-23T03:00:00+00:00"),
        ("scan", "done", TODAY),
    ]


async def test_a_slot_is_done_once_whoever_is_told_to(scene: Scene) -> None:
    slot = ("--scheduled", "2026-11-23T02:30:00+00:00")
    assert (await scene.cli.batch("run", *slot)).summary["listed"] == len(ORPHANS) + 1
    again = (await scene.cli.batch("run", *slot)).summary
    assert (again["outcome"], "listed" in again) == ("nothing-to-do", False)
    with vault_lease(scene.vault, "OP", "scheduled run", "a@b", file="scheduled"):
        assert (await scene.cli.batch("run", "--scheduled", "2026-11-24T02:30Z")).code == 5
    assert await scene.operations() == [("scan", "done", TODAY)]
