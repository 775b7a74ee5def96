"""What PostgreSQL's catalogue says about a table: is it there, may we read it, its types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.protocol import TableRead, TableShape

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]
    Statement = asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]

INTEGERS = frozenset({"int2", "int4", "int8"})
# Kinds of relation that hold rows of their own, at places: tables, materialized views.
STORED = frozenset("rpm")

_TABLE = """
    SELECT c.oid::int8 AS oid, c.relkind::text AS kind, n.nspname::text AS schema,
        c.relname::text AS name,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable,
        pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable,
        pg_catalog.row_security_active(c.oid) AS filtered,
        EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid) AS has_children,
        pg_catalog.current_setting('server_encoding') AS encoding
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY ('{r,p,v,m,f}') AND c.relname::text = $1
        AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
                 ELSE n.nspname::text = $2 END
"""
_TABLE_NAMES = """
    SELECT n.nspname::text AS schema, c.relname::text AS name,
        pg_catalog.pg_table_is_visible(c.oid) AS visible
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY ('{r,p,v,m,f}') AND n.nspname !~ '^pg_' LIMIT 5000
"""
# `parts` walks from each column's type to the types inside it (elements of arrays, fields of
# composites, bases of domains): `own` is the type itself without its domains.
_COLUMNS = """
    WITH RECURSIVE parts (attnum, type, own) AS (
        SELECT attnum, atttypid, true FROM pg_catalog.pg_attribute
        WHERE attrelid = $1::int8::oid AND attnum > 0 AND NOT attisdropped
        UNION
        SELECT p.attnum, inner_type.type, p.own AND inner_type.base
        FROM parts p JOIN pg_catalog.pg_type t ON t.oid = p.type
        CROSS JOIN LATERAL (
            SELECT t.typbasetype AS type, true AS base WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem, false WHERE t.typelem <> 0 AND t.typtype <> 'd'
            UNION ALL SELECT r.rngsubtype, false FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
            UNION ALL SELECT f.atttypid, false FROM pg_catalog.pg_attribute f
                WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0
                    AND NOT f.attisdropped
        ) inner_type
    )
    SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
        b.typname::text AS base, b.typcategory::text AS category, b.typtype::text AS typtype,
        (SELECT pg_catalog.bool_or(p.type = 'pg_catalog.bytea'::regtype AND NOT p.own)
         FROM parts p WHERE p.attnum = a.attnum) AS holds_bytes,
        pg_catalog.has_column_privilege($1::int8::oid, a.attnum, 'SELECT') AS readable,
        (SELECT k.place FROM pg_catalog.pg_index i
            CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k (attnum, place)
         WHERE i.indrelid = a.attrelid AND i.indisprimary AND k.attnum = a.attnum
            AND k.place <= i.indnkeyatts) AS key_place
    FROM pg_catalog.pg_attribute a
    JOIN parts o ON o.attnum = a.attnum AND o.own
    JOIN pg_catalog.pg_type b ON b.oid = o.type AND b.typtype <> 'd'
    WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A checked table: its kind (`relkind`), SQL name, what to select for a row's identity."""

    shape: TableShape
    oid: int
    kind: str
    sql_name: str
    identity: tuple[str, ...]
    columns: dict[str, asyncpg.Record]
    as_bytes: bool


async def prepare(connection: Connection, name: str, query: str, read: TableRead) -> Statement:
    """Prepare what `select` gave. Raises `SourceUnreadable` where it asks for parameters."""
    statement = await connection.prepare(query)
    if statement.get_parameters():
        raise naming.unreadable(name, read, "$1 has no meaning here")
    return statement


