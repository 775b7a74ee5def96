"""Equal bytes are stored once, and none of the objects that share them is in more danger for it."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.collection import PurgeSummary
from s3gc_core.vault import CopyDamaged, Intent, StoredBackup
from tests.core.vault.builders import noise
from tests.stories.staging import USED, backup_files, body_of, picture, rows, upload, upload_bodies
from tests.world import PLAIN, World

SMALL, LARGE = b"a small picture" * 30, noise(300_000)


async def stage(world: World, **settings: object) -> None:
    """A bucket with a used object, and nothing deleted yet."""
    await upload(world, {USED})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]}, retention_days=1, **settings)


async def collect(world: World, objects: dict[str, bytes]) -> OperationSummary:
    """Upload these and collect them: an operation of their own."""
    await upload_bodies(world, {key: (body, PLAIN) for key, body in objects.items()})
    world.days(3)
    done = await world.collect()
    assert done.counts == {"deleted": len(objects)}
    return done


async def intents(world: World) -> dict[str, Intent]:
    async with world.collector() as collector:
        return {
            entry.record.key: entry.record
            async for page in collector.audit.entries(kinds=["intent"])
            for entry in page
            if isinstance(entry.record, Intent)
        }


async def alarms(world: World) -> list[CopyDamaged]:
    async with world.collector() as collector:
        return [
            entry.record
            async for page in collector.audit.entries(kinds=["copy-damaged"])
            for entry in page
            if isinstance(entry.record, CopyDamaged)
        ]


async def restored(world: World, keys: Sequence[str]) -> None:
    for key in keys:
        assert (await world.restore(key)).counts == {"restored": 1}


async def purge(world: World) -> PurgeSummary:
    async with world.collector() as collector:
        return await collector.purge(older_than_days=None, dry_run=False)


def names(world: World, path: str) -> int:
    return (world.config.vault_path / path).stat().st_nlink


async def test_the_first_operation_is_purged_and_the_second_stays_restorable(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    await stage(world)
    await collect(world, {"p/s1": SMALL, "p/l1": LARGE})
    await collect(world, {"p/s2": SMALL, "p/l2": LARGE, "p/other": body_of("p/other")})
    made = await intents(world)
    small, large = made["p/s2"].backup, made["p/l2"].backup
    assert (small.path, small.offset) == (made["p/s1"].backup.path, made["p/s1"].backup.offset)
    assert large.path != made["p/l1"].backup.path
    assert names(world, large.path) == 2
    assert {key for key, intent in made.items() if intent.backup.reused} == {"p/s2", "p/l2"}
    async with world.collector() as collector:
        stats = await collector.vault_stats()
        checked = {key: wrong async for key, wrong in collector.verify_backups()}
    assert (stats.backups, stats.reused) == (5, 2)
    assert stats.saved_bytes == small.stored_size + large.stored_size
    expected = sum(one.backup.stored_size for one in made.values() if not one.backup.reused)
    assert stats.stored_bytes == expected
    assert checked == dict.fromkeys(made, None)

    # The first operation's objects live again, and its backups may go: what others name stays.
    await restored(world, ["p/s1", "p/l1"])
    before = backup_files(world)
    world.days(91)
    freed = made["p/s1"].backup.stored_size + made["p/l1"].backup.stored_size
    assert await purge(world) == PurgeSummary(2, freed, sole_copies=3, too_young=0)
    assert backup_files(world).keys() == before.keys() - {made["p/l1"].backup.path}
    async with world.collector() as collector:
        stats = await collector.vault_stats()
    assert (stats.backups, stats.reused, stats.saved_bytes, stats.purged_bytes) == (3, 2, 0, 0)
    await restored(world, ["p/s2", "p/l2", "p/other"])
    found = await picture(world)
    assert {key: body for key, (body, _) in found.items()} == {
        USED: body_of(USED),
        **dict.fromkeys(("p/s1", "p/s2"), SMALL),
        **dict.fromkeys(("p/l1", "p/l2"), LARGE),
        "p/other": body_of("p/other"),
    }
    # Nobody needs anything any more.
    assert (await purge(world)).purged == 3
    assert backup_files(world) == {}


async def test_a_rotten_copy_stands_for_nothing(sqlite_world: World) -> None:
    """Its own object is lost already; the new one must not be lost with it."""
    world = sqlite_world
    await stage(world)
    await collect(world, {"p/s": SMALL, "p/l": LARGE})
    made = await intents(world)
    for one in made.values():
        _rot(world, one.backup)
    new = {"p/s1": SMALL, "p/s2": SMALL, "p/l1": LARGE, "p/l2": LARGE}
    done = await collect(world, new)
    now = await intents(world)
    assert {now[key].backup.path.split("/")[1] for key in new} == {done.operation_id}
    assert len({(now[key].backup.path, now[key].backup.offset) for key in ("p/s1", "p/s2")}) == 1
    assert {(alarm.key, alarm.path) for alarm in await alarms(world)} == {
        (key, one.backup.path) for key, one in made.items()
    }
    async with world.collector() as collector:
        reasons = {
            result.key: result.reason
            async for page in collector.results(done.operation_id)
            for result in page
        }
    assert reasons == {
        key: f"an older copy of its bytes is damaged: {made[key[:-1]].backup.path}" for key in new
    }
    await restored(world, sorted(new))
    found = await picture(world)
    assert {key: body for key, (body, _) in found.items() if key != USED} == new
    assert (await world.restore("p/s")).counts == {"failed": 1}


def _rot(world: World, backup: StoredBackup) -> None:
    path = world.config.vault_path / backup.path
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek((backup.offset or 0) + backup.stored_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
