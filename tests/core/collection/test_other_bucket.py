"""The configuration points at another bucket than the vault's: nothing is concluded from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.actions.operations import look_for_late_deletes, recover_dead
from s3gc_core.actions.restoring import restore
from s3gc_core.collection import Recovered, Selection
from s3gc_core.collection.execute import Execution
from s3gc_core.errors import (
    BucketUnreachable,
    GuardBlocked,
    NoSuchKey,
    ResultsUnbalanced,
    S3gcError,
)
from s3gc_core.jobs import vault_lease
from s3gc_core.vault import RestoreIntent
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


async def died(world: World, monkeypatch: pytest.MonkeyPatch, *, deleted: bool) -> str:
    """An execution ends without a word, once its deletes were done, or before; its operation."""
    summary = await world.scan()
    assert summary.plan_id is not None

    async def away(*_: object) -> None:
        raise BucketUnreachable("away")

    with monkeypatch.context() as patch:
        if deleted:
            patch.setattr(Execution, "_note", lambda *_: None)
        else:
            patch.setattr(Execution, "_delete_unchanged", away)
        with pytest.raises(ResultsUnbalanced if deleted else BucketUnreachable):
            await world.execute(summary.plan_id)
    assert await world.keys() == ({"used"} if deleted else {"used", "a", "b"})
    async with world.collector() as collector:
        return (await collector.audit.operations())[-1].operation_id


async def left_open(world: World) -> frozenset[str]:
    async with world.collector() as collector:
        return await collector.audit.claimed()


async def followed(world: World) -> None:
    """What a follower does about dead operations, and now and then."""
    async with world.collector() as collector:
        parts = collector._parts
        vault = world.config.vault_path
        assert await recover_dead(parts.audit, parts.files, parts.bucket, vault_path=vault) == (
            Recovered()
        )
        await look_for_late_deletes(parts.audit, parts.bucket)


async def test_what_another_bucket_says_is_in_no_record(
    clone: tuple[World, World], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has what is gone; recovery there would say that nothing was deleted."""
    world, other = clone
    operation_id = await died(world, monkeypatch, deleted=True)
    for action in (other.scan, lambda: other.restore("a"), lambda: purge(other)):
        with pytest.raises(GuardBlocked) as blocked:
            await action()
        assert list(blocked.value.guards) == ["identity:bucket"]
    await followed(other)
    # Elsewhere it comes back from the vault alone.
    async with other.collector() as collector:
        selection = Selection(operation_id=operation_id)
        done = await collector.restore_to_folder(selection, tmp_path / "out")
    assert (done.counts, done.to_recover) == ({"exported": 2}, True)
    assert await left_open(world) == {"a", "b"}
    assert await world.outcomes(operation_id) == {}

    restored = await world.restore(operation_id=operation_id)
    assert (restored.counts, restored.to_recover) == ({"restored": 2}, False)
    assert await world.outcomes(operation_id) == {"a": "deleted", "b": "deleted"}
    assert await other.keys() == await world.keys() == {"used", "a", "b"}


async def test_who_heals_beside_an_operation_concludes_nothing_from_another_bucket(
    clone: tuple[World, World],
) -> None:
    """Nor from one that is not there."""
    world, other = clone
    done = await world.collect()
    async with world.collector() as collector:
        await collector.audit.append("01DEAD", [RestoreIntent("a", done.operation_id)])
    nowhere = replace(world, config=replace(world.config, bucket="misspelt"))
    with vault_lease(world.config.vault_path, "01ALIVE", "execute", "me"):
        for wrong, refused in ((other, GuardBlocked), (nowhere, BucketUnreachable)):
            async with wrong.collector() as collector:
                with pytest.raises(refused):
                    await restore(collector._parts, Selection(keys=("a",)), healing=True)
            async with world.collector() as collector:
                assert await collector.audit.claims() == {"a": "01DEAD"}
        async with world.collector() as collector:
            done = await restore(collector._parts, Selection(keys=("a",)), healing=True)
        assert done.counts == {"restored": 1}
    assert await world.keys() == {"used", "a"}


async def test_objects_of_a_bucket_that_is_not_there_are_not_gone(
    clone: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A HEAD in a bucket that is misspelt says no more than that nothing is there."""
    world, _ = clone
    operation_id = await died(world, monkeypatch, deleted=False)
    nowhere = replace(world, config=replace(world.config, bucket="misspelt"))
    # No identity is bound where the vault was made by an earlier version.
    for bound in (True, False):
        with monkeypatch.context() as patch:
            if not bound:
                patch.setattr("s3gc_core.collection.whose.identity_bound", nothing)
            for action in (nowhere.scan, lambda: nowhere.restore("a"), lambda: followed(nowhere)):
                with pytest.raises(BucketUnreachable):
                    await action()
    assert await left_open(world) == {"a", "b"}
    # Once it is looked at there is nothing to restore.
    with pytest.raises(NoSuchKey):
        await world.restore(operation_id=operation_id)
    assert await world.outcomes(operation_id) == {"a": "kept", "b": "kept"}


async def nothing(_: object) -> None:
    return None


async def test_what_is_missing_in_another_bucket_was_not_deleted_late(
    clone: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, other = clone
    operation_id = await died(world, monkeypatch, deleted=False)
    await world.scan()
    kept = {"a": "kept", "b": "kept"}
    assert await world.outcomes(operation_id) == kept
    await other.remove("a")
    with pytest.raises(S3gcError):
        await other.scan()
    await followed(other)
    assert await world.outcomes(operation_id) == kept
    # What is gone from the vault's own is.
    await world.remove("b")
    await followed(world)
    assert await world.outcomes(operation_id) == {"a": "kept", "b": "vanished"}
