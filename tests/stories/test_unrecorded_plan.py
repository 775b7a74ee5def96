"""A plan whose scan was killed before the audit log had it: nobody approves it by mistake."""

from __future__ import annotations

import pytest

from s3gc_core.actions import scanning
from s3gc_core.errors import PlanChanged
from tests.core.judgement.controlled import put, rows
from tests.world import World


async def test_it_can_only_be_rejected(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "orphan")
    world.days(10)

    async def unrecorded(*_: object) -> None:
        """The process was killed here."""

    with monkeypatch.context() as patch:
        patch.setattr(scanning, "_record_scan", unrecorded)
        plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    async with world.collector() as collector:
        with pytest.raises(PlanChanged, match="its scan did not end"):
            await collector.approve(plan_id, reason="a test")
        assert await collector.approved_plan() is None
        await collector.reject(plan_id, reason="a test")
    # The next scan's plan is as good as any.
    assert (await world.collect()).counts == {"deleted": 1}
