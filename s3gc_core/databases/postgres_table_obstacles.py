"""What keeps single PostgreSQL tables from being followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases.following import Obstacle, Watched
from s3gc_core.databases.postgres_catalogue import check, quote
from s3gc_core.databases.postgres_relations import (
    columns_of,
    key_columns,
    key_text,
    schema_and_name,
)
from s3gc_core.databases.protocol import TableRead
from s3gc_core.errors import RightMissing, SourceMissing, SourceUnreadable

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# Each table with all that inherits from it, itself first. `identity` is of REPLICA IDENTITY.
_FAMILIES = """
    WITH RECURSIVE family (place, oid, depth) AS (
        SELECT w.place, c.oid, 0
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, place)
        JOIN pg_catalog.pg_namespace n ON n.nspname::text = w.schema
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname::text = w.name
        WHERE c.relkind = ANY ('{r,p,v,m,f}')
        UNION
        SELECT f.place, i.inhrelid, f.depth + 1
        FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
    )
    SELECT f.place, f.depth, c.oid::int8 AS oid, c.relkind::text AS kind,
        c.relpersistence::text AS persistence, c.relreplident::text AS identity,
        n.nspname::text AS schema, c.relname::text AS name,
        k.indexrelid IS NOT NULL AS has_key, coalesce(k.indimmediate, true) AS is_immediate,
        EXISTS (SELECT FROM pg_catalog.pg_index i
            WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisprimary) AS is_by_key
    FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index k ON k.indrelid = c.oid AND k.indisprimary
    ORDER BY f.place, f.depth, c.oid
"""
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


async def table_obstacles(
    connection: Connection, database: str, watched: Sequence[Watched]
) -> list[Obstacle]:
    """What is in the way of each table. `connection` is in the transaction of a snapshot."""
    found: list[Obstacle] = []
    there: list[Watched] = []
    for each in watched:
        read = TableRead(each.table, each.columns)
        try:
            await check(connection, database, read)
        except (SourceMissing, SourceUnreadable) as error:
            found.append(Obstacle(each.table, str(error), ""))
            continue
        except RightMissing as error:
            found.append(Obstacle(each.table, str(error), await _grant(connection, each.table)))
            continue
        there.append(each)
    parts = [schema_and_name(each.table) for each in there]
    families: list[list[asyncpg.Record]] = [[] for _ in there]
    schemas, names = [part[0] for part in parts], [part[1] for part in parts]
    for row in await connection.fetch(_FAMILIES, schemas, names):
        families[row["place"] - 1].append(row)
    columns = await columns_of(connection, [family[0]["oid"] for family in families])
    for each, family in zip(there, families, strict=True):
        root = family[0]
        whats = [
            *_of_kind(family),
            *_of_identity(family),
            *_of_columns(each, columns[root["oid"]]),
            *_of_others(root, families),
        ]
        found += [Obstacle(each.table, what, mend) for what, mend in whats]
    return found


def sql_name(row: asyncpg.Record) -> str:
    """A relation's name in SQL."""
    return f"{quote(row['schema'])}.{quote(row['name'])}"


async def _grant(connection: Connection, table: str) -> str:
    user = await connection.fetchval("SELECT pg_catalog.quote_ident(current_user)")
    schema, name = map(quote, schema_and_name(table))
    return f"GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {schema}.{name} TO {user}"


def _of_kind(family: Sequence[asyncpg.Record]) -> Iterator[tuple[str, str]]:
    root = family[0]
    if root["kind"] == "r" and len(family) > 1:
        yield "other tables inherit from it, whose rows are told under their own names", ""
        return
    for row in family:
        label = "it" if row is root else f"its partition {sql_name(row)}"
        if row["kind"] in _KINDS:
            yield f"{label} is {_KINDS[row['kind']]}, which PostgreSQL does not publish", ""
        elif row["persistence"] == "u":
            yield (
                f"{label} is unlogged: no log tells of it",
                f"ALTER TABLE {sql_name(row)} SET LOGGED",
            )
        elif row["persistence"] == "t":
            yield f"{label} is temporary", ""


def _of_identity(family: Sequence[asyncpg.Record]) -> Iterator[tuple[str, str]]:
    root = family[0]
    if root["kind"] not in "rp" or (root["kind"] == "r" and len(family) > 1):
        return
    if not root["has_key"]:
        yield (
            "it has no primary key: once published, the application could not update it",
            f"ALTER TABLE {sql_name(root)} ADD PRIMARY KEY (...)",
        )
        return
    for row in family:
        # Between the root and the leaves nobody writes.
        if row["identity"] == "f" or (row["kind"] != "r" and row is not root):
            continue
        label = "its" if row is root else f"the partition {sql_name(row)}'s"
        if row["identity"] == "n" or (row["identity"] == "i" and not row["is_by_key"]):
            words = "NOTHING" if row["identity"] == "n" else "an index other than its primary key"
            yield (
                f"{label} REPLICA IDENTITY is {words}: it has to be the primary key, or FULL",
                f"ALTER TABLE {sql_name(row)} REPLICA IDENTITY DEFAULT",
            )
        elif not row["is_immediate"]:
            yield (
                (
                    f"{label} primary key is DEFERRABLE, which identifies no row to PostgreSQL:"
                    " once published, the application could not update it"
                ),
                f"ALTER TABLE {sql_name(row)} REPLICA IDENTITY FULL",
            )


def _of_columns(each: Watched, columns: Sequence[asyncpg.Record]) -> Iterator[tuple[str, str]]:
    key = key_columns(columns)
    for column in key:
        if key_text(column) is None:
            yield (
                (
                    f"the key's column {column['name']!r} is of a type that the stream writes"
                    f" differently: {column['base']}"
                ),
                "",
            )
    wanted = {*each.columns, *(column["name"] for column in key)}
    for column in columns:
        if column["is_generated"] and column["name"] in wanted:
            yield (
                f"the column {column['name']!r} is generated: PostgreSQL does not publish it",
                (
                    f"ALTER TABLE {'.'.join(map(quote, schema_and_name(each.table)))}"
                    f" ALTER COLUMN {quote(column['name'])} DROP EXPRESSION"
                ),
            )


def _of_others(
    root: asyncpg.Record, families: Sequence[Sequence[asyncpg.Record]]
) -> Iterator[tuple[str, str]]:
    for family in families:
        if any(row["oid"] == root["oid"] for row in family[1:]):
            yield f"it is a partition of {sql_name(family[0])}, under whose name it is told", ""
