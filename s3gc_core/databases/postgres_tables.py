"""Which tables of a PostgreSQL database have columns that may hold keys, and samples of them."""

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

# In no value of these can a key stand. Of a type that nobody here knows it may: base types, enums,
# and what else there may be one day count, unless they are named here.
_WITHOUT_KEYS = (
    "bool,int2,int4,int8,float4,float8,numeric,money,bit,varbit,"
    "date,time,timetz,timestamp,timestamptz,interval,point,line,lseg,path,box,polygon,circle,"
    "oid,xid,xid8,cid,tid,pg_lsn,pg_snapshot,txid_snapshot,int2vector,oidvector,"
    "regproc,regprocedure,regoper,regoperator,regclass,regtype,regrole,regnamespace,regconfig,"
    "regdictionary,regcollation"
)
# Nor in any of these extensions' types: shapes, and rows of numbers.
_EXTENSIONS_WITHOUT_KEYS = "postgis,postgis_raster,vector,cube,seg"
# The table itself, or all that hold rows of it. (Said with OR, all of pg_class would be read for
# each table.)
_LEAVES = """CASE WHEN c.relkind <> 'p' THEN ARRAY[c.oid] ELSE ARRAY(
            SELECT p.relid::oid FROM pg_catalog.pg_partition_tree(c.oid) p WHERE p.isleaf) END"""
# `with_keys` grows from those types to domains, arrays, composites and ranges of them. Before
# PostgreSQL 14 there is no `rngmultitypid`. The estimate of a partitioned table is that of its
# leaves; a relation never analyzed has -1, or nothing at all.
_TABLES = f"""
    WITH RECURSIVE without_keys (type) AS (
        SELECT oid FROM pg_catalog.pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typname = ANY ('{{{_WITHOUT_KEYS}}}')
        UNION ALL SELECT d.objid FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.deptype = 'e'
                AND d.refclassid = 'pg_catalog.pg_extension'::regclass
                AND e.extname = ANY ('{{{_EXTENSIONS_WITHOUT_KEYS}}}')
    ), made_of (inside, outside) AS (
        SELECT typelem, oid FROM pg_catalog.pg_type WHERE typelem <> 0
        UNION ALL SELECT typbasetype, oid FROM pg_catalog.pg_type WHERE typbasetype <> 0
        UNION ALL SELECT f.atttypid, k.reltype FROM pg_catalog.pg_attribute f
            JOIN pg_catalog.pg_class k ON k.oid = f.attrelid
            WHERE f.attnum > 0 AND NOT f.attisdropped AND k.reltype <> 0
        UNION ALL SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range
        UNION ALL SELECT r.rngsubtype, (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid
            FROM pg_catalog.pg_range r
    ), with_keys (type) AS (
        SELECT t.oid FROM pg_catalog.pg_type t
        WHERE t.typtype <> ALL ('{{c,d,m,p,r}}')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
            AND NOT EXISTS (SELECT FROM without_keys w WHERE w.type = t.oid)
        UNION SELECT m.outside FROM with_keys k JOIN made_of m ON m.inside = k.type
    )
    SELECT n.nspname::text AS schema, c.relname::text AS name,
        pg_catalog.pg_table_is_visible(c.oid) AS visible,
        (SELECT CASE WHEN pg_catalog.bool_and(l.reltuples > 0 OR l.reltuples = 0 AND l.relpages > 0)
                THEN pg_catalog.sum(l.reltuples) END
         FROM pg_catalog.pg_class l WHERE l.oid = ANY ({_LEAVES}))::pg_catalog.int8 AS rows,
        (SELECT pg_catalog.sum(pg_catalog.pg_table_size(l))
         FROM pg_catalog.unnest({_LEAVES}) l)::pg_catalog.int8 AS bytes,
        pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) AS columns,
        pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)
            ORDER BY a.attnum) AS types
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    JOIN with_keys t ON t.type = a.atttypid
    WHERE c.relkind = ANY ('{{r,p,m,f}}') AND NOT c.relispartition AND a.attnum > 0
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
    """All tables with columns of types that may hold keys. Raises the driver's errors."""
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
