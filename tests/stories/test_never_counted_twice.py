"""The predecessor's double counting: both saving a file and inserting its row raised a counter.

One upload counted 2, the same upload again 3, deleting the row left 2, and the file never died;
checking and repairing the counters counted once more. Here a key has exactly as many references as
rows that hold it, however often they are read, compared or repaired.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import aclosing

import pytest

from s3gc_core.errors import DatabaseUnreachable
from s3gc_core.references import DriftKind
from tests.stories.staging import before_reading, rows, upload
from tests.world import World

A, B, C = "p/a.jpg", "p/b.jpg", "p/c.jpg"


async def references(world: World, *keys: str) -> dict[str, int]:
    """References of each key, as the registry counts them."""
    async with world.collector() as collector:
        return {key: len(await collector.registry.edges_of(key)) for key in keys}


async def rows_with(world: World, *keys: str) -> dict[str, int]:
    """Rows that hold each key, as the database counts them."""
    found = Counter(key for (key,) in await world.app.execute("SELECT k FROM files"))
    return {key: found[key] for key in keys}


async def verify(world: World) -> dict[DriftKind, int]:
    """Differences between the registry and the database, of each kind."""
    counts: Counter[DriftKind] = Counter()
    async with world.collector() as collector, aclosing(collector.verify_registry()) as pages:
        async for page in pages:
            counts.update(one.kind for one in page)
    return dict(counts)


async def rebuild(world: World, *, dry_run: bool = False) -> list[tuple[str, int, int]]:
    async with world.collector() as collector:
        rebuilt = await collector.rebuild_registry(dry_run=dry_run)
    assert (rebuilt.operation_id is None) is dry_run
    return [(one.source, one.missing, one.surplus) for one in rebuilt.drift]


async def tracked(world: World, *keys: str) -> None:
    await upload(world, [A, B, C])
    await rows(world, "files", keys)
    world.track(
        {"files": ["k"]}, guards={"max_share": 1.0, "source_shrunk_share": 0.01}, retention_days=1
    )
    world.days(30)


async def test_one_row_counts_once_however_often_it_is_read(world: World) -> None:
    await tracked(world, A, A, B)
    for _ in range(3):
        await world.scan()
        assert await references(world, A, B, C) == {A: 2, B: 1, C: 0}
    for _ in range(2):
        await rebuild(world)
        assert await references(world, A, B, C) == {A: 2, B: 1, C: 0}
    await world.scan()
    assert await verify(world) == {}
    assert await references(world, A, B, C) == {A: 2, B: 1, C: 0}


async def test_the_same_upload_again_counts_its_rows(world: World) -> None:
    """The predecessor's own sequence: upload, upload again, delete; then its file never died."""
    await tracked(world, A)
    await world.scan()
    assert await references(world, A) == {A: 1}
    await world.put(A)
    await world.app.execute("UPDATE files SET k = ? WHERE id = 1", A)
    await world.scan()
    assert await references(world, A) == {A: 1}
    await world.app.execute("INSERT INTO files VALUES (2, ?)", A)
    await world.scan()
    assert await references(world, A) == {A: 2}
    await world.app.execute("DELETE FROM files WHERE id = 1")
    await world.app.execute("UPDATE files SET k = ? WHERE id = 2", B)
    await world.scan()
    assert await references(world, A, B) == {A: 0, B: 1}
    world.days(2)
    await world.scan()
    assert await world.verdicts() == {A: "orphan", C: "orphan"}


async def test_one_column_tracked_twice_counts_rows_not_readings(world: World) -> None:
    """Two sources are two references of a row; when one is no longer tracked, one is left."""
    await tracked(world, A, A)
    twice = {"files": ["k", {"template": "{k}"}]}
    world.track(twice, guards={"max_share": 1.0})
    for _ in range(2):
        await world.scan()
        assert await references(world, A) == {A: 4}
    world.track({"files": ["k"]}, guards={"max_share": 1.0})
    await world.scan()
    assert await references(world, A) == {A: 2}


async def test_comparing_and_repairing_never_count(world: World) -> None:
    await tracked(world, A, B)
    await world.scan()
    await world.app.execute("INSERT INTO files VALUES (3, ?)", A)
    await world.app.execute("DELETE FROM files WHERE id = 2")
    source = "main:files.k"
    for _ in range(2):
        assert await verify(world) == {DriftKind.MISSING: 1, DriftKind.SURPLUS: 1}
        assert await rebuild(world, dry_run=True) == [(source, 1, 1)]
        assert await references(world, A, B) == {A: 1, B: 1}
    assert await rebuild(world) == [(source, 1, 1)]
    assert await rebuild(world) == []
    assert await verify(world) == {}
    assert await references(world, A, B) == {A: 2, B: 0}


async def test_an_interrupted_reading_and_then_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tracked(world, A, B)
    await world.scan()
    await world.app.execute("INSERT INTO files VALUES (3, ?)", A)

    async def lost() -> None:
        raise DatabaseUnreachable("the connection was lost")

    with monkeypatch.context() as patched:
        before_reading(patched, lost)
        for _ in range(2):
            with pytest.raises(DatabaseUnreachable):
                await rebuild(world)
    assert await references(world, A, B) == {A: 1, B: 1}
    await rebuild(world)
    assert await references(world, A, B) == {A: 2, B: 1}


async def test_any_history_counts_rows(world: World) -> None:
    """Random inserts, changes and deletes, with readings of every kind in between."""
    await tracked(world, *[A] * 4, *[B] * 4, *[C] * 4)
    chance = random.Random(7)
    await world.scan()
    unused = 13
    for _ in range(6):
        for _ in range(chance.randrange(1, 6)):
            key, row = chance.choice([A, B, C]), chance.randrange(1, unused)
            match chance.randrange(3):
                case 0:
                    await world.app.execute("INSERT INTO files VALUES (?, ?)", unused, key)
                    unused += 1
                case 1:
                    await world.app.execute("UPDATE files SET k = ? WHERE id = ?", key, row)
                case _:
                    await world.app.execute("DELETE FROM files WHERE id = ?", row)
        for _ in range(chance.randrange(1, 3)):
            if chance.randrange(2):
                await rebuild(world)
            else:
                await world.scan()
            assert await references(world, A, B, C) == await rows_with(world, A, B, C)
    assert await verify(world) == {}
