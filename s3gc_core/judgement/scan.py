"""One scan: list the bucket, read the references after it, judge what no row refers to, plan.

The order of the reads is what makes it safe (design, section 4): an object uploaded and
referenced in between is either unlisted or seen as used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from s3gc_core import log
from s3gc_core.bucket import ListingIncomplete, Versioning
from s3gc_core.clock import Clock
from s3gc_core.config import Codec, Config
from s3gc_core.databases.protocol import Database
from s3gc_core.ids import new_id
from s3gc_core.jobs import JobJournal
from s3gc_core.judgement.canaries import dead_object, misjudged
from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.judgement.conditions import conditions_of
from s3gc_core.judgement.covering import cover
from s3gc_core.judgement.exclusions import UnmatchedExclusions
from s3gc_core.judgement.guards import Identity, RunFacts, SourceFacts, Tripped, tripped_guards
from s3gc_core.judgement.judge import Judge, holders_of, mentioned_in, rules_of
from s3gc_core.judgement.layers import Judged, ObjectVerdict
from s3gc_core.judgement.noncurrent import asked_versioning
from s3gc_core.judgement.plans import Plan
from s3gc_core.judgement.searching import SearchDone, search_databases
from s3gc_core.parallel import Behind
from s3gc_core.references import (
    BucketNames,
    CatchingUp,
    CaughtUp,
    Clearance,
    ColumnId,
    Covered,
    Found,
    OpenFollowings,
    Registry,
    find_references,
    key_hashes,
    listed_references,
    match_counts,
    open_since,
)

if TYPE_CHECKING:
    # Only the type is named here, and its client is slow to import.
    from s3gc_core.bucket import Bucket, ListedObject


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier runs left to compare with: the last scan that no guard blocked."""

    listed: int | None = None
    removed_since: int = 0
    sources: dict[str, int] | None = None
    matches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    # Columns that a person says hold no keys.
    cleared: Mapping[ColumnId, Clearance] = field(default_factory=dict)


class ScanSummary(msgspec.Struct, frozen=True):
    """What one scan found. `bytes` is the size of the orphans; `referenced` objects have a row.

    listed = referenced + candidates, and candidates = orphans + held + kept. `matches` counts, by
    source, the rows that hold a key, and those of them whose object is there: the others dangle.
    `unsearched` columns could not be looked into. `returned` objects were deleted, are referred to
    again, and are not in the bucket. `unmatched_exclusions` are protected prefixes and patterns
    that match no object: are they misspelled? The search of everything left out the tables
    `search_skipped`, and could not read columns for reasons that `search_unread` says; names to
    skip that no table has are `unmatched_skips`.
    `versioning` is the bucket's, None where it may not be asked.
    """

    scan_id: str
    plan_id: str | None
    listed: int
    referenced: int
    candidates: int
    orphans: int
    held: int
    kept: int
    bytes: int
    sources: dict[str, int]
    blocked: list[Tripped]
    finished_at: datetime
    matches: dict[str, tuple[int, int]] = {}
    open_columns: list[str] = []
    unsearched: int = 0
    returned: int = 0
    unmatched_exclusions: list[str] = []
    search_skipped: list[str] = []
    search_unread: dict[str, str] = {}
    unmatched_skips: list[str] = []
    versioning: Versioning | None = Versioning.DISABLED

    @property
    def not_searched(self) -> list[str]:
        """Tables and columns that the search of everything did not look into."""
        return [*self.search_skipped, *self.search_unread]


