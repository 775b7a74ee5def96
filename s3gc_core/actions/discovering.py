"""Discovery: which columns of the databases hold keys of the bucket, without being told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from s3gc_core.actions.finding_bases import find_bases
from s3gc_core.actions.looking import look_through
from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts
from s3gc_core.config import Codec
from s3gc_core.databases import Database, ListedTable
from s3gc_core.errors import NothingTracked
from s3gc_core.judgement import Listing
from s3gc_core.references import (
    BucketNames,
    ColumnId,
    Finding,
    Tables,
    all_tables,
    examine,
    ranked,
    sampled,
)
from s3gc_core.references.discovery import explained_share
from s3gc_core.references.guessing import Guess, Guesses

DEFAULT_ROWS = 2_000
# A listing this old is made anew: what was uploaded since would look like no object.
LISTING_LIFETIME = timedelta(hours=24)
# Columns of which less than this share names objects are looked at for paths before keys, and for
# templates.
_EXPLAINED = 0.5
# Tables whose values are looked for in one passage through the listing.
_TABLES_AT_ONCE = 50


@dataclass(slots=True)
class Discovery:
    """What a discovery found: every column looked at, and what could not be read."""

    operation_id: str
    objects: int
    findings: dict[ColumnId, Finding] = field(default_factory=dict)

    @property
    def ranked(self) -> list[Finding]:
        """Columns that hold keys, best first."""
        return ranked(self.findings.values())

    @property
    def unreadable(self) -> list[Finding]:
        """Columns that could not be looked at."""
        return [finding for finding in self.findings.values() if finding.problem]


async def discover(parts: Parts, *, rows: int = DEFAULT_ROWS, fresh: bool = False) -> Discovery:
    """Sample every text-like column of every table, and say which hold keys of the bucket.

    What an earlier, interrupted discovery found with the same listing is not asked again, unless
    `fresh`. Changes nothing but what is known. Raises `NothingTracked` without a database.
    """
    if not parts.config.databases:
        raise NothingTracked("no database is configured")
    async with parts.operation("discover") as run:
        await parts.bucket.check()
        listing = await _listing(parts, run, fresh=fresh)
        tables = await all_tables(parts.databases)
        done = set() if fresh else await parts.catalogue.examined(rows)
        await _examine(parts, run, _without(tables, done), rows, listing)
        if fresh or await parts.catalogue.guessed() < rows:
            # Only now: what any column spells out needs no template.
            for start in range(0, len(tables), _TABLES_AT_ONCE):
                await _guess(parts, run, tables[start : start + _TABLES_AT_ONCE], rows, listing)
            await find_bases(parts, run, tables, rows, listing, _EXPLAINED)
            await parts.catalogue.set_guessed(rows)
        present = {(database.name, table.canonical) for database, table in tables}
        known = await parts.catalogue.findings()
        result = Discovery(
            run.operation_id,
            listing.objects,
            {i: found for i, found in known.items() if (i.database, i.table) in present},
        )
        run.counts = {"columns": len(result.findings), "with keys": len(result.ranked)}
    return result


async def _listing(parts: Parts, run: OperationRun, *, fresh: bool) -> Listing:
    """The listing that is held, or one made now."""
    held = await parts.catalogue.listing()
    if held and not fresh and parts.clock.now() - held.began_at < LISTING_LIFETIME:
        return held
    began_at, listed = parts.clock.now(), 0
    await parts.catalogue.begin_listing()
    async for page in parts.bucket.list_pages():
        await parts.catalogue.add_listing(page)
        listed += len(page)
        run.journal.progress("list", listed)
        await run.journal.checkpoint()
    return await parts.catalogue.complete_listing(began_at)


def _without(tables: Tables, done: set[ColumnId]) -> list[tuple[Database, ListedTable]]:
    return [
        (database, table)
        for database, table in tables
        if not done.issuperset(
            ColumnId(database.name, table.canonical, column.name) for column in table.columns
        )
    ]


async def _examine(
    parts: Parts, run: OperationRun, tables: Tables, rows: int, listing: Listing
) -> None:
    """Look for keys that columns spell out; each table's findings are kept at once."""
    names = BucketNames.of(parts.config)
    number = 0
    async for sample in sampled(tables, rows):
        findings, explained = await examine(
            sample,
            names,
            parts.catalogue.listed,
            objects=listing.objects,
            now=parts.clock.now(),
        )
        await parts.catalogue.explain(list(explained))
        await parts.catalogue.add_findings(findings, rows)
        number += 1
        run.journal.progress("sample tables", number, len(tables))
        await run.journal.checkpoint()


async def _guess(
    parts: Parts, run: OperationRun, tables: Tables, rows: int, listing: Listing
) -> None:
    """Look for keys that are made of what columns hold, in all keys that none spells out."""
    known = await parts.catalogue.findings()
    guesses = Guesses()
    async for sample in sampled(tables, rows):
        guesses.want(
            sample,
            {
                column
                for column in sample.columns
                if (found := known.get(sample.id_of(column))) and found.share < _EXPLAINED
            },
        )
        await run.journal.checkpoint()
    keys = parts.catalogue.listed_keys(unexplained=True)
    await look_through(keys, guesses.look, run, "guess templates", listing.objects)
    by_name = {(database.name, table.canonical): table for database, table in tables}
    findings = []
    for guess in guesses.found():
        table = by_name[guess.id.database, guess.id.table]
        blank = Finding(guess.id, table.table, "", parts.clock.now(), table.rows)
        before = known.get(guess.id, blank)
        if guess.values > before.resolved:
            findings.append(_guessed(before, guess, listing))
    await parts.catalogue.add_findings(findings, rows)


def _guessed(before: Finding, guess: Guess, listing: Listing) -> Finding:
    return msgspec.structs.replace(
        before,
        codec=None if guess.templates else Codec.KEY,
        templates=guess.templates,
        sampled=max(before.sampled, guess.sought),
        values=max(before.values, guess.sought),
        resolved=guess.values,
        objects=guess.objects,
        explained=explained_share(guess.objects, guess.sought, before.rows, listing.objects),
    )
