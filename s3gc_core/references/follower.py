"""Keeping the registry true to one database: begin a stream, load what it does not cover, and then
write what it tells, until somebody ends it.

A source is loaded while no stream is open, and the stream goes on from before the load: what it
tells then of rows that were read already brings them to an older state and back to the newer one.
So the source counts only from a beat on that was made after the load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from time import monotonic

from s3gc_core.clock import Clock
from s3gc_core.config import SourceConfig
from s3gc_core.databases import Beat, Database, Following
from s3gc_core.errors import StreamLost
from s3gc_core.ids import new_id
from s3gc_core.references.beats import Beats, beat_after
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.following_session import FollowingSession, open_session
from s3gc_core.references.following_sources import Followable, definition_digest, followable
from s3gc_core.references.reading import RowsRead
from s3gc_core.references.refreshing import read_source
from s3gc_core.references.registry import Registry
from s3gc_core.references.stream_tables import FollowedSource, StreamState

# How often we look whether the tables are what they were.
FINGERPRINT_SECONDS = 15.0
_READ_SECONDS = 0.25


class Phase(StrEnum):
    """What a follower is at."""

    LOADING = "loading"
    FOLLOWING = "following"


Told = Callable[[str, Phase], None]
# Opens the way to follow a database under a registry's name.
OpenFollowing = Callable[[str], Following]


@dataclass(slots=True)
class Follower:
    """Keeps the registry true to one database."""

    registry: Registry
    database: Database
    open_following: OpenFollowing
    sources: Sequence[SourceConfig]
    names: BucketNames
    clock: Clock
    told: Told = lambda _database, _phase: None
    rows_read: RowsRead = lambda _: None
    _look_at: float = 0.0
    _following: Following = field(init=False)
    _followable: Followable = field(init=False)

    async def run(self) -> None:
        """Follow until cancelled.

        Raises what ends it: `StreamLost` (which the registry then knows), `StreamTaken`,
        `FollowingRefused`, `DatabaseUnreachable`, what reading a source raises.
        """
        try:
            while True:
                state = await self._begun()
                self.told(self.database.name, Phase.LOADING)
                await self._load_what_is_missing(state)
                self.told(self.database.name, Phase.FOLLOWING)
                await self._follow(await self._state(), until=self._is_soiled)
        except StreamLost as error:
            name = self._following.name
            await self.registry.lose_stream(self.database.name, name, error.state, error.what)
            raise

    async def _state(self) -> StreamState:
        state = (await self.registry.streams()).get(self.database.name)
        if state is None:
            raise StreamLost("replaced", f"{self.database.name}: its stream was ended")
        if state.lost is not None:
            raise StreamLost(state.lost, state.why or "")
        return state

    async def _begun(self) -> StreamState:
        """The stream that there is, extended to the tables of today, or a new one."""
        state = (await self.registry.streams()).get(self.database.name)
        self._following = self.open_following(state.name if state else new_id().lower())
        self._followable = await followable(self.database, self._following, self.sources)
        if state is not None and state.has_begun:
            state = await self._state()
            await self._following.extend(self._followable.watched)
            return state
        # Its name is known before anything is made for it: what is made can be found again.
        new = StreamState(self.database.name, self._following.name, "", "", "", 0, "", False)
        await self.registry.begin_stream(new)
        start = await self._following.begin(self._followable.watched)
        beat = await self._following.beat()
        await self.registry.begin_stream(
            replace(
                new,
                history=start.history,
                position=start.position,
                anchor=start.position,
                counter=beat.counter - 1,
                token=beat.previous,
            )
        )
        return await self._state()

    async def _load_what_is_missing(self, state: StreamState) -> None:
        known = await self.registry.followed(self.database.name)
        current = await self._as_of_now()
        await self.registry.unfollow(known.keys() - current.keys())
        missing = [name for name, source in current.items() if _differs(source, known.get(name))]
        if not missing:
            return
        await self._following.settle()
        if state.anchored or known:
            # A server may go on to pass over a table that joined, for a stream that knows it from
            # before; one that is opened from here on does not (PostgreSQL before the minor releases
            # of August 2025).
            beat = await beat_after(self._following, self.database.name, state.counter)
            await self._follow(state, until=_beat_came(beat))
            await self._following.settle()
        for name in missing:
            await self._load(name)

    async def _as_of_now(self) -> dict[str, FollowedSource]:
        """Each source that can be followed, with what it and its table are now."""
        fingerprints = await self._following.fingerprints(list(self._followable.sources))
        return {
            source.name: FollowedSource(
                source.name,
                table,
                definition_digest(source, self.names),
                fingerprints.get(table, ""),
            )
            for table, placed in self._followable.sources.items()
            for source, _ in placed
        }

    async def _load(self, name: str) -> None:
        """Read one source as a whole.

        What was loaded stays when a later one is interrupted; and of a new source what was written,
        so that it goes on there.
        """
        source = next(s for s in self.sources if s.name == name)
        began_at = self.clock.now()
        # Not within the load: who waits to write meanwhile keeps reads of the store waiting.
        told = (await self._state()).counter
        # Looked at before the rows: what changes meanwhile is noticed by the next look.
        now = (await self._as_of_now())[name]
        async with self.registry.load(began_at, None, keep=None, lasting=True) as load:
            async with self.database.snapshot() as snapshot:
                await read_source(load, snapshot, source, self.names, self.rows_read)
            beat = await beat_after(self._following, self.database.name, told)
            loaded = FollowedSource(
                name, now.table, now.definition, now.fingerprint, complete_at=beat.counter
            )
            await load.follow(self.database.name, [loaded])

    async def _follow(
        self, state: StreamState, *, until: Callable[[FollowingSession], Awaitable[bool]]
    ) -> None:
        async with open_session(
            self.registry, self._following, self._followable, state, self.names, self.clock
        ) as session:
            beats = Beats(self.registry, self._following, self.database.name, self.clock)
            # Between the parts of a transaction its lock is ours. The registry is asked nothing
            # then: its thread may wait for the lock, and the transaction would wait for the thread.
            while not (session.applied.is_whole and await until(session)):
                came = await session.step(_READ_SECONDS)
                applied = session.applied
                await beats.go_on(applied.state.counter, idle=not came, is_whole=applied.is_whole)

    async def _is_soiled(self, session: FollowingSession) -> bool:
        """Whether tables have to be read again: the stream says so, a scan, or the catalogue."""
        if session.applied.soiled:
            return True
        known = await self.registry.followed(self.database.name)
        if any(source.dirty is not None for source in known.values()):
            return True
        now = monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + FINGERPRINT_SECONDS
        current = await self._as_of_now()
        return known.keys() != current.keys() or any(
            _differs(source, known[name]) for name, source in current.items()
        )


def _beat_came(beat: Beat) -> Callable[[FollowingSession], Awaitable[bool]]:
    async def came(session: FollowingSession) -> bool:
        return session.applied.state.counter >= beat.counter

    return came


def _differs(now: FollowedSource, known: FollowedSource | None) -> bool:
    return (
        known is None
        or known.dirty is not None
        or known.complete_at is None
        or (known.table, known.definition, known.fingerprint)
        != (now.table, now.definition, now.fingerprint)
    )
