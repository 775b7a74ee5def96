"""The configuration points at another bucket than the vault's: nothing is concluded from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3gc_core.errors import GuardBlocked
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.core.collection.test_purge import backed_up, purge
from tests.world import World


@pytest.fixture
async def clone(
    sqlite_world: World, make_bucket: MakeBucket, seaweed: SeaweedServer
) -> tuple[World, World]:
    """Production with its vault, two orphans and a clone, which has all objects; the same vault is
    configured for both.
    """
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, vault_horizon_days=90)
    other = World(
        replace(world.config, bucket=(await make_bucket(seaweed)).bucket), world.app, world.clock
    )
    for key in ("used", "a", "b"):
        for bucket in (world, other):
            await bucket.put(key, key.encode())
    world.days(10)
    return world, other


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_lives_in_another_bucket_makes_no_backup_needless(
    clone: tuple[World, World], dry_run: bool
) -> None:
    world, other = clone
    await world.collect()
    world.days(91)
    with pytest.raises(GuardBlocked) as blocked:
        await purge(other, dry_run=dry_run)
    assert list(blocked.value.guards) == ["identity:bucket"]
    assert await backed_up(world) == {"a", "b"}
    # In the vault's own bucket they are sole copies, too.
    assert (await purge(world)).sole_copies == 2
    assert (await world.restore("a", "b")).counts == {"restored": 2}
    assert await world.keys() == {"used", "a", "b"}
