"""The last check before each delete batch: the databases themselves are asked about its keys, on
the primary, and then the registry is brought up to now.

The streams come last, so that nothing lies between what they told and the verdict: an index probe
finds a key only as it is plainly written, and the registry knows every other spelling. Where rows
are read as a whole, the keys are also looked for wherever they stand in a text, as in a scan: a
codec that takes a row for no reference would else be believed twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from datetime import datetime

from s3gc_core import log
from s3gc_core.clock import Clock
from s3gc_core.config import Config, SourceConfig
from s3gc_core.databases import Database, Page, ProbeWay, Snapshot
from s3gc_core.jobs import JobJournal
from s3gc_core.judgement import not_primary, refuse, streams_behind
from s3gc_core.references import (
    BucketNames,
    CatchingUp,
    ColumnId,
    FollowedSource,
    Found,
    KeySearch,
    Mention,
    OpenFollowings,
    Registry,
    definition_digest,
    find_in_pages,
    is_probed,
    key_hash,
    near_forms,
    open_since,
    probed_forms,
    table_read,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and since when the oldest open transaction has been open (UTC).

    `mentions`: places in the rows that were read which hold the keys, found by no codec.
    """

    found: Sequence[Found]
    open_since: datetime | None
    mentions: Sequence[Mention] = ()


@dataclass(slots=True)
class LastCheck:
    """The check of one execution's batches.

    Databases in `followings` are followed: by the check itself while `hold_streams` gives True,
    else by another process.
    """

    config: Config
    clock: Clock
    databases: Sequence[Database]
    registry: Registry
    journal: JobJournal
    followings: OpenFollowings
    hold_streams: Callable[[], AbstractContextManager[bool]]
    # By source: how it is asked. The server's plan is looked at once in an execution.
    ways: dict[str, ProbeWay] = field(default_factory=dict)

    async def refuse_replicas(self) -> None:
        """Ask each database whether it is the primary. Raises `GuardBlocked`."""
        for database in self.databases:
            await self._refuse_replica(database.name, database)

    async def of(self, keys: Sequence[str]) -> Answer:
        """Every row that refers to one of these keys, as of now.

        Raises what reading raises, and `GuardBlocked` where a database is not the primary, or its
        stream cannot be brought up to now.
        """
        wanted = {key_hash(form) for key in keys for form in (key, *near_forms(key))}

        async def is_wanted(hashes: list[int]) -> set[int]:
            return wanted.intersection(hashes)

        began_at = self.clock.now()
        since = await open_since(self.databases)
        names = BucketNames.of(self.config)
        found: list[Found] = []
        mentions: list[Mention] = []
        probed: set[str] = set()
        async with (
            aclosing(self._pages(keys, names, probed)) as pages,
            aclosing(_searched(pages, KeySearch(keys, names), mentions)) as searched,
        ):
            async for hits in find_in_pages(searched, names, is_wanted, near=True):
                found.extend(hits)
        await self._catch_up(began_at, probed)
        return Answer(found, since, mentions)

    async def _pages(
        self, keys: Sequence[str], names: BucketNames, probed: set[str]
    ) -> AsyncGenerator[tuple[SourceConfig, Page], None]:
        """The rows to look at; `probed` is told of which sources they are not all."""
        written = probed_forms(keys, names)
        for database in self.databases:
            sources = [s for s in self.config.sources if s.database == database.name]
            followed = await self._followed(database.name)
            async with database.snapshot() as snapshot:
                await self._refuse_replica(database.name, snapshot)
                for source in sources:
                    read = table_read(source)
                    way = await self._way(snapshot, source, followed.get(source.name), written)
                    if way.index and snapshot.probes is not None:
                        probed.add(source.name)
                        rows = snapshot.probes.rows(read, written)
                    else:
                        rows = snapshot.rows(read)
                    async for page in rows:
                        yield source, page

    async def _refuse_replica(self, name: str, asked: Database | Snapshot) -> None:
        # Of each connection anew: one address may lead to several servers.
        if name not in {d.name for d in self.config.databases if d.replica_ok}:
            refuse(list(not_primary({name: await asked.role()})))

    async def _followed(self, database: str) -> Mapping[str, FollowedSource]:
        """The sources whose every reference the registry learns of."""
        state = (await self.registry.streams()).get(database)
        if database not in self.followings or state is None or not state.has_begun or state.lost:
            return {}
        return await self.registry.followed(database)

    async def _way(
        self,
        snapshot: Snapshot,
        source: SourceConfig,
        followed: FollowedSource | None,
        written: Sequence[str],
    ) -> ProbeWay:
        """How to ask for this batch; each new way is told."""
        before = self.ways.get(source.name)
        if followed is None or snapshot.probes is None:
            way = ProbeWay(why_not="not followed")
        elif not _is_as_loaded(source, followed, BucketNames.of(self.config)):
            way = ProbeWay(why_not="its stream does not tell of it as it is configured now")
        elif not is_probed(source):
            way = ProbeWay(why_not=f"codec {source.codec}")
        elif before is not None and before.index:
            way = before
        else:
            way = await snapshot.probes.way(table_read(source), written)
        if way != before:
            self.ways[source.name] = way
            how = f"probe by index {way.index}" if way.index else f"one pass: {way.why_not}"
            self.journal.asked(source.name, how)
            log.info("last_check", source=source.name, how=how)
        return way

    async def _catch_up(self, began_at: datetime, probed: set[str]) -> None:
        """Bring the registry up to now, as far as streams reach."""
        catching_up = CatchingUp(
            self.registry,
            self.databases,
            self.config.sources,
            BucketNames.of(self.config),
            self.clock,
            self.followings,
            may_begin=False,
        )
        with self.hold_streams() as is_ours:
            caught = await catching_up.streams_to_now(follow=is_ours)
        stale = dict(caught.stale)
        for database, source in await self._not_true(began_at, probed):
            if database not in {**caught.lost, **stale}:
                stale[database] = f"{source} is not known as it is now"
        refuse(list(streams_behind(caught.lost, stale)))

    async def _not_true(self, began_at: datetime, probed: set[str]) -> list[tuple[str, str]]:
        """The probed sources that the registry does not know as of this check."""
        names = BucketNames.of(self.config)
        states = await self.registry.streams()
        found = []
        for source in self.config.sources:
            if source.name not in probed:
                continue
            state = states.get(source.database)
            known = (await self._followed(source.database)).get(source.name)
            valid_at = state.valid_at if state is not None else None
            is_known = known is not None and _is_as_loaded(source, known, names)
            if not is_known or valid_at is None or valid_at < began_at:
                found.append((source.database, source.name))
        return found


async def _searched(
    pages: AsyncIterator[tuple[SourceConfig, Page]], search: KeySearch, mentions: list[Mention]
) -> AsyncGenerator[tuple[SourceConfig, Page], None]:
    """The same pages; `mentions` is told of each place in them that holds a key."""
    async for source, page in pages:
        columns = [ColumnId(source.database, source.table, name) for name in source.columns]
        mentions += await asyncio.to_thread(search.page_mentions, columns, page)
        yield source, page


def _is_as_loaded(source: SourceConfig, followed: FollowedSource, names: BucketNames) -> bool:
    """Whether the registry has its edges as a whole, made by today's settings."""
    is_whole = followed.complete_at is not None and followed.dirty is None
    return is_whole and followed.definition == definition_digest(source, names)
