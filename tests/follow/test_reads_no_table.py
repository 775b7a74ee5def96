"""A scan of a followed database reads no table, by the server's own statistics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from s3gc_core.config import Config, DatabaseSearch
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.world import World

# In full: `FOLLOWED_ROWS=1000000 pytest tests/follow/test_reads_no_table.py`.
ROWS = int(os.environ.get("FOLLOWED_ROWS", "3000"))
_READ = """
    SELECT seq_scan, seq_tup_read, coalesce(idx_scan, 0), coalesce(idx_tup_fetch, 0)
    FROM pg_stat_user_tables WHERE relname = 't'
"""
# A session's figures are counted at its end, at the latest.
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def world(bucket_config: Config, postgres: PostgresServer) -> AsyncIterator[World]:
    """Many rows, one of which has an object, and an object that no row refers to."""
    world = World(bucket_config, AppDatabase(await postgres.create_database()))
    await world.app.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")
    await world.app.execute(
        "INSERT INTO t SELECT n, 'k/' || n FROM generate_series(1, ?::int) n", ROWS
    )
    await world.app.execute("ANALYZE t")
    await world.put("k/1")
    database = {"url": world.app.url, "cdc": True}
    world.track({"t": ["k"]}, database=database, database_search="tracked")
    world.days(10)
    yield world
    await world.app.close()


async def read(world: World) -> tuple[int, ...]:
    """Scans and rows read of the table so far: in sequence, by an index."""
    async with asyncio.timeout(30):
        await _until_alone(world)
    await world.app.execute("SELECT pg_stat_clear_snapshot()")
    [figures] = await world.app.execute(_READ)
    return figures


async def _until_alone(world: World) -> None:
    while True:
        [[others]] = await world.app.execute(_OTHERS)
        if not others:
            return
        await asyncio.sleep(0.05)


async def test_only_the_database_layer_asks(world: World) -> None:
    await world.scan(ACCEPTED)
    loaded = await read(world)
    summary = await world.scan(ACCEPTED)
    assert (summary.referenced, summary.candidates) == (1, 0)
    assert await read(world) == loaded
    # With a candidate the databases themselves are asked about it, once.
    await world.put("nobody's")
    world.days(10)
    summary = await world.scan(ACCEPTED)
    assert (summary.referenced, summary.candidates, summary.orphans) == (1, 1, 1)
    asked = [now - before for now, before in zip(await read(world), loaded, strict=True)]
    assert asked[1] + asked[3] == ROWS
    # And once more, where all text is searched for its key; and for what the search has to find
    # besides a sample is taken, which of so small a table is all of it.
    world.change(database_search=DatabaseSearch.EVERYTHING)
    before = await read(world)
    await world.scan(ACCEPTED)
    asked = [now - before for now, before in zip(await read(world), before, strict=True)]
    assert asked[1] + asked[3] == 3 * ROWS


# One row of all has its object.
ACCEPTED = ("reverse-match:main:t.k",)
