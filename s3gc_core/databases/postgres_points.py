"""Reads single rows of a PostgreSQL table by their identities."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.postgres import PAGE_TIMEOUT_SECONDS, PostgresDatabase
from s3gc_core.databases.postgres_catalogue import INTEGERS, Table, check, prepare, quote
from s3gc_core.databases.postgres_pages import page, select
from s3gc_core.databases.postgres_relations import columns_of, key_columns
from s3gc_core.databases.protocol import Page, RowId, TableRead

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

IDENTITIES_PER_QUERY = 500


async def points(
    database: PostgresDatabase, read: TableRead, ids: Sequence[RowId]
) -> AsyncGenerator[Page, None]:
    """The rows of `read` with one of these identities, in one new snapshot."""
    async with database.reader() as connection:
        with database.reading(read):
            table = await check(connection, database.name, read)
            # Only as it stands may it be asked: what we add has parameters.
            await prepare(connection, database.name, select(table, read), read)
            condition = await _condition(connection, table)
        if condition is None:
            raise naming.unreadable(database.name, read, "the table has no primary key any more")
        query = select(table, TableRead(read.table, read.columns))
        # In front: whatever the operator's condition is, it takes no row away from ours.
        query += f" WHERE {condition}" + ("" if read.where is None else f" AND ({read.where}\n)")
        for start in range(0, len(ids), IDENTITIES_PER_QUERY):
            some = ids[start : start + IDENTITIES_PER_QUERY]
            arrays = _arrays(table, some)
            if not arrays[0]:
                continue
            with database.reading(read):
                records = await connection.fetch(query, *arrays, timeout=PAGE_TIMEOUT_SECONDS)
                found = page(records, table, read)
            wanted = set(some)
            # Equal to the database is not equal as text: 1.0 and 1.00, letters under a collation.
            places = [place for place, row in enumerate(found.ids) if row in wanted]
            if places:
                yield Page(
                    [found.ids[place] for place in places],
                    [[column[place] for place in places] for column in found.columns],
                )


async def _condition(connection: Connection, table: Table) -> str | None:
    """Whether a row's key is among those of the parameters, one array for each of its columns."""
    columns = key_columns((await columns_of(connection, [table.oid]))[table.oid])
    if not columns or not table.shape.primary_key:
        return None
    arrays = []
    for number, column in enumerate(columns, 1):
        if column["is_builtin"] and column["base"] in INTEGERS:
            arrays.append(f"${number}::pg_catalog.int8[]")
        else:
            # The type by its name alone, since with a modifier a cast would cut the text.
            base = f"{quote(column['base_schema'])}.{quote(column['base'])}"
            arrays.append(f"${number}::pg_catalog.text[]::{base}[]")
    names = [f"{table.sql_name}.{quote(column['name'])}" for column in columns]
    if len(names) == 1:
        return f"{names[0]} = ANY ({arrays[0]})"
    return f"({', '.join(names)}) IN (SELECT * FROM unnest({', '.join(arrays)}))"


def _arrays(table: Table, ids: Sequence[RowId]) -> list[list[RowId]]:
    """The parts of the identities by column; what cannot be one of this table's is left out."""
    key = table.shape.primary_key
    kinds = [int if table.columns[column]["base"] in INTEGERS else str for column in key]
    arrays: list[list[RowId]] = [[] for _ in key]
    for row in ids:
        parts = naming.row_parts(row, len(key))
        if parts is None or len(parts) != len(key):
            continue
        if kinds == [int] and isinstance(parts[0], str) and parts[0] == str(-(2**63)):
            parts = [-(2**63)]
        if any(type(part) is not kind for part, kind in zip(parts, kinds, strict=True)):
            continue
        for array, part in zip(arrays, parts, strict=True):
            array.append(part)
    return arrays
