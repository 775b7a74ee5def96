"""Clean-up of backups on real stores: never a sole copy, never before the horizon."""

from __future__ import annotations

import msgspec

from s3gc_core.collection import PurgeSummary, Selection
from tests.world import World


async def purge(world: World, days: int | None = None, *, dry_run: bool = False) -> PurgeSummary:
    async with world.collector() as collector:
        return await collector.purge(older_than_days=days, dry_run=dry_run)


async def backed_up(world: World) -> set[str]:
    """Keys whose backup is there, by the audit log and by the disk."""
    async with world.collector() as collector:
        entries = [entry async for page in collector.audit.backups() for entry in page]
        for entry in entries:
            assert (world.config.vault_path / entry.intent.backup.path).is_file()
        wrong = [key async for key, problem in collector.verify_backups() if problem]
    assert wrong == []
    vault = world.config.vault_path
    files = {str(p.relative_to(vault)) for p in (vault / "backups").rglob("*") if p.is_file()}
    manifests = {f"backups/{entry.operation_id}/manifest.jsonl" for entry in entries}
    assert files == {entry.intent.backup.path for entry in entries} | manifests
    listed = [line for path in manifests for line in (vault / path).read_bytes().splitlines()]
    assert sorted(msgspec.json.decode(line)["key"] for line in listed) == sorted(
        entry.intent.key for entry in entries
    )
    return {entry.intent.key for entry in entries}


async def test_only_what_is_back_in_the_bucket_and_old_enough_goes(sqlite_world: World) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, vault_horizon_days=90)
    keys = {"gone", "restored", "uploaded again", "another now"}
    for key in keys:
        await world.put(key, key.encode())
    world.days(10)
    assert (await world.collect()).counts == {"deleted": 4}
    assert (await world.restore("restored")).counts == {"restored": 1}
    await world.put("uploaded again", b"uploaded again")
    await world.put("another now", b"other bytes")
    everything = PurgeSummary(purged=0, bytes=0, sole_copies=0, too_young=4)
    assert await purge(world) == everything
    world.days(89.9)
    assert await purge(world) == everything
    world.days(0.2)
    would = await purge(world, dry_run=True)
    assert (would.purged, would.sole_copies, would.too_young) == (2, 2, 0)
    assert await backed_up(world) == keys
    assert await purge(world) == would
    assert await backed_up(world) == {"gone", "another now"}
    assert await purge(world) == PurgeSummary(0, 0, 2, 0)
    # What stayed can still be brought back.
    async with world.collector() as collector:
        found = [b async for page in collector.restorable(Selection(prefix="")) for b in page]
    assert {backup.intent.key for backup in found} == {"gone", "another now"}
    assert (await world.restore("gone")).counts == {"restored": 1}
    assert (await world.contents("gone"))[0] == b"gone"


async def test_a_shorter_horizon_can_be_asked_for(sqlite_world: World) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, vault_horizon_days=90)
    await world.put("restored")
    world.days(10)
    await world.collect()
    await world.restore("restored")
    world.days(5)
    assert (await purge(world, 6)).purged == 0
    assert (await purge(world, 5)).purged == 1
    assert await backed_up(world) == set()
