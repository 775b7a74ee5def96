"""A table is loaded while the application changes it; nothing of it may be lost in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from s3gc_core.config import Config
from s3gc_core.references import Registry
from tests.follow.application import make_tables
from tests.follow.child import following
from tests.follow.comparing import differences
from tests.follow.hand_off import TRACKED, load_under_writers
from tests.follow.waiting import until
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.world import World

# The long run takes ten times as many: `python -m tests.follow --hand-off 200000`.
ROWS = 20_000


@pytest.fixture
async def postgres_app(postgres: PostgresServer) -> AsyncIterator[AppDatabase]:
    """A database of PostgreSQL alone."""
    app = AppDatabase(await postgres.create_database())
    yield app
    await app.close()


async def test_a_load_under_writers_that_is_killed_once(world: World, tmp_path: Path) -> None:
    world.track(TRACKED, database={"url": world.app.url, "cdc": True})
    outcome = await load_under_writers(world.config, world.app, tmp_path, seed=3, rows=ROWS)
    assert outcome.differences == []
    assert outcome.was_loading, "the kill has to hit the load"
    assert outcome.statements > 0, "nobody wrote during the load"
    # The writers delete some of the rows.
    assert outcome.keys["main:photos.path"] >= ROWS // 2


async def test_commits_that_a_standby_delays(
    bucket_config: Config, postgres_app: AppDatabase, tmp_path: Path
) -> None:
    """The stream tells of a commit that a read does not see until the standby has answered."""
    app = postgres_app
    world = World(bucket_config, app)
    await make_tables(app)
    await app.execute(
        "INSERT INTO photos (id, path, original)"
        " SELECT n, 'old/' || n, json_build_object('key', 'wide/' || n, 'pad', repeat('x', 9000))"
        " FROM generate_series(1, 50) AS numbers (n)"
    )
    world.track(TRACKED, database={"url": app.url, "cdc": True})
    async with AsyncExitStack() as stack:
        registry = await Registry.open(world.config.vault_path)
        stack.push_async_callback(registry.close)
        child = await stack.enter_async_context(following(world.config, tmp_path))
        await child.until("following")
        waiting = await stack.enter_async_context(_delayed(app))
        await _told(registry, "new/1")
        # A read sees none of it yet, and what it sees must not win.
        assert await app.execute("SELECT count(*) FROM photos WHERE path LIKE 'new/%'") == [(0,)]
        await registry.soil_tables("main", {"public.photos": "the test says so"})
        await child.until("loading", after=2)
        with pytest.raises(TimeoutError):
            await child.until("following", after=3, seconds=3)
        assert not any(task.done() for task in waiting)
        await _standby(app, "")
        await asyncio.gather(*waiting)
        await child.until("following", after=3)
        assert await differences(registry, world.config, app) == []
        held = {key for key in KEYS if await registry.edges_of(key)}
        assert held == {"new/1", "wide/1", "old/11", "wide/11"}


KEYS = ("new/1", "old/1", "wide/1", "old/11", "wide/11", "old/21", "wide/21")
_STATEMENTS = (
    "UPDATE photos SET path = 'new/' || id WHERE id <= 10",
    # Their wide value is not told: they have to be read again.
    "UPDATE photos SET id = id + 1000 WHERE id BETWEEN 11 AND 20",
    "DELETE FROM photos WHERE id BETWEEN 21 AND 30",
)


@asynccontextmanager
async def _delayed(app: AppDatabase) -> AsyncIterator[list[asyncio.Task[list[tuple[object, ...]]]]]:
    """Writes whose commits wait for a standby that there is not; at the end they come through."""
    writers = [AppDatabase(app.url) for _ in _STATEMENTS]
    await _standby(app, "nobody")
    tasks = [
        asyncio.create_task(writer.execute(statement))
        for writer, statement in zip(writers, _STATEMENTS, strict=True)
    ]
    try:
        yield tasks
    finally:
        await _standby(app, "")
        await asyncio.gather(*tasks)
        await asyncio.gather(*(writer.close() for writer in writers))


async def _standby(app: AppDatabase, name: str) -> None:
    """Have commits wait for a standby of that name, or (empty) for none; wait until they do."""
    await app.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    await app.execute("SELECT pg_reload_conf()")

    async def is_so() -> bool:
        return await _waits(app) == bool(name)

    await until(is_so)


async def _waits(app: AppDatabase) -> bool:
    connection = await asyncpg.connect(app.url)
    try:
        await connection.execute("INSERT INTO pages VALUES (gen_random_uuid()::text)", timeout=1)
    except TimeoutError:
        return True
    finally:
        connection.terminate()
    return False


async def _told(registry: Registry, key: str) -> None:
    async def is_told() -> bool:
        return bool(await registry.edges_of(key))

    await until(is_told)
