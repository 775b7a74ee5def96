"""A follower's side of a `ToldDatabase`, step by step as `FollowingSession` and `Follower` go, and
what has to be true after each of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from s3gc_core.clock import utc_now
from s3gc_core.databases.changes import Change
from s3gc_core.databases.protocol import Page, RowId
from s3gc_core.references import BucketNames, Registry
from s3gc_core.references.applying import Applied, Applying
from s3gc_core.references.derivation import derive
from s3gc_core.references.loading import FreshChunk
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.registry import FollowedSource, StreamState
from tests.core.references.readings import START, day
from tests.core.references.told_database import (
    BY_NAME,
    SOURCES,
    TABLES,
    Held,
    ToldDatabase,
    page,
    position,
)

DATABASE = "main"
NAMES = BucketNames("bucket")
LATER = 1 << 60


class ToldRegistry:
    """One registry that follows; `die` and `open` are a process that ends and the next one."""

    def __init__(self, database: ToldDatabase, registry: Registry) -> None:
        self.database = database
        self.registry = registry
        self._open = AsyncExitStack()
        self._own: OwnConnection
        self._applying: Applying
        self._applied: Applied
        self._coming: list[Change] = []
        self._next = 0
        # How many transactions any stream has told, and how many at the settling's start.
        self._told = 0
        self._settling: tuple[int, int] | None = None
        self._positions = [""]
        # Keys that had an edge in any committed state.
        self.ever: set[int] = set()

    async def begin(self) -> None:
        """A new stream: what there is already comes with the loads."""
        start = position(len(self.database.history))
        self._told = len(self.database.history)
        beat = self.database.beat()
        state = StreamState(
            *(DATABASE, "name", "history", start, start, beat.counter - 1, beat.previous),
            anchored=False,
        )
        await self.registry.begin_stream(state)

    async def load(self, *names: str) -> None:
        """Read sources as a whole, as they are now. No stream is open meanwhile."""
        for name in names:
            source = BY_NAME[name]
            rows = page(self.database.rows, source)
            derived = derive(source, rows, NAMES)
            async with self.registry.load(utc_now(), None, trust=False, keep=None) as load:
                await load.begin_source(name)
                await load.add([FreshChunk(b"all", derived)])
                await load.end_source(len(rows), len(derived.keyed), {b"all"})
                counter = self.database.beat().counter
                now = FollowedSource(name, TABLES[name], b"", "", complete_at=counter)
                await load.follow(DATABASE, [now])
        self.ever |= {h for _, _, h in await self.edges()}

    async def open(self) -> None:
        state = (await self.registry.streams())[DATABASE]
        self._own = await self._open.enter_async_context(OwnConnection.durable(self.registry.path))
        self._applying = await self._own.run(Applying, state, SOURCES, NAMES, utc_now)
        self._applied = Applied(state, 0, False, 1, True)
        self._coming, self._next = [], int(state.anchor)
        self._settling = None

    async def die(self) -> None:
        await self._open.aclose()

    async def deliver(self, most: int) -> bool:
        """A read of the stream; whether anything came."""
        while len(self._coming) < most and self._next < len(self.database.history):
            self._coming += self.database.history[self._next].changes
            self._next += 1
        changes, self._coming = self._coming[:most], self._coming[most:]
        if not changes:
            return False
        before = self._applied.state.position, await self._written()
        await self._own.run(lambda _: self._applying.begin())
        self._applied = await self._own.run(lambda _: self._applying.take(changes))
        if self._applied.state.position == before[0]:
            assert await self._written() == before[1], "a part of a transaction is seen"
        self._told = max(self._told, self._next - bool(self._coming))
        await self.check()
        return True

    async def settle(self) -> None:
        """Begin to wait until all that was told is visible."""
        if self._settling is None and self._applied.rereads and self._applied.is_whole:
            self._settling = self._told, self._applying.serial

    async def read_again(self, later: int, most: int) -> None:
        """What was waited for is visible, and so much more, at least, than was told then."""
        if self._settling is None or not self._applied.is_whole:
            return
        told, serial = self._settling
        self._settling = None
        visible = min(told + later, len(self.database.history))
        rows = self.database.history[visible - 1].rows
        wanted = await self.registry.rereads(DATABASE, serial, most)
        after = self.database.beat().counter
        for name, ids in wanted.items():
            await self._own.run(lambda _: self._applying.begin())
            await self._own.run(self._read_again, name, ids, page(rows, BY_NAME[name], ids), after)
            await self.check()
        left = await self.unread()
        self._applied = Applied(self._applied.state, 0, False, left, True)

    def _read_again(self, _: object, name: str, ids: list[RowId], found: Page, after: int) -> None:
        self._applying.read_again(BY_NAME[name], ids, found, after)

    async def to_the_end(self) -> None:
        """Everything is told and read, and another beat has come after that."""
        while await self.deliver(1_000):
            pass
        for _ in range(10):
            if await self.unread() == 0:
                break
            await self.settle()
            await self.read_again(LATER, 1_000)
            self.database.beat()
            while await self.deliver(1_000):
                pass
        assert await self.unread() == 0
        self.database.beat()
        await self.deliver(1_000)

    async def edges(self) -> Held:
        return set(await self.ask("SELECT name, row, h FROM edge JOIN source ON id = src"))

    async def unread(self) -> int:
        [(left,)] = await self.ask("SELECT count(*) FROM reread WHERE after IS NULL")
        return int(left)

    async def _written(self) -> list[Any]:
        return [await self.ask(f"SELECT * FROM {t}") for t in ("edge", "reread", "leaving")]

    async def ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.registry.path)) as file:
            return file.execute(query).fetchall()

    async def check(self) -> None:
        """What is safe to say now, is true."""
        state = (await self.registry.streams())[DATABASE]
        assert state.position >= self._positions[-1], "the position went back"
        self._positions.append(state.position)
        present = {h for _, _, h in await self.edges()}
        self.ever |= present
        released = {h for (h,) in await self.ask("SELECT h FROM released")}
        assert not released & present, "released, and there"
        history = self.database.history
        applied = int(state.position) if state.anchored else None
        if applied is None:
            return
        everything = await self.registry.shortfall(DATABASE, LATER)
        if not (everything.incomplete or everything.dirty or everything.rereads):
            assert present >= history[applied].keys(), "nothing is lacking, but a key of now is"
        # What is said of a beat is said of those before it too.
        for counter in range(state.counter, 0, -1):
            if (await self.registry.shortfall(DATABASE, counter)).is_none:
                self._check_since(counter, applied, present, "true for the beat")
                await self.registry.confirm(DATABASE, counter, day(counter), f"token {counter}")
                break
        valid_at = await self.registry.valid_at()
        if valid_at is not None:
            self._check_since((valid_at - START).days, applied, present, "was true for the beat")

    def _check_since(self, counter: int, applied: int, present: set[int], what: str) -> None:
        """Every key that was referred to in each moment since the beat has an edge."""
        first = self.database.place_of_beat(counter)
        since = [one.keys() for one in self.database.history[first : applied + 1]]
        lacking = set.intersection(*since) - present
        assert not lacking, f"{what} {counter} of {applied}, but lacks {lacking}"


@asynccontextmanager
async def told_registry(path: Path, database: ToldDatabase) -> AsyncIterator[ToldRegistry]:
    registry = await Registry.open(path)
    told = ToldRegistry(database, registry)
    try:
        yield told
    finally:
        await told.die()
        await registry.close()
