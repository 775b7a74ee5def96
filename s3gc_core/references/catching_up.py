"""Bringing the registry to the present for a scan: by the change streams as far as they reach, by
reading the rest as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from s3gc_core import log
from s3gc_core.clock import Clock
from s3gc_core.config import SourceConfig
from s3gc_core.databases import Database, Following
from s3gc_core.errors import StreamLost
from s3gc_core.ids import new_id
from s3gc_core.references.beats import beat_after
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.follower import Follower, OpenFollowing
from s3gc_core.references.following_sources import followable
from s3gc_core.references.reading import RowsRead
from s3gc_core.references.refreshing import refresh
from s3gc_core.references.registry import Registry

# So long a scan waits for a stream that does not come nearer. Then the registry is stale.
PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5

# By database: opens the way to follow it under a registry's name. Others are read as a whole.
OpenFollowings = Mapping[str, OpenFollowing]


@dataclass(slots=True)
class CaughtUp:
    """What the registry could not be brought to.

    `lost` says by database why its stream cannot go on, `stale` what one is still waiting for.
    """

    lost: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """Brings the registry to the present. `followings` are the databases that are followed.

    Without `may_begin` only by streams that there are: none is begun.
    """

    registry: Registry
    databases: Sequence[Database]
    sources: Sequence[SourceConfig]
    names: BucketNames
    clock: Clock
    followings: OpenFollowings
    rows_read: RowsRead = lambda _: None
    may_begin: bool = True

    async def to_now(self, *, follow: bool) -> CaughtUp:
        """Make the registry true for now or later; `follow` the streams ourselves, or wait for who
        does. Raises what reading a source raises; what a stream lacks is in the answer.
        """
        caught = CaughtUp()
        await self._forget_unfollowed()
        for database in self.databases:
            if database.name in self.followings:
                await self._by_stream(database, caught, follow=follow)
        kept = [
            name
            for database in await self.registry.streams()
            for name in await self.registry.followed(database)
        ]
        rest = [source for source in self.sources if source.name not in kept]
        await refresh(
            self.registry,
            self.databases,
            rest,
            self.names,
            began_at=self.clock.now(),
            rows_read=self.rows_read,
            keep={source.name for source in self.sources} & set(kept),
        )
        return caught

    async def streams_to_now(self, *, follow: bool) -> CaughtUp:
        """As `to_now` for what streams keep true, and nothing else: no stream begins or is given
        up, and no source is read as a whole, but for one whose table has changed.
        """
        caught = CaughtUp()
        states = await self.registry.streams()
        for database in self.databases:
            state = states.get(database.name)
            if database.name not in self.followings or state is None:
                continue
            if state.has_begun or state.lost is not None:
                await self._by_stream(database, caught, follow=follow, may_give_up=False)
        return caught

    async def _forget_unfollowed(self) -> None:
        for database in await self.registry.streams():
            if database not in self.followings:
                await self.registry.forget_stream(database)

    async def _by_stream(
        self, database: Database, caught: CaughtUp, *, follow: bool, may_give_up: bool = True
    ) -> None:
        state = (await self.registry.streams()).get(database.name)
        if not self.may_begin and (state is None or not state.has_begun):
            return
        if state is not None and state.lost is not None:
            caught.lost[database.name] = state.why or state.lost
            return
        following = self.followings[database.name](state.name if state else new_id().lower())
        found = await followable(database, following, self.sources)
        if (found.obstacles or not found.watched) and not may_give_up:
            why = "; ".join(obstacle.what for obstacle in found.obstacles)
            caught.stale[database.name] = why or "none of its sources can be followed any more"
            return
        if found.obstacles or not found.watched:
            # It can be read as a whole: slower, and as true.
            for obstacle in found.obstacles:
                log.warning("not_followed", database=database.name, obstacle=obstacle.what)
            await self.registry.forget_stream(database.name)
            return
        try:
            async with self._followed(database, follow=follow) as task:
                stale = await self._wait(database.name, task, found.names())
                if stale:
                    caught.stale[database.name] = stale
        except StreamLost as error:
            caught.lost[database.name] = error.what

    @asynccontextmanager
    async def _followed(
        self, database: Database, *, follow: bool
    ) -> AsyncIterator[asyncio.Task[None] | None]:
        """The database is followed meanwhile: by a task of ours, or by another process."""
        if not follow:
            yield None
            return
        follower = Follower(
            self.registry,
            database,
            self.followings[database.name],
            self.sources,
            self.names,
            self.clock,
            rows_read=self.rows_read,
        )
        task = asyncio.create_task(follower.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _wait(
        self, database: str, task: asyncio.Task[None] | None, expected: Collection[str]
    ) -> str:
        """Wait until the stream has told all up to now; returns what is lacking at last, if any.

        If it is our `task` that follows, the sources `expected` have to be loaded too; another
        process may know of other ones. Raises `StreamLost`, and what ended the task that follows.
        """
        progress, since = "", monotonic()
        beat: tuple[int, datetime, str] | None = None
        name = ""
        poll = _POLL_SECONDS
        while monotonic() - since < PATIENCE_SECONDS:
            if task is not None and task.done():
                task.result()
            state = (await self.registry.streams()).get(database)
            if state is not None and state.lost is not None:
                raise StreamLost(state.lost, state.why or "")
            now = "no stream was begun"
            if state is not None and state.has_begun:
                following = self.followings[database](state.name)
                # A stream that was begun anew meanwhile counts its own beats.
                if beat is None or state.name != name:
                    name = state.name
                    at = self.clock.now()
                    made = await beat_after(following, database, state.counter)
                    beat = made.counter, at, made.token
                known = await self.registry.followed(database)
                missing = sorted(set(expected) - known.keys()) if task is not None else []
                # Afterwards: what was loaded in between is lacking for a beat made before.
                lacking = await self.registry.confirm(database, *beat)
                if lacking.is_none and not missing and not await self._soiled(database, following):
                    return ""
                if lacking.incomplete and not lacking.behind:
                    beat = None  # a source was read as a whole after it
                now = f"{state.position} {lacking} {missing}"
            if now != progress:
                progress, since = now, monotonic()
            await asyncio.sleep(poll)
            poll = min(poll * 1.5, _LONGEST_POLL_SECONDS)
        return progress

    async def _soiled(self, database: str, following: Following) -> bool:
        """Whether a table is not what it was when it was read; then it has to be read again."""
        known = await self.registry.followed(database)
        now = await following.fingerprints(sorted({source.table for source in known.values()}))
        changed = {
            source.table: "its definition changed"
            for source in known.values()
            if now.get(source.table) != source.fingerprint
        }
        if changed:
            await self.registry.soil_tables(database, changed)
        return bool(changed)
