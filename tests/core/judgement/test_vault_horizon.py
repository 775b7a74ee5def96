"""The guard `vault-horizon`: no deletion whose backup may go before the rows can come back."""

from __future__ import annotations

import pytest

from s3gc_core.config import Mode
from s3gc_core.errors import GuardBlocked
from s3gc_core.judgement.vault_horizon import vault_horizon
from tests.core.judgement.controlled import put, rows
from tests.world import World


@pytest.mark.parametrize(
    ("horizon", "restore", "blocks"),
    [(90, 35, False), (35, 35, False), (34, 35, True), (1, 0, False), (1, 1, False), (1, 2, True)],
)
def test_the_horizon_reaches_as_far_as_the_databases(
    horizon: int, restore: int, blocks: bool
) -> None:
    tripped = vault_horizon(horizon, restore)
    assert [trip.label for trip in tripped] == ["vault-horizon"] * blocks
    for trip in tripped:
        assert (f"{horizon} days" in trip.reason, f"{restore} days" in trip.reason) == (True, True)
        assert trip.next_step.startswith(f"set vault_horizon_days to {restore} or more; or ")


async def test_a_horizon_too_short_blocks_the_execution(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]}, vault_horizon_days=34, mode="audit_only")
    await put(world, "used", "a", "b")
    world.days(10)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    # What deletes nothing needs no backup.
    async with world.collector() as collector:
        plan = await collector.approve(plan_id, reason="a test")
        audited = await collector.execute(plan_id, confirm=plan.confirmation)
    assert audited.counts == {"would-delete": 2}
    world.change(mode=Mode.EXECUTE)
    async with world.collector() as collector:
        with pytest.raises(GuardBlocked, match=r"vault-horizon: .* 34 days .* 35 days"):
            await collector.execute(plan_id, confirm=plan.confirmation)
        *_, last = await collector.audit.operations()
    assert last.finished is not None
    assert (last.finished.outcome, last.finished.blocked) == ("blocked", ["vault-horizon"])
    assert await world.keys() == {"used", "a", "b"}
    world.change(vault_horizon_days=35)
    async with world.collector() as collector:
        done = await collector.execute(plan_id, confirm=plan.confirmation)
    assert done.counts == {"deleted": 2}
    assert await world.keys() == {"used"}
