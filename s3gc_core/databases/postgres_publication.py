"""Our publication and the heartbeat's table: what is there, and the statements that set it right.

The same statements are run by us, or shown to an operator whose rights they take.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.following import HEARTBEAT_SCHEMA, HEARTBEAT_TABLE
from s3gc_core.databases.postgres_catalogue import quote
from s3gc_core.databases.postgres_relations import schema_and_name

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

HEARTBEAT = naming.join_name(HEARTBEAT_SCHEMA, HEARTBEAT_TABLE)
_FLAGS = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
CREATE_SCHEMA = f"CREATE SCHEMA {HEARTBEAT_SCHEMA}"
CREATE_HEARTBEAT = (
    f"CREATE TABLE {HEARTBEAT} (name text PRIMARY KEY, counter bigint NOT NULL,"
    " token text NOT NULL, previous text NOT NULL)"
)

# As JSON, because the filters of PostgreSQL 15 are columns that 13 does not have.
_PUBLICATION = """
    SELECT p.oid::int8 AS oid, p.puballtables AS is_all,
        p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND p.pubviaroot AS is_whole,
        pg_catalog.pg_has_role(p.pubowner, 'USAGE') AS is_ours
    FROM pg_catalog.pg_publication p WHERE p.pubname::text = $1
"""
_TABLES = """
    SELECT n.nspname::text AS schema, c.relname::text AS name,
        coalesce(pg_catalog.to_jsonb(r) ->> 'prqual', pg_catalog.to_jsonb(r) ->> 'prattrs')
            IS NOT NULL AS is_narrowed
    FROM pg_catalog.pg_publication_rel r
    JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE r.prpubid = $1::int8::oid
"""
_SCHEMAS = "SELECT count(*) FROM pg_catalog.pg_publication_namespace WHERE pnpubid = $1::int8::oid"
_HEARTBEAT = """
    SELECT pg_catalog.array_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, -1)
            ORDER BY a.attname) AS columns,
        c.relkind::text || c.relpersistence::text AS kind,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND
            pg_catalog.has_table_privilege(c.oid, 'SELECT') AND
            pg_catalog.has_table_privilege(c.oid, 'INSERT') AND
            pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND
            pg_catalog.has_table_privilege(c.oid, 'DELETE') AS is_usable,
        (SELECT pg_catalog.array_agg(k.attname::text) FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
         WHERE i.indrelid = c.oid AND i.indisprimary) AS key
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname::text = $1 AND c.relname::text = $2 GROUP BY c.oid, n.oid
"""
_IS_DONE = f"""
    SELECT pg_catalog.pg_has_role(relowner, 'USAGE') AND NOT EXISTS (SELECT FROM {HEARTBEAT})
    FROM pg_catalog.pg_class WHERE oid = '{HEARTBEAT}'::pg_catalog.regclass
"""
_IS_OUR_SCHEMA = """
    SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace
    WHERE nspname::text = $1
"""
_HEARTBEAT_COLUMNS = ["counter bigint", "name text", "previous text", "token text"]


@dataclass(frozen=True, slots=True)
class Publication:
    """What there is of ours. `tables` are canonical, those that are published as a whole.

    `exact` says that nothing else is in it.
    """

    name: str
    exists: bool
    is_ours: bool
    is_whole: bool
    tables: frozenset[str]
    exact: bool

    def lacks(self, tables: Sequence[str]) -> str:
        """Why a stream through it would miss changes of these tables or the heartbeat; or empty."""
        if not self.exists:
            return f"the publication {self.name} is gone"
        if not self.is_whole:
            return f"the publication {self.name} leaves operations or partitions out"
        missing = sorted({*tables, HEARTBEAT} - self.tables)
        if missing:
            return f"the publication {self.name} lacks {', '.join(missing)}, or rows or columns of"
        return ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The heartbeat's table: are it and its schema there, may we use it, is it the one we make."""

    has_schema: bool
    exists: bool
    is_usable: bool
    is_right: bool


async def publication(connection: Connection, name: str) -> Publication:
    """Look our publication up."""
    row = await connection.fetchrow(_PUBLICATION, name)
    if row is None:
        return Publication(name, False, False, False, frozenset(), False)
    tables = await connection.fetch(_TABLES, row["oid"])
    others = 0
    if connection.get_server_version().major >= 15:
        others = await connection.fetchval(_SCHEMAS, row["oid"])
    whole = [naming.join_name(t["schema"], t["name"]) for t in tables if not t["is_narrowed"]]
    exact = not row["is_all"] and not others and len(whole) == len(tables)
    return Publication(name, True, row["is_ours"], row["is_whole"], frozenset(whole), exact)


async def heartbeat(connection: Connection) -> Heartbeat:
    """Look the heartbeat's table up."""
    has_schema = await connection.fetchval(
        "SELECT pg_catalog.to_regnamespace($1) IS NOT NULL", HEARTBEAT_SCHEMA
    )
    row = await connection.fetchrow(_HEARTBEAT, HEARTBEAT_SCHEMA, HEARTBEAT_TABLE)
    if row is None:
        return Heartbeat(has_schema, False, False, False)
    is_right = (
        row["columns"] == _HEARTBEAT_COLUMNS and row["kind"] == "rp" and row["key"] == ["name"]
    )
    return Heartbeat(True, True, row["is_usable"], is_right)


async def forget_heartbeat(connection: Connection, name: str) -> None:
    """Delete a registry's row, and with the last one what we made for all of them."""
    if not (await heartbeat(connection)).exists:
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit = local")
        await connection.execute(f"DELETE FROM {HEARTBEAT} WHERE name = $1", name)
    if not await connection.fetchval(_IS_DONE):
        return
    await connection.execute(f"DROP TABLE {HEARTBEAT}")
    if await connection.fetchval(_IS_OUR_SCHEMA, HEARTBEAT_SCHEMA):
        with suppress(asyncpg.DependentObjectsStillExistError):
            await connection.execute(f"DROP SCHEMA {HEARTBEAT_SCHEMA}")


def heartbeat_statements(found: Heartbeat) -> list[str]:
    """What makes the heartbeat's table where it is missing."""
    statements = [] if found.has_schema else [CREATE_SCHEMA]
    return statements if found.exists else [*statements, CREATE_HEARTBEAT]


def publication_statements(found: Publication, tables: Sequence[str]) -> list[str]:
    """What lets the publication tell of these tables, the heartbeat, and no others."""
    wanted = {*tables, HEARTBEAT}
    listed = ", ".join(map(_sql_name, sorted(wanted)))
    create = f"CREATE PUBLICATION {found.name} FOR TABLE {listed} WITH ({_FLAGS})"
    if not found.exists:
        return [create]
    if not found.exact:
        # What is for all tables, or a schema's, takes no list of tables.
        return [f"DROP PUBLICATION {found.name}", create]
    statements = []
    if not found.is_whole:
        statements.append(f"ALTER PUBLICATION {found.name} SET ({_FLAGS})")
    if found.tables != wanted:
        joining = sorted(wanted - found.tables)
        if joining:
            # A transaction that wrote to it before it joins can hide it from the stream for good.
            names = ", ".join(map(_sql_name, joining))
            statements.append(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        statements.append(f"ALTER PUBLICATION {found.name} SET TABLE {listed}")
    return statements


def _sql_name(table: str) -> str:
    return ".".join(map(quote, schema_and_name(table)))
