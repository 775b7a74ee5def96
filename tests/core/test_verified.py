"""Reading backups back is recorded: when, how many, how many of them damaged."""

from __future__ import annotations

from dataclasses import replace

from s3gc_core.vault import Verified
from tests.world import World


async def test_verifying_is_recorded(sqlite_world: World) -> None:
    world = sqlite_world
    world.track({"files": ["path"]})
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    await world.app.execute("INSERT INTO files (path) VALUES ('used.txt')")
    for key in ("used.txt", "a.bin", "b.bin"):
        await world.put(key, b"bytes of " + key.encode())
    world.days(10)
    await world.collect()
    async with world.collector() as collector:
        stats = await collector.vault_stats()
        assert (stats.verified_at, stats.verified, stats.damaged) == (None, 0, 0)
        assert len([one async for one in collector.verify_backups()]) == 2
        stats = await collector.vault_stats()
        assert (stats.verified, stats.damaged) == (2, 0)
        first = stats.verified_at
        assert first is not None
        # Whoever stops half way has verified nothing.
        async for _ in collector.verify_backups():
            break
        later = await collector.vault_stats()
        assert replace(later, free_bytes=stats.free_bytes) == stats
        [deleted] = [
            one async for page in collector.audit.deleted_objects(keys=("a.bin",)) for one in page
        ]
        # A sample is as many as was asked for, the same by the same seed, and told with it.
        drawn = [
            {key async for key, _ in collector.verify_backups(sample=1, seed=seed)}
            for seed in (*range(1, 9), 1)
        ]
        assert {len(keys) for keys in drawn} == {1}
        assert set().union(*drawn) == {"a.bin", "b.bin"}
        assert drawn[0] == drawn[-1]
        assert len([one async for one in collector.verify_backups(sample=5)]) == 2
        told = [
            entry.record
            async for page in collector.audit.entries(kinds=("verified",))
            for entry in page
        ]
        assert told[-2] == Verified(1, 0, sample=1, seed=1)
        # The one that was last read back wholly is what is compared below.
        assert len([one async for one in collector.verify_backups()]) == 2
        stats = await collector.vault_stats()
        first = stats.verified_at
        assert first is not None
    backup = deleted.intent.backup
    place = world.config.vault_path / backup.path
    place.chmod(0o600)
    with place.open("r+b") as file:
        file.seek(backup.offset or 0)
        file.write(b"\0")
    async with world.collector() as collector:
        found = {key: why async for key, why in collector.verify_backups()}
        assert {key: why is not None for key, why in found.items()} == {
            "a.bin": True,
            "b.bin": False,
        }
        again = await collector.vault_stats()
    assert again.verified_at is not None
    assert again.verified_at > first
    assert replace(again, verified_at=first) == replace(
        stats, damaged=1, free_bytes=again.free_bytes
    )
