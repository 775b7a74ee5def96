"""Which tables of a PostgreSQL database have text-like columns, and samples of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming, sampling
from s3gc_core.databases.postgres_catalogue import STORED, Table, quote
from s3gc_core.databases.postgres_pages import expression, page, where
from s3gc_core.databases.protocol import ListedTable, Row, TableRead, TextColumn

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# `text_like` grows from the plain types to arrays, domains and composites of them; a UUID is all of
# many a key, and a label path (ltree) or a word of an enumeration may be. The estimate of a
# partitioned table is that of its leaves; a relation never analyzed has -1, or nothing at all.
_TABLES = """
    WITH RECURSIVE text_like (type) AS (
        SELECT oid FROM pg_catalog.pg_type WHERE typcategory = 'S' OR typtype = 'e'
            OR typname = ANY ('{json,jsonb,xml,bytea,hstore,uuid,ltree}')
        UNION
        SELECT outside.type FROM text_like inside CROSS JOIN LATERAL (
            SELECT t.oid AS type FROM pg_catalog.pg_type t
                WHERE t.typelem = inside.type OR t.typbasetype = inside.type
            UNION ALL SELECT k.reltype FROM pg_catalog.pg_attribute f
                JOIN pg_catalog.pg_class k ON k.oid = f.attrelid
                WHERE f.atttypid = inside.type AND f.attnum > 0 AND NOT f.attisdropped
                    AND k.reltype <> 0
        ) outside
    )
    SELECT n.nspname::text AS schema, c.relname::text AS name,
        pg_catalog.pg_table_is_visible(c.oid) AS visible,
        (SELECT CASE WHEN pg_catalog.bool_and(l.reltuples > 0 OR l.reltuples = 0 AND l.relpages > 0)
                THEN pg_catalog.sum(l.reltuples) END
         FROM pg_catalog.pg_class l WHERE l.oid = c.oid AND c.relkind <> 'p' OR l.oid IN (
            SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p WHERE p.isleaf)
        )::pg_catalog.int8 AS rows,
        (SELECT pg_catalog.sum(pg_catalog.pg_table_size(l.oid))
         FROM pg_catalog.pg_class l WHERE l.oid = c.oid AND c.relkind <> 'p' OR l.oid IN (
            SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p WHERE p.isleaf)
        )::pg_catalog.int8 AS bytes,
        pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) AS columns,
        pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)
            ORDER BY a.attnum) AS types
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    JOIN text_like t ON t.type = a.atttypid
    WHERE c.relkind = ANY ('{r,p,m,f}') AND NOT c.relispartition AND a.attnum > 0
        AND NOT a.attisdropped AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    GROUP BY c.oid, n.nspname, c.relname, c.relkind
"""
# With everything that inherits from the table, partitions too.
_BLOCKS = """
    WITH RECURSIVE family (oid) AS (
        SELECT $1::int8::oid
        UNION
        SELECT i.inhrelid FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
    )
    SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(oid)), 0)::int8
        / pg_catalog.current_setting('block_size')::int8 FROM family
"""
# 16 MB of the table itself, without what is stored outside of its rows.
_SAMPLE_BLOCKS = 2_000
_COMPARABLE = frozenset({"text", "varchar", "bpchar", "citext"})


async def tables(connection: Connection) -> list[ListedTable]:
    """All tables with text-like columns. Raises the driver's errors."""
    found = sorted(await connection.fetch(_TABLES), key=lambda row: (row["schema"], row["name"]))
    return [
        ListedTable(
            naming.join_name(*([] if row["visible"] else [row["schema"]]), row["name"]),
            naming.join_name(row["schema"], row["name"]),
            tuple(map(TextColumn, row["columns"], row["types"])),
            row["rows"],
            row["bytes"],
        )
        for row in found
    ]


async def sample(connection: Connection, table: Table, read: TableRead, limit: int) -> list[Row]:
    """Rows of blocks from all over the table; where too few have a value, the first that have.

    Raises the driver's errors, and leaves the transaction as it was.
    """
    kept = sampling.Sample(limit)
    seen_whole = False
    if table.kind in STORED:
        share = _SAMPLE_BLOCKS / max(1, await connection.fetchval(_BLOCKS, table.oid))
        query = _spread(table, read, share, limit)
        seen_whole = await _collect(connection, query, table, read, kept) and share >= 1
    if kept.missing > 0 and not seen_whole:
        query = f"SELECT {_cut(table, read)} FROM {table.sql_name}{_filled(table, read)}"
        await _collect(connection, f"{query} LIMIT {limit}", table, read, kept)
    return kept.rows


def _spread(table: Table, read: TableRead, share: float, limit: int) -> str:
    """The rows are chosen first, so that only the values of those few are read and converted."""
    place = table.shape.primary_key or ("tableoid", "ctid")
    key = ", ".join(map(quote, place))
    names = ", ".join(map(quote, dict.fromkeys([*place, *read.columns])))
    blocks = f" TABLESAMPLE SYSTEM ({share * 100:.6f}) REPEATABLE (0)" if share < 1 else ""
    return (
        f"SELECT {_cut(table, read)} FROM (SELECT {names} FROM {table.sql_name}{blocks}"
        f"{_filled(table, read)} ORDER BY pg_catalog.hashtext(ROW({key})::pg_catalog.text)"
        f" LIMIT {limit}) AS chosen"
    )


def _cut(table: Table, read: TableRead) -> str:
    values = (expression(table, column) for column in read.columns)
    cut = [f"pg_catalog.substr({value}, 1, {sampling.LONGEST_VALUE})" for value in values]
    return ", ".join([*table.identity, *cut])


def _filled(table: Table, read: TableRead) -> str:
    """The operator's condition, and that a column has a value; an empty text is none."""
    tests = " OR ".join(
        f"{quote(column)} <> ''"
        if table.columns[column]["base"] in _COMPARABLE
        else f"{quote(column)} IS NOT NULL"
        for column in read.columns
    )
    return f"{where(read) or ' WHERE true'} AND ({tests})"


async def _collect(
    connection: Connection, query: str, table: Table, read: TableRead, kept: sampling.Sample
) -> bool:
    """Whether the query came to its end in time; what it found until then is kept."""
    # A transaction inside the transaction: it alone ends with a statement whose time is up.
    inner = connection.transaction()
    await inner.start()
    try:
        milliseconds = int(sampling.STATEMENT_SECONDS * 1000)
        await connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")
        cursor = await (await connection.prepare(query)).cursor()
        size = naming.PageSize(sampling.FIRST_ROWS)
        while kept.missing > 0 and (records := await cursor.fetch(size.rows)):
            rows = page(records, table, read)
            size.learn(rows)
            kept.add(rows)
    except asyncpg.QueryCanceledError:
        return False
    finally:
        await inner.rollback()
    return True
