"""Followed tables as PostgreSQL's catalogue has them, and which texts of the stream equal a read's.

A read gives `column::text`, the stream what the type's output function makes. The two are the same
for the types named here; of all others the stream's text is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.changes import UNTOLD, Untold
from s3gc_core.databases.following import HEARTBEAT_SCHEMA, HEARTBEAT_TABLE, Watched
from s3gc_core.databases.pgoutput_rows import Column, Followed
from s3gc_core.databases.postgres_catalogue import INTEGERS
from s3gc_core.databases.protocol import RowId, Value

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# Settings that the text of a value depends on.
TEXT_SETTINGS = ("DateStyle", "IntervalStyle", "TimeZone", "extra_float_digits", "bytea_output")
# Types of pg_catalog whose cast to text is their output function, or a relabelling.
_SAME = INTEGERS | {
    *("text", "varchar", "name", "numeric", "float4", "float8", "oid", "uuid", "json", "jsonb"),
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "bit", "varbit"),
}

_TABLES = """
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
        c.relkind::text AS kind, c.relreplident::text AS identity
    FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname::text = wanted.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname::text = wanted.name
    WHERE c.relkind = ANY ('{r,p,v,m,f}')
"""
# `bases` walks from domains to what they are made of.
_COLUMNS = """
    WITH RECURSIVE bases (attrelid, attnum, type) AS (
        SELECT attrelid, attnum, atttypid FROM pg_catalog.pg_attribute
        WHERE attrelid = ANY ($1::int8[]::oid[]) AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT b.attrelid, b.attnum, t.typbasetype
        FROM bases b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd'
    )
    SELECT a.attrelid::int8 AS oid, a.attname::text AS name, a.atttypid::int8 AS type,
        a.atttypmod AS modifier, a.attgenerated <> '' AS is_generated,
        t.typname::text AS base, t.typtype::text AS typtype,
        t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AS is_builtin,
        tn.nspname::text AS base_schema,
        (SELECT k.place FROM pg_catalog.pg_index i
            CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k (attnum, place)
         WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.attnum = a.attnum
            AND k.place <= i.indnkeyatts) AS key_place
    FROM pg_catalog.pg_attribute a
    JOIN bases b ON b.attrelid = a.attrelid AND b.attnum = a.attnum
    JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
    WHERE a.attrelid = ANY ($1::int8[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""


def schema_and_name(table: str) -> tuple[str, str]:
    """The two parts of a canonical name."""
    schema, name = naming.split_name(table)
    return schema, name


async def columns_of(
    connection: Connection, oids: Sequence[int]
) -> dict[int, list[asyncpg.Record]]:
    """The columns of these relations, in order; see `_COLUMNS` for what is said of each."""
    found: dict[int, list[asyncpg.Record]] = {oid: [] for oid in oids}
    for row in await connection.fetch(_COLUMNS, list(oids)):
        found[row["oid"]].append(row)
    return found


async def followed(
    connection: Connection, watched: Sequence[Watched]
) -> tuple[list[Followed], dict[str, str]]:
    """The tables as they are now, and of those that cannot be decoded, why."""
    parts = [schema_and_name(each.table) for each in watched]
    schemas, names = [part[0] for part in parts], [part[1] for part in parts]
    rows = {
        (row["schema"], row["name"]): row for row in await connection.fetch(_TABLES, schemas, names)
    }
    columns = await columns_of(connection, [row["oid"] for row in rows.values()])
    tables, broken = [], {}
    for each, part in zip(watched, parts, strict=True):
        row = rows.get(part)
        try:
            if row is None:
                raise LookupError("the table is gone")
            tables.append(_followed(each, row, columns[row["oid"]]))
        except LookupError as error:
            broken[each.table] = str(error.args[0])
    return tables, broken


def heartbeat_watched() -> Watched:
    """Our own table as one to be followed."""
    table = naming.join_name(HEARTBEAT_SCHEMA, HEARTBEAT_TABLE)
    return Watched(table, ("counter", "token", "previous"))


def _followed(watched: Watched, row: asyncpg.Record, columns: Sequence[asyncpg.Record]) -> Followed:
    by_name = {column["name"]: column for column in columns if not column["is_generated"]}
    key = key_columns(columns)
    if not key:
        raise LookupError("it has no primary key")
    for name in (*watched.columns, *(column["name"] for column in key)):
        if name not in by_name:
            raise LookupError(f"it has no column {name!r} that the stream tells")
    converts = []
    for column in key:
        convert = key_text(column)
        if convert is None:
            raise LookupError(f"its key's column {column['name']!r} is told differently")
        converts.append((str(column["name"]), convert))
    is_full = row["identity"] == "f"
    return Followed(
        watched.table,
        row["oid"],
        row["schema"],
        row["name"],
        row["identity"],
        tuple(
            Column(
                column["name"],
                is_full or column["key_place"] is not None,
                column["type"],
                column["modifier"],
            )
            for column in by_name.values()
        ),
        tuple(converts),
        tuple((name, _value_text(by_name[name])) for name in watched.columns),
        # A partition's identity may be another than the root's, by which its tuples are marked.
        is_full and row["kind"] == "r",
    )


def key_columns(columns: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Those of the primary key, in its order."""
    keyed = [column for column in columns if column["key_place"] is not None]
    return sorted(keyed, key=lambda column: int(column["key_place"]))


def key_text(column: asyncpg.Record) -> Callable[[bytes], RowId] | None:
    """What makes a part of an identity, as a read has it, of the stream's text."""
    if column["is_builtin"] and column["base"] in INTEGERS:
        return int
    # A read has the text of a key of bytes, too.
    return bytes.decode if column["base"] == "bytea" and column["is_builtin"] else _text(column)


def _value_text(column: asyncpg.Record) -> Callable[[bytes], Value | Untold] | None:
    return _bytes if column["base"] == "bytea" and column["is_builtin"] else _text(column)


def _text(column: asyncpg.Record) -> Callable[[bytes], str] | None:
    base = column["base"]
    if column["typtype"] == "e" or (base == "citext" and column["typtype"] == "b"):
        return bytes.decode
    if not column["is_builtin"]:
        return None
    if base in _SAME:
        return bytes.decode
    return {"bool": _truth, "bpchar": _unpadded}.get(base)


def _truth(raw: bytes) -> str:
    return {b"t": "true", b"f": "false"}[raw]


def _unpadded(raw: bytes) -> str:
    return raw.decode().rstrip(" ")


def _bytes(raw: bytes) -> bytes | Untold:
    # In the other format of `bytea_output` a backslash is never followed by an x.
    return bytes.fromhex(raw[2:].decode()) if raw[:2] == b"\\x" else UNTOLD
