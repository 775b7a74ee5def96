"""What the negative controls share: a guard or a layer is taken out, and the rest stays real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from s3gc_core.judgement import LayerVerdict, ScanSummary, Tripped, Verdict
from tests.world import PLAIN, World

GUARDS = "s3gc_core.judgement.guards."
LAYERS = "s3gc_core.judgement.layers."


def silent(*_: object) -> Iterator[Tripped]:
    """A guard that has been taken out."""
    return iter(())


def passes(*_: object) -> LayerVerdict:
    """A layer that has been taken out."""
    return LayerVerdict(Verdict.PASS, "taken out")


async def rows(world: World, *keys: str, table: str = "t") -> None:
    """Make the tracked table with these keys in it."""
    await world.app.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.executemany(f"INSERT INTO {table} VALUES (?, ?)", list(enumerate(keys)))


async def put(world: World, *keys: str, body: bytes = b"some bytes") -> None:
    """Upload new objects, all through one client."""

    async def once() -> AsyncIterator[bytes]:
        yield body

    async with world.bucket() as bucket:
        for key in keys:
            await bucket.put(key, once(), len(body), PLAIN)


async def planned(world: World, summary: ScanSummary) -> set[str]:
    """The keys of the plan that a scan made."""
    if summary.plan_id is None:
        return set()
    async with world.collector() as collector:
        pages = collector.plan_items(summary.plan_id)
        return {item.key async for page in pages for item in page}
