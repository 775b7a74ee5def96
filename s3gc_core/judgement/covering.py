"""Looks, in each scan, for keys of the bucket in columns that nobody tracks or has vouched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from s3gc_core.clock import Clock
from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Database
from s3gc_core.jobs import JobJournal
from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.references import (
    BucketNames,
    Clearance,
    ColumnId,
    Covered,
    Standing,
    all_tables,
    examine,
    ledger,
    sampled,
    standing,
    tracked_columns,
)

# Rows of each table that a scan looks at; `s3gc discover` looks at more.
ROWS = 1_000


async def cover(
    databases: Sequence[Database],
    sources: Sequence[SourceConfig],
    names: BucketNames,
    cleared: Mapping[ColumnId, Clearance],
    catalogue: Catalogue,
    clock: Clock,
    journal: JobJournal,
) -> list[Covered]:
    """Sample every column that is unknown, and return the whole ledger with what was seen.

    Needs the catalogue's complete listing. Raises `SourceMissing`, `RightMissing` for a source,
    and `DatabaseUnreachable`; a table that may not be read is in the ledger with its problem.
    """
    listing = await catalogue.listing()
    objects = listing.objects if listing else 0
    tables = await all_tables(databases)
    columns = [
        (ColumnId(database.name, table.canonical, column.name), table.table, column.type)
        for database, table in tables
        for column in table.columns
    ]
    tracked = await tracked_columns(databases, sources)
    unknown = {
        id_
        for id_, _, type_name in columns
        if standing(id_, type_name, tracked, cleared.get(id_)) is Standing.UNKNOWN
    }
    looked_at = 0
    async for sample in sampled(tables, ROWS, unknown.__contains__):
        found, _ = await examine(
            sample,
            names,
            catalogue.listed,
            objects=objects,
            now=clock.now(),
            codecs=(Codec.AUTO,),
        )
        await catalogue.add_findings(found, ROWS)
        looked_at += 1
        journal.progress("untracked columns", looked_at)
        await journal.checkpoint()
    return ledger(columns, tracked, cleared, await catalogue.findings())
