"""Cleaning up the vault: what nothing needs goes, the only copy of an object never does."""

from __future__ import annotations

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import PurgeSummary, Selection
from s3gc_core.vault import Purged
from tests.stories.staging import (
    backup_files,
    before_reading,
    file_of,
    picture,
    rows,
    stored_backups,
    upload,
)
from tests.world import PLAIN, World

GONE, BACK, SPARED = "p/gone.jpg", "p/back.jpg", "p/spared-at-the-last-moment.jpg"


async def purge(
    world: World, *, older_than_days: int | None = None, dry_run: bool = False
) -> PurgeSummary:
    async with world.collector() as collector:
        return await collector.purge(older_than_days=older_than_days, dry_run=dry_run)


async def purged_keys(world: World) -> set[str]:
    async with world.collector() as collector:
        return {
            entry.record.key
            async for page in collector.audit.entries(kinds=["purged"])
            for entry in page
            if isinstance(entry.record, Purged)
        }


async def stored_size(world: World, operation_id: str, keys: set[str]) -> int:
    async with world.collector() as collector:
        intents = [await collector.audit.intent(operation_id, key) for key in keys]
    return sum(intent.backup.stored_size for intent in intents if intent is not None)


async def purged_bytes(world: World) -> int:
    async with world.collector() as collector:
        return (await collector.vault_stats()).purged_bytes


async def test_backup_clean_up(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    await upload(world, {GONE, BACK, SPARED, "p/used.jpg"})
    await rows(world, "files", ["p/used.jpg"])
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None

    async def a_row_comes_back() -> None:
        await world.app.execute("INSERT INTO files VALUES (2, ?)", SPARED)

    with monkeypatch.context() as patched:
        before_reading(patched, a_row_comes_back)
        executed = await world.execute(summary.plan_id)
    assert executed.counts == {"deleted": 2, "kept": 1}
    operation = executed.operation_id
    assert (await world.restore(BACK)).counts == {"restored": 1}
    files = backup_files(world)
    vault = world.config.vault_path
    assert {vault / path for path in files} == {
        await file_of(world, operation, key) for key in (GONE, BACK, SPARED)
    }
    assert len(files) == 1  # a pack
    needless = await stored_size(world, operation, {BACK, SPARED})

    # 89 days later all are too young; 91 days later two are needed by nobody.
    world.days(89)
    assert await purge(world) == PurgeSummary(purged=0, bytes=0, sole_copies=0, too_young=3)
    assert backup_files(world) == files
    world.days(2)
    expected = PurgeSummary(
        purged=2,
        bytes=needless,
        sole_copies=1,
        too_young=0,
    )
    assert await purge(world, dry_run=True) == expected
    assert backup_files(world) == files
    assert await purged_keys(world) == set()
    assert await purge(world) == expected
    # Their bytes stay as long as the sole copy needs the pack.
    assert backup_files(world) == files
    assert await purged_bytes(world) == needless
    assert await purged_keys(world) == {BACK, SPARED}
    # Nothing makes the sole copy go, however old, and it still is one.
    world.days(3650)
    assert (await purge(world, older_than_days=1)).sole_copies == 1
    assert (await world.restore(GONE)).counts == {"restored": 1}
    assert await picture(world) == before
    async with world.collector() as collector:
        assert [found async for found in collector.verify_backups()] == [(GONE, None)]
    # Now that the object lives again, its backup may go as well.
    assert (await purge(world)).purged == 1
    assert backup_files(world) == {}
    assert await purged_bytes(world) == 0
    assert await picture(world) == before


async def test_all_backups_of_an_object_that_died_twice_stay(sqlite_world: World) -> None:
    world = sqlite_world
    await upload(world, {"p/a.jpg", "p/used.jpg"})
    await rows(world, "files", ["p/used.jpg"])
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(10)
    await world.collect()
    assert (await world.restore("p/a.jpg")).counts == {"restored": 1}
    world.days(100)
    await world.collect()
    files = backup_files(world)
    # The log says that the first backup's object was restored; the bucket says that it is gone.
    assert await purge(world) == PurgeSummary(purged=0, bytes=0, sole_copies=1, too_young=1)
    assert backup_files(world) == files
    assert (await world.restore("p/a.jpg")).counts == {"restored": 1}
    world.days(91)
    size = sum(map(len, stored_backups(world).values()))
    assert await purge(world) == PurgeSummary(purged=2, bytes=size, sole_copies=0, too_young=0)
    assert backup_files(world) == {}
    assert await picture(world) == before


async def test_the_sole_copy_of_headers_stays(sqlite_world: World) -> None:
    world = sqlite_world
    key = "p/a.jpg"
    labelled = ObjectHeaders(content_type="image/jpeg", metadata={"owner": "anna"})
    await upload(world, {"p/used.jpg"})
    await world.put(key, b"the same bytes", labelled)
    await rows(world, "files", ["p/used.jpg"])
    world.track({"files": ["k"]})
    world.days(10)
    await world.collect()
    # Somebody uploads the same bytes again (the same ETag) without what was known about them.
    await world.put(key, b"the same bytes", PLAIN)
    world.days(91)
    files = backup_files(world)
    assert await purge(world) == PurgeSummary(purged=0, bytes=0, sole_copies=1, too_young=0)
    assert backup_files(world) == files
    async with world.collector() as collector:
        restored = await collector.restore(Selection(keys=(key,)), overwrite=True)
    assert restored.counts == {"restored": 1}
    assert await world.contents(key) == (b"the same bytes", labelled)
