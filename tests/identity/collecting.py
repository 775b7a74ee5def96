"""Upload, look, collect, restore, look again: what is seen must be the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from s3gc_core.vault import Restored
from tests.identity.store import Seen, Store, Upload
from tests.world import World


class NotIdentical(AssertionError):
    """Something came back otherwise than it was."""


async def collect_and_restore(
    world: World, store: Store, uploads: Mapping[str, Upload]
) -> dict[str, Seen]:
    """All of it collected, gone, and restored identically; what it was. The bucket must be empty.

    Raises `NotIdentical` with the first differences.
    """
    for key, upload in uploads.items():
        await asyncio.to_thread(store.put, key, upload)
    before = await asyncio.to_thread(store.see, list(uploads))
    world.days(30)
    done = await world.collect()
    outcomes = await world.outcomes(done.operation_id)
    if outcomes != dict.fromkeys(uploads, "deleted"):
        others = {key: outcomes.get(key) for key in uploads if outcomes.get(key) != "deleted"}
        raise NotIdentical(f"not deleted: {others}")
    if left := await world.keys():
        raise NotIdentical(f"still there: {left}")
    restored = await world.restore(operation_id=done.operation_id)
    if restored.counts != {"restored": len(uploads)}:
        why = await not_restored(world, restored.operation_id)
        raise NotIdentical(f"restored: {restored.counts}; {why}")
    after = await asyncio.to_thread(store.see, list(uploads))
    if found := [told for key in uploads if (told := difference(key, before[key], after[key]))]:
        raise NotIdentical(f"{len(found)} objects: {'; '.join(found[:5])}")
    return before


async def not_restored(world: World, operation_id: str) -> list[str]:
    """What a restore did not bring back, in words."""
    async with world.collector() as collector:
        pages = collector.audit.entries(operation_id=operation_id, kinds=("restored",))
        records = [entry.record async for page in pages for entry in page]
    ends = [r for r in records if isinstance(r, Restored)]
    return [f"{e.key!r} {e.outcome}: {e.reason}" for e in ends if e.outcome != "restored"]


def difference(key: str, before: Seen, after: Seen) -> str:
    """How an object differs from what it was, in words; empty where it does not."""
    if (before.size, before.sha256) != (after.size, after.sha256):
        return f"{key!r}: {before.size} bytes became {after.size}"
    names = before.headers.keys() | after.headers.keys()
    differ = {
        name: (before.headers.get(name), after.headers.get(name))
        for name in sorted(names)
        if before.headers.get(name) != after.headers.get(name)
    }
    if before.tags != after.tags:
        differ["tags"] = (str(before.tags), str(after.tags))
    return f"{key!r}: {differ}" if differ else ""


async def tracked(world: World) -> World:
    """A world whose only source refers to nothing that is in the bucket."""
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    await world.app.execute("INSERT INTO files (path) VALUES ('used by nobody else')")
    world.track({"files": ["path"]})
    return world
