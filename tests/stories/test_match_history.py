"""What is remembered of how a source matched the bucket, scan by scan."""

from __future__ import annotations

from s3gc_core.actions.standing import MatchHistory
from tests.stories.staging import upload
from tests.world import World

KEYS = {n: f"files/{n}.bin" for n in range(1, 21)}
SOURCE = "main:files.path"


async def histories(world: World) -> list[MatchHistory]:
    async with world.collector() as collector:
        return await collector.match_history()


def seen(one: MatchHistory) -> list[tuple[int, int]]:
    return [(scan.rows, scan.existing) for scan in one.history]


async def test_a_source_scan_by_scan(sqlite_world: World) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(200))")
    await world.app.executemany("INSERT INTO files VALUES (?, ?)", list(KEYS.items()))
    await upload(world, {*KEYS.values(), "lost.bin"})
    world.track({"files": ["path"]})
    world.days(8)
    [unread] = await histories(world)
    assert (unread.source, unread.history, unread.tripped) == (SOURCE, (), None)

    assert (await world.scan()).blocked == []
    [healthy] = await histories(world)
    assert (seen(healthy), healthy.tripped) == ([(20, 20)], None)

    # A scan that the guard blocks is told as the last one, and is no memory.
    for n in (1, 2):
        await world.remove(KEYS[n])
    for _ in range(2):
        summary = await world.scan()
        [low] = await histories(world)
        assert seen(low) == [(20, 20), (20, 18)]
        # The guard's own words, not a copy of its rule.
        assert [low.tripped] == summary.blocked
        assert low.history[-1].at == summary.finished_at

    # Once it was accepted it is remembered, once.
    [trip] = summary.blocked
    assert (await world.scan([trip.label])).blocked == []
    [accepted] = await histories(world)
    assert seen(accepted) == [(20, 20), (20, 18)]
    assert accepted.tripped is not None
    assert (await world.scan()).blocked == []
    [again] = await histories(world)
    assert (seen(again), again.tripped) == ([(20, 20), (20, 18), (20, 18)], None)
    times = [scan.at for scan in again.history]
    assert times == sorted(times)
