"""An approved plan of four orphans, executed one object a batch, each behind a gate."""

from __future__ import annotations

import sys

from s3gc_core.jobs import list_jobs
from tests.service.scene import DAYS, Scene


def gated(scene: Scene) -> list[str]:
    """s3gc that executes one object a batch, each behind a gate."""
    gates = scene.cli.folder / "gates"
    gates.mkdir()
    return [sys.executable, "-m", "tests.stories.gated", DAYS, "1", str(gates)]


def open_gates(scene: Scene, *numbers: int) -> None:
    for number in numbers:
        (scene.cli.folder / "gates" / str(number)).touch()


async def approved(scene: Scene) -> None:
    """A plan of all orphans that waits for its execution."""
    scene.world.days(float(DAYS))
    plan_id = (await scene.world.scan()).plan_id
    assert plan_id is not None
    async with scene.world.collector() as collector:
        await collector.approve(plan_id, reason="a test")


def job_done(scene: Scene, objects: int) -> bool:
    """Whether the newest operation has executed so many."""
    state = list_jobs(scene.vault, 1)[0].state
    phases = state.phases if state else []
    return any(phase.name == "execute" and phase.done == objects for phase in phases)
