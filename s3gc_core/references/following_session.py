"""One open change stream, and the registry's side of it: read, write, acknowledge, read again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from s3gc_core.clock import Clock
from s3gc_core.databases import Change, ChangeStream, Following, Page, RowId, Start
from s3gc_core.parallel import to_the_end
from s3gc_core.references import rereads
from s3gc_core.references.applying import Applied, Applying
from s3gc_core.references.beats import beat_after
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.following_sources import Followable
from s3gc_core.references.own_connection import OwnConnection
from s3gc_core.references.reading import table_read
from s3gc_core.references.registry import Registry
from s3gc_core.references.stream_tables import StreamState

# Changes that are written together, if so many have come.
_PORTION = 20_000
# Rows that are read again at once.
_REREADS = 2_000
# How long to wait before asking once more whether others still write to the registry.
_BUSY_SECONDS = 0.05


class FollowingSession:
    """Made by `open_session`. One task uses it."""

    def __init__(
        self,
        registry: Registry,
        following: Following,
        followable: Followable,
        stream: ChangeStream,
        own: OwnConnection,
        applying: Applying,
        state: StreamState,
    ) -> None:
        self._registry = registry
        self._following = following
        self._sources = {s.name: s for placed in followable.sources.values() for s, _ in placed}
        self._stream = stream
        self._own = own
        self._applying = applying
        self._settling: tuple[asyncio.Task[None], int] | None = None
        self._ahead: list[Change] = []
        # At the start there may be rows from before; whether there are is looked up once.
        self.applied = Applied(state, 0, False, 1, True)

    async def step(self, seconds: float) -> int:
        """Wait so long for changes, and write what came. Returns how many changes came.

        Raises `StreamLost`, `DatabaseUnreachable`, and what reading a source raises.
        """
        changes = self._ahead or await self._portion(seconds)
        self._ahead = []
        if changes:
            await self._begin()
            writing = self._own.run(lambda _: self._applying.take(changes))
            taking = asyncio.create_task(to_the_end(writing))
            try:
                # The next portion is decoded while this one is written.
                self._ahead = await self._portion(0)
            finally:
                self.applied = await taking
            if self.applied.state.anchored:
                self._stream.acknowledge(self.applied.state.anchor)
        if self.applied.rereads and self.applied.is_whole:
            await self._read_again()
        return len(changes)

    async def _portion(self, seconds: float) -> list[Change]:
        """What comes next; with what has come meanwhile, since large portions cost half."""
        changes = list(await self._stream.read(seconds))
        while changes and len(changes) < _PORTION and (more := await self._stream.read(0)):
            changes += more
        return changes

    async def close(self) -> None:
        """End what runs beside."""
        if self._settling is not None:
            self._settling[0].cancel()
            await asyncio.gather(self._settling[0], return_exceptions=True)
        await to_the_end(self._own.run(lambda _: self._applying.close()))

    async def _read_again(self) -> None:
        """Read the rows of which too little was told, once all that was told of them is visible."""
        if self._settling is None:
            serial = self._applying.serial
            self._settling = asyncio.create_task(self._following.settle()), serial
            # Mostly it takes no longer than this; a long transaction keeps nothing else waiting.
            await asyncio.wait([self._settling[0]], timeout=_BUSY_SECONDS)
        settling, serial = self._settling
        if not settling.done():
            return
        self._settling = None
        await settling
        name = self.applied.state.database
        wanted = await self._registry.rereads(name, serial, _REREADS)
        read = [(source, rows, await self._rows(source, rows)) for source, rows in wanted.items()]
        beat = await beat_after(self._following, name, self.applied.state.counter)
        for source, rows, found in read:
            await self._begin()
            await self._own.run(
                lambda _, source=source, rows=rows, found=found: self._applying.read_again(  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
                    self._sources[source], rows, found, beat.counter
                )
            )
        left = await self._own.run(rereads.unread, name)
        self.applied = Applied(self.applied.state, 0, self.applied.soiled, left, True)

    async def _rows(self, source: str, rows: Sequence[RowId]) -> Page:
        read = table_read(self._sources[source])
        ids: list[RowId] = []
        columns: list[list[object]] = [[] for _ in read.columns]
        async for page in self._following.rows(read, rows):
            ids += page.ids
            for column, more in zip(columns, page.columns, strict=True):
                column += more
        return Page(ids, columns)  # type: ignore[arg-type]  # the values of pages

    async def _begin(self) -> None:
        """Wait until nobody else writes to the registry: a load may take minutes."""
        while True:
            try:
                return await self._own.run(lambda _: self._applying.begin())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
            await asyncio.sleep(_BUSY_SECONDS)


@asynccontextmanager
async def open_session(
    registry: Registry,
    following: Following,
    followable: Followable,
    state: StreamState,
    names: BucketNames,
    clock: Clock,
) -> AsyncIterator[FollowingSession]:
    """Open the stream where the registry stands, with the sources that are read.

    Raises what opening a stream raises.
    """
    start = Start(state.history, state.anchor)
    loaded = await registry.followed(state.database)
    sources = {
        table: [placed for placed in of_table if placed[0].name in loaded]
        for table, of_table in followable.sources.items()
    }
    async with (
        OwnConnection.durable(registry.path) as own,
        following.stream(start, followable.watched) as stream,
    ):
        applying = await own.run(Applying, state, sources, names, clock.now)
        session = FollowingSession(registry, following, followable, stream, own, applying, state)
        try:
            yield session
        finally:
            await session.close()