async def check(connection: Connection, name: str, read: TableRead) -> Table:
    """Look up what `read` names in the database called `name`.

    Raises `SourceMissing`, `RightMissing`, `SourceUnreadable`, and the driver's errors.
    """
    found = await _find(connection, name, read)
    columns = {row["name"]: row for row in await connection.fetch(_COLUMNS, found["oid"])}
    for column in read.columns:
        if column not in columns:
            raise naming.missing_column(name, read, column, columns)
    keyed = sorted(
        (row for row in columns.values() if row["key_place"] is not None),
        key=lambda row: int(row["key_place"]),
    )
    key = tuple(str(row["name"]) for row in keyed)
    if found["kind"] == "r" and found["has_children"]:
        # A parent's key says nothing about the rows of the tables that inherit from it.
        key = ()
    _check_rights(name, read, found, columns, key)
    for column in read.columns:
        if columns[column]["holds_bytes"]:
            raise naming.unfaithful(name, read, column, columns[column]["type"])
    as_bytes = found["encoding"] == "SQL_ASCII"
    identity, words = _identity(found, key, columns, as_bytes)
    types = {column: str(row["type"]) for column, row in columns.items()}
    sql_name = f"{quote(found['schema'])}.{quote(found['name'])}"
    canonical = naming.join_name(found["schema"], found["name"])
    shape = TableShape(read.table, canonical, types, key, words)
    return Table(shape, found["oid"], found["kind"], sql_name, identity, columns, as_bytes)


def _check_rights(
    name: str,
    read: TableRead,
    found: asyncpg.Record,
    columns: dict[str, asyncpg.Record],
    key: tuple[str, ...],
) -> None:
    if not found["usable"]:
        detail = f"on its schema {found['schema']!r}"
        raise naming.right_missing(name, read, "USAGE", detail=detail)
    if found["filtered"]:
        detail = "row-level security hides rows from this user"
        raise naming.right_missing(name, read, "BYPASSRLS", detail=detail)
    if found["readable"]:
        return
    denied = [c for c in [*read.columns, *key] if not columns[c]["readable"]]
    if denied and any(row["readable"] for row in columns.values()):
        raise naming.right_missing(name, read, "SELECT", column=denied[0])
    if denied or not key:
        # A row without a key is named by its place, which takes the right on the whole table.
        raise naming.right_missing(name, read, "SELECT")


async def _find(connection: Connection, name: str, read: TableRead) -> asyncpg.Record:
    parts = naming.split_name(read.table)
    if len(parts) < 3:
        schema = parts[0] if len(parts) == 2 else None
        found = await connection.fetchrow(_TABLE, parts[-1], schema)
        if found is not None:
            return found
    existing = [
        row["name"] if row["visible"] and len(parts) == 1 else f"{row['schema']}.{row['name']}"
        for row in await connection.fetch(_TABLE_NAMES)
    ]
    raise naming.missing_table(name, read, existing)


def quote(name: str) -> str:
    """A name between quotes."""
    return '"' + name.replace('"', '""') + '"'


def _identity(
    found: asyncpg.Record, key: tuple[str, ...], columns: dict[str, asyncpg.Record], as_bytes: bool
) -> tuple[tuple[str, ...], str]:
    """What to select so that a row can be named, and the same in words."""

    def text(expression: str) -> str:
        return as_stored(expression) if as_bytes else expression

    if key:
        return tuple(
            f"{quote(column)}::pg_catalog.int8"
            if columns[column]["base"] in INTEGERS
            else text(f"{quote(column)}::pg_catalog.text")
            for column in key
        ), f"primary key {', '.join(key)}"
    if found["kind"] in STORED:
        place = "tableoid::pg_catalog.int8::pg_catalog.text || ':' || ctid::pg_catalog.text"
        return (text(f"({place})"),), "tableoid:ctid (no primary key)"
    row = f"ROW({quote(found['name'])}.*)::pg_catalog.text"
    digest = f"('row:' || pg_catalog.encode(pg_catalog.sha256({as_stored(row)}), 'hex'))"
    return (text(digest),), "SHA-256 of the whole row (no primary key)"


def as_stored(text: str) -> str:
    """The bytes of a text as the server keeps them, with no conversion that could fail."""
    return f"pg_catalog.convert_to({text}, pg_catalog.getdatabaseencoding())"
