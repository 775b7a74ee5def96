"""A transaction that is told in parts, beside others of this process who use the registry."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

from s3gc_core.clock import SystemClock
from s3gc_core.databases import (
    Change,
    ChangeStream,
    Following,
    RowChange,
    open_database,
    open_followings,
)
from s3gc_core.databases.following import Start, Watched
from s3gc_core.references import BucketNames, Registry
from s3gc_core.references.follower import Follower, Phase
from tests.follow.shop import ROWS, Shop
from tests.follow.waiting import LIMIT_SECONDS, until
from tests.servers.app_database import AppDatabase


class Halting:
    """A stream that halts after the first rows of a transaction, until it may go on."""

    def __init__(self, following: Following) -> None:
        self._following = following
        self.midway = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self._has_told = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._following, name)

    @asynccontextmanager
    async def stream(self, start: Start, watched: Sequence[Watched]) -> AsyncIterator[ChangeStream]:
        async with self._following.stream(start, watched) as stream:
            self._stream = stream
            yield cast(ChangeStream, self)

    async def read(self, seconds: float) -> Sequence[Change]:
        if self._has_told and not self.may_go_on.is_set():
            # Asked for more: what was told first is applied.
            self.midway.set()
            await asyncio.sleep(0.01)
            return ()
        changes = await self._stream.read(seconds)
        self._has_told |= any(isinstance(change, RowChange) for change in changes)
        return changes

    def acknowledge(self, anchor: str) -> None:
        self._stream.acknowledge(anchor)


async def test_it_ends_while_the_registry_waits_for_it(shop: Shop) -> None:
    """Who writes meanwhile waits in the registry's thread; the transaction needs nothing there."""
    config = shop.world.config
    registry = await Registry.open(config.vault_path)
    ended = threading.Event()
    halting: list[Halting] = []
    follows = asyncio.Event()

    def opened(name: str) -> Following:
        halting.append(Halting(open_followings(config.databases)["main"](name)))
        return cast(Following, halting[-1])

    follower = Follower(
        registry,
        open_database(config.databases[0]),
        opened,
        config.sources,
        BucketNames.of(config),
        SystemClock(),
        told=lambda _, phase: follows.set() if phase is Phase.FOLLOWING else None,
    )
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(follower.run())]
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await follows.wait()
            rows = await _double(shop.app, 10)
            await halting[-1].midway.wait()
        tasks.append(asyncio.create_task(registry._store.read(lambda _: ended.wait())))
        halting[-1].may_go_on.set()
        await until(lambda: asyncio.to_thread(_has, registry.path, rows))
    finally:
        ended.set()
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await registry.close()


async def _double(app: AppDatabase, times: int) -> int:
    """Double the photos so often, in one transaction; returns how many there are then."""
    rows = ROWS
    await app.execute("BEGIN")
    for _ in range(times):
        numbered = f"SELECT id + {rows}, concat('more-', id + {rows}) FROM photos"
        await app.execute(f"INSERT INTO photos (id, path) {numbered}")
        rows *= 2
    await app.execute("COMMIT")
    return rows


def _has(path: Path, edges: int) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        [found] = connection.execute("SELECT count(*) FROM edge").fetchone()
    return bool(found == edges)