@dataclass(frozen=True, slots=True)
class Scan:
    """The parts a scan works with.

    Databases in `followings` are followed: by the scan itself while `hold_streams` gives True, else
    by another process. A new stream is begun only where `may_begin_streams`. `present` is what the
    plan will be bound to.
    """

    config: Config
    clock: Clock
    bucket: Bucket
    databases: Sequence[Database]
    registry: Registry
    catalogue: Catalogue
    journal: JobJournal
    followings: OpenFollowings
    hold_streams: Callable[[], AbstractContextManager[bool]]
    may_begin_streams: bool
    present: Identity

    async def run(self, scan_id: str, before: Before, accepted: Sequence[str]) -> ScanSummary:
        """Do the whole scan. Raises what a read raises; nothing is judged from a partial one.

        May wait, or raise `OperationCancelled`, between two pages.
        """
        began_at = self.clock.now()
        await self.catalogue.begin_scan(scan_id, began_at)
        # Before the listing: what ends in between is still taken for being in progress.
        async for uploads in self.bucket.upload_pages():
            await self.catalogue.add_uploads(uploads)
        exclusions = UnmatchedExclusions(rules_of(self.config))
        listed = await self._list(exclusions)
        listing_ended_at = self.clock.now()
        log.info("objects_listed", listed=listed)
        await self.catalogue.complete_listing(began_at)
        covered = await self._cover(before)
        open_columns = [str(column.id) for column in covered if column.is_open]
        since = await open_since(self.databases)
        caught = await self._catch_up()
        await self._send_canaries()
        candidates = await self._find_candidates()
        log.info("candidates_found", candidates=candidates)
        canaries = None
        searched = SearchDone()
        if candidates:
            await self._ask_databases()
            searched = await search_databases(
                self.config, self.databases, covered, self.catalogue, self.journal
            )
            canaries = await self._judge(
                scan_id, listing_ended_at, candidates, since, searched.asked
            )
        await self.catalogue.add_folders(scan_id)
        totals = await self.catalogue.totals(scan_id)
        # A key that the store listed twice is one candidate.
        candidates = sum(count for count, _ in totals.values())
        orphans, size = totals.get(ObjectVerdict.ORPHAN, (0, 0))
        sources = {stats.name: stats.keys for stats in await self.registry.stats()}
        matches = await self._matches()
        facts = RunFacts(
            listed=listed,
            listed_before=before.listed,
            removed_since=before.removed_since,
            listing_ended_at=listing_ended_at,
            registry_valid_at=await self.registry.valid_at(),
            sources=self._source_facts(sources, matches, before),
            orphans=orphans,
            orphan_bytes=size,
            open_columns=open_columns,
            streams_lost=caught.lost,
            streams_stale=caught.stale,
            canaries_misjudged={
                **searched.canaries_missed,
                **await self._canaries_misjudged(canaries),
            },
            unsearched=searched.problems,
            search_oversize=searched.oversize,
            prefixes={
                prefix: await self.catalogue.under_prefix(scan_id, prefix)
                for prefix in self.config.guards.prefixes
            },
        )
        blocked = tripped_guards(facts, self.config.guards, accepted)
        await self.journal.checkpoint()  # a scan that is cancelled leaves no plan
        await self.catalogue.note_sightings(scan_id, listing_ended_at, trusted=not blocked)
        plan = None
        if orphans and not blocked:
            plan = await self._plan(scan_id, listing_ended_at, before.cleared)
        summary = ScanSummary(
            scan_id=scan_id,
            plan_id=plan.plan_id if plan else None,
            listed=listed,
            referenced=listed - candidates,
            candidates=candidates,
            orphans=orphans,
            held=totals.get(ObjectVerdict.HELD, (0, 0))[0],
            kept=totals.get(ObjectVerdict.KEEP, (0, 0))[0],
            bytes=size,
            sources=sources,
            blocked=blocked,
            finished_at=self.clock.now(),
            matches=matches,
            open_columns=open_columns,
            unsearched=sum(bool(c.finding and c.finding.problem) for c in covered),
            unmatched_exclusions=exclusions.names(),
            search_skipped=list(searched.skipped),
            search_unread=dict(searched.problems),
            unmatched_skips=list(searched.unmatched),
            versioning=await asked_versioning(self.bucket),
        )
        await self.catalogue.finish_scan(scan_id, msgspec.json.encode(summary))
        _tell(summary)
        return summary

    async def _list(self, exclusions: UnmatchedExclusions) -> int:
        listed, last, in_order = 0, "", True
        async with Behind() as writing:
            async for page in self.bucket.list_pages():
                for one in page:
                    in_order, last = in_order and one.key > last, one.key
                # The store fetches the next page while this one is written.
                await writing.put(self.catalogue.add_listing(page))
                exclusions.see(one.key for one in page)
                listed += len(page)
                self.journal.progress("list", listed)
                await self.journal.checkpoint()
        # Some stores list out of order, and rightly so. In order, nothing can come twice.
        if not in_order and await self.catalogue.listed_twice():
            raise ListingIncomplete("a key was listed twice, so another may be missing")
        return listed

    async def _cover(self, before: Before) -> list[Covered]:
        return await cover(
            self.databases,
            self.config.sources,
            BucketNames.of(self.config),
            before.cleared,
            self.catalogue,
            self.clock,
            self.journal,
        )

    async def _catch_up(self) -> CaughtUp:
        catching_up = CatchingUp(
            self.registry,
            self.databases,
            self.config.sources,
            BucketNames.of(self.config),
            self.clock,
            self.followings,
            rows_read=self.journal.rows_read("catch up"),
            may_begin=self.may_begin_streams,
        )
        with self.hold_streams() as is_ours:
            return await catching_up.to_now(follow=is_ours)

    async def _find_candidates(self) -> int:
        """Set difference by probing, page by page; the order of the listing does not matter."""
        after, candidates = 0, 0
        async with Behind() as writing:
            while page := await self.catalogue.hash_page(after):
                after = page[-1][0]
                unreferenced = await self._unreferenced(page)
                await writing.put(self.catalogue.add_unreferenced(unreferenced))
                candidates += len(unreferenced)
                self.journal.progress("compare", candidates)
                await self.journal.checkpoint()
        return candidates

    async def _unreferenced(self, page: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of some objects, as (id, key hash), that no edge refers to."""
        referenced = await self.registry.referenced(h for _, h in page)
        return [(id_, h) for id_, h in page if h not in referenced]

    async def _send_canaries(self) -> None:
        tracked = {source.name for source in self.config.sources}
        references = await listed_references(self.registry, self.catalogue.path)
        live = [reference for reference in references if reference.source in tracked]
        dead = dead_object(rules_of(self.config), self.clock.now())
        await self.catalogue.add_canaries(live, dead)

    async def _canaries_misjudged(self, judged: Sequence[Judged] | None) -> dict[str, str]:
        canaries, _ = await self.catalogue.canaries()
        unreferenced = await self._unreferenced(list(enumerate(c.hash for c in canaries)))
        return misjudged(
            canaries,
            {h for _, h in unreferenced},
            {one.object.key: one for one in judged} if judged is not None else None,
            rules_of(self.config),
        )

    async def _ask_databases(self) -> None:
        async for found in find_references(
            self.databases,
            self.config.sources,
            BucketNames.of(self.config),
            self.catalogue.wanted,
            near=True,
            rows_read=self.journal.rows_read("ask databases"),
        ):
            await self.catalogue.add_hits(found)

    async def _judge(
        self,
        scan_id: str,
        listing_ended_at: datetime,
        candidates: int,
        open_since: datetime | None,
        searched: str,
    ) -> list[Judged]:
        """Judge all candidates, and the canaries in the same way; returns those."""
        judge = Judge(self.registry, rules_of(self.config), open_since)
        bucket_now = await self.bucket.server_now()

        async def verdicts_on(page: Sequence[ListedObject], hits: Sequence[Found]) -> list[Judged]:
            held = await self.catalogue.mentions(key_hashes([one.key for one in page]))
            return await judge.judge_page(
                page,
                holders_of(hits),
                near_holders=holders_of(hits, near=True),
                mentioned=mentioned_in(held),
                searched=searched,
                current_since=listing_ended_at,
                now=self.clock.now(),
                bucket_now=bucket_now,
                uploads=await self.catalogue.uploads_to([one.key for one in page]),
            )

        after, judged = 0, 0
        async with Behind() as writing:
            while True:
                page, hits, after = await self.catalogue.unjudged_page(after)
                if not page:
                    break
                verdicts = await verdicts_on(page, hits)
                _tell_verdicts(verdicts)
                await writing.put(self.catalogue.add_candidates(scan_id, verdicts))
                judged += len(page)
                self.journal.progress("judge", judged, candidates)
                await self.journal.checkpoint()
        canaries, hits = await self.catalogue.canaries()
        return await verdicts_on([canary.object for canary in canaries], hits)

    async def _plan(
        self, scan_id: str, listed_at: datetime, cleared: Mapping[ColumnId, Clearance]
    ) -> Plan:
        now = self.clock.now()
        return await self.catalogue.create_plan(
            Plan(
                plan_id=new_id(),
                scan_id=scan_id,
                bucket=self.config.bucket,
                listed_at=listed_at,
                created_at=now,
                expires_at=now + timedelta(hours=self.config.plan_lifetime_hours),
                objects=0,
                bytes=0,
                sha256="",
                conditions=conditions_of(self.config, self.present, cleared),
            )
        )

    async def _matches(self) -> dict[str, tuple[int, int]]:
        counts = await match_counts(self.registry, self.catalogue.path)
        return {found.source: (found.rows, found.matched) for found in counts}

    def _source_facts(
        self, keys: dict[str, int], matches: Mapping[str, tuple[int, int]], before: Before
    ) -> list[SourceFacts]:
        earlier = before.sources or {}
        return [
            SourceFacts(
                source.name,
                keys.get(source.name, 0),
                earlier.get(source.name),
                source.may_be_empty,
                matches.get(source.name, (0, 0)),
                before.matches.get(source.name),
                source.codec is Codec.TEXT,
            )
            for source in self.config.sources
        ]


def _tell_verdicts(verdicts: Sequence[Judged]) -> None:
    if log.is_debug():
        for judged in verdicts:
            verdict, reason = judged.verdict.value, judged.reason
            log.debug("object_judged", key=judged.object.key, verdict=verdict, reason=reason)


def _tell(summary: ScanSummary) -> None:
    for trip in summary.blocked:
        log.warning("guard_tripped", guard=trip.label, reason=trip.reason)
    log.info(
        "orphans_verified",
        orphans=summary.orphans,
        held=summary.held,
        kept=summary.kept,
        bytes=summary.bytes,
        plan_id=summary.plan_id,
    )
