"""Looks, in each scan, for the candidates' keys in every text column of the databases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from s3gc_core.config import Config, SourceConfig
from s3gc_core.config import DatabaseSearch as Where
from s3gc_core.databases.protocol import Database
from s3gc_core.jobs import JobJournal
from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.judgement.search_canaries import search_canaries
from s3gc_core.references import (
    BucketNames,
    ColumnId,
    Course,
    Covered,
    DatabaseSearch,
    KeySearch,
    Standing,
    all_tables,
    to_search,
    tracked_columns,
)

# Candidates looked for in one pass over the databases: some 2 GB of patterns at most.
KEYS_A_PASS = 500_000


@dataclass(frozen=True, slots=True)
class SearchDone:
    """What was searched. `oversize`: bytes of tables, over the limit beside them, because of
    which nothing was.

    `problems` say, by table or column, what could not be read. `unmatched` names to skip are no
    table's. `canaries_missed`: see `SearchCanaries.missed`.
    """

    skipped: Sequence[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    oversize: tuple[int, int] | None = None
    everything: bool = False
    unmatched: Sequence[str] = ()
    canaries_missed: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> str:
        """In words, for an object in question: what the databases were asked."""
        if not self.everything:
            return ""
        but = [*self.skipped, *self.problems]
        others = f" but {', '.join(but[:3])}" if but else ""
        if len(but) > 3:
            others += f" and {len(but) - 3} more"
        return f"every text column of every table was searched{others}"


async def search_databases(
    config: Config,
    databases: Sequence[Database],
    covered: Sequence[Covered],
    catalogue: Catalogue,
    journal: JobJournal,
) -> SearchDone:
    """Search for the keys of all unreferenced objects, and keep in the catalogue what holds them.

    May wait, or raise `OperationCancelled`; no snapshot is held open for a pause. Raises
    `DatabaseUnreachable`.
    """
    if config.database_search is Where.TRACKED:
        return SearchDone()
    planned = to_search(await all_tables(databases), config.database_search_skip)
    limit = config.database_search_max_bytes
    if planned.bytes > limit:
        return SearchDone(
            planned.skipped, oversize=(planned.bytes, limit), unmatched=planned.unmatched
        )
    cleared = {column.id for column in covered if column.standing is Standing.CLEARED}
    left_out = cleared | await _by_condition(databases, config.sources)
    names = BucketNames.of(config)
    canaries = await search_canaries(databases, config.sources, names, planned.columns - left_out)
    problems: dict[str, str] = {}
    total = before = after = 0
    while True:
        keys, after = await _next_keys(catalogue, after)
        if not keys:
            return SearchDone(
                planned.skipped,
                problems,
                everything=True,
                unmatched=planned.unmatched,
                canaries_missed=canaries.missed,
            )
        keys = canaries.begin_pass(keys)
        total += planned.bytes

        def went_on(read: int, before: int = before, total: int = total) -> None:
            journal.progress("search databases", before + read, total)
            journal.refuse_if_cancelled()

        course = Course(
            went_on,
            journal.is_pause_wished,
            journal.checkpoint,
            config.max_database_mb_per_second * 1_000_000,
        )
        search = DatabaseSearch(
            databases,
            # Away from the event loop: with automata it takes a second a 100,000 keys.
            await asyncio.to_thread(KeySearch, keys, names),
            config.database_search_skip,
            left_out,
            course,
            problems,
        )
        async with aclosing(search.mentions()) as mentions:
            async for found in mentions:
                await catalogue.add_mentions(canaries.see(found))
        canaries.end_pass(problems)
        before += planned.bytes
        # What tables take is an estimate, and more than their texts.
        journal.progress("search databases", before, total)


async def _next_keys(catalogue: Catalogue, after: int) -> tuple[list[str], int]:
    keys: list[str] = []
    while len(keys) < KEYS_A_PASS and (page := await catalogue.unreferenced_keys(after)):
        keys += [key for _, key in page]
        after = page[-1][0]
    return keys, after


async def _by_condition(
    databases: Sequence[Database], sources: Sequence[SourceConfig]
) -> set[ColumnId]:
    """Columns of which the operator says which rows count (`where`): their sources ask those."""
    some = await tracked_columns(databases, [s for s in sources if s.where is not None])
    return some - await tracked_columns(databases, [s for s in sources if s.where is None])
