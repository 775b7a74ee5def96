"""The coverage ledger for people: every column with its standing, and who vouches for it."""

from __future__ import annotations

from s3gc_core import log
from s3gc_core.actions.parts import Parts
from s3gc_core.errors import NoSuchColumn
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor
from s3gc_core.judgement import clearances
from s3gc_core.references import (
    ColumnId,
    Covered,
    Standing,
    all_tables,
    columns_named,
    ledger,
    tracked_columns,
)
from s3gc_core.vault import ColumnDecided


async def coverage(parts: Parts) -> list[Covered]:
    """Every text-like column of every database as it stands now, by name.

    What was seen in a column is what the last scan or discovery saw. Raises
    `DatabaseUnreachable`, and `SourceMissing`, `RightMissing` for a tracked column.
    """
    tables = await all_tables(parts.databases)
    columns = [
        (ColumnId(database.name, table.canonical, column.name), table.table, column.type)
        for database, table in tables
        for column in table.columns
    ]
    tracked = await tracked_columns(parts.databases, parts.config.sources)
    return ledger(columns, tracked, await clearances(parts.audit), await parts.catalogue.findings())


async def clear(parts: Parts, name: str, reason: str) -> list[Covered]:
    """Record that a person says: what `name` means holds no keys. Returns those columns.

    `name` is `[database:]table[.column]`; of a table only the columns it has now are meant. Raises
    `NoSuchColumn` where no unknown column has that name.
    """
    return await _decide(parts, name, reason, cleared=True)


async def reopen(parts: Parts, name: str, reason: str) -> list[Covered]:
    """Take a clearance back: the columns are unknown again. Raises `NoSuchColumn`."""
    return await _decide(parts, name, reason, cleared=False)


async def _decide(parts: Parts, name: str, reason: str, *, cleared: bool) -> list[Covered]:
    wanted = Standing.UNKNOWN if cleared else Standing.CLEARED
    found = columns_named(await coverage(parts), name)
    meant = [column for column in found if column.standing is wanted]
    if not meant:
        stand = ", ".join(sorted({column.standing for column in found}))
        told = f"is {stand} already" if found else "is no text-like column or table"
        raise NoSuchColumn(f"{name} {told}")
    who = actor()
    records = [
        ColumnDecided(c.id.database, c.id.table, c.id.column, c.type, cleared, who, reason)
        for c in meant
    ]
    await parts.audit.append(new_id(), records)
    await parts.audit.anchor()
    log.info("columns_decided", name=name, cleared=cleared, columns=len(meant))
    return meant
