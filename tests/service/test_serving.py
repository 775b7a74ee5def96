"""The service that is asked to end; the rest of its life is in `long_serving.py`."""

from __future__ import annotations

from s3gc_core.jobs import list_jobs, read_control
from s3gc_core.jobs.records import job_folder
from tests.core.jobs.journals import until
from tests.service.gates import approved, gated, job_done, open_gates
from tests.service.scene import Scene
from tests.stories.staging import ORPHANS, USED, claimed


async def test_asked_to_end_it_lets_a_run_finish_what_it_has_begun(scene: Scene) -> None:
    await approved(scene)
    scene.was_served_before()
    api = scene.cli.folder / "api"
    service = await scene.serve(program=gated(scene), api=str(api))
    open_gates(scene, 1)
    job = await until(
        lambda: next(
            (j for j in list_jobs(scene.vault) if j.state and j.state.what == "execute"), None
        )
    )
    assert api.read_text() == "up ['photos']"
    await until(lambda: job_done(scene, 1))
    service.process.terminate()
    await until(lambda: read_control(job_folder(scene.vault, job.operation_id)))
    # No new work, and nobody is answered any more; what is under way is waited for.
    assert (api.read_text(), scene.state().is_stopping) == ("down", True)
    open_gates(scene, 2)
    await service.ended()
    assert scene.scheduled() is None
    assert [(what, how) for what, how, _ in await scene.operations()] == [
        ("scan", "done"),
        ("execute", "cancelled"),
    ]
    there = await scene.world.keys()
    assert (len(there & ORPHANS), there | await claimed(scene.world)) == (2, ORPHANS | {USED})
