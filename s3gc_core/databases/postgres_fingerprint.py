"""What a PostgreSQL table is, in a short text that changes with whatever the stream does not tell.

Rewrites, renames, partitions that come and go, and the membership of the publication; also the
settings that texts depend on. A rewrite that changes no row (VACUUM FULL) changes it too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases.postgres_relations import TEXT_SETTINGS, schema_and_name

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# `family` is the table with all that inherits from it: partitions hold the rows of a root.
# Labels of enums and names of a composite's fields can be renamed under the rows.
# The publication's rows are taken as JSON, because each version has other columns.
_FINGERPRINTS = """
    WITH RECURSIVE wanted AS (
        SELECT c.oid AS root, w.place
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, place)
        JOIN pg_catalog.pg_namespace n ON n.nspname::text = w.schema
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname::text = w.name
        WHERE c.relkind = ANY ('{r,p,v,m,f}')
    ), family (root, oid) AS (
        SELECT root, root FROM wanted
        UNION
        SELECT f.root, i.inhrelid FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
    )
    SELECT w.place, pg_catalog.jsonb_build_array(
        (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                c.oid::int8, c.relfilenode::int8, c.relkind, c.relreplident, c.relpersistence,
                n.nspname, c.relname, c.relispartition,
                pg_catalog.pg_get_expr(c.relpartbound, c.oid)) ORDER BY c.oid)
         FROM family f JOIN pg_catalog.pg_class c ON c.oid = f.oid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE f.root = w.root),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                a.attrelid::int8, a.attnum, a.attname, a.atttypid::int8, a.atttypmod,
                a.attisdropped, a.attgenerated) ORDER BY a.attrelid, a.attnum)
         FROM family f JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0
         WHERE f.root = w.root),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                a.attnum, e.enumlabel, f.attname) ORDER BY a.attnum, e.oid, f.attrelid, f.attnum)
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         JOIN pg_catalog.pg_type i ON i.oid IN (t.oid, t.typelem, t.typbasetype)
         LEFT JOIN pg_catalog.pg_enum e ON e.enumtypid = i.oid
         LEFT JOIN pg_catalog.pg_attribute f ON f.attrelid = i.typrelid AND f.attnum > 0
         WHERE a.attrelid = w.root AND a.attnum > 0 AND i.typtype = ANY ('{e,c}')),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                i.indexrelid::int8, i.indkey::text, i.indisprimary, i.indisreplident,
                i.indimmediate, i.indisvalid) ORDER BY i.indexrelid)
         FROM family f JOIN pg_catalog.pg_index i ON i.indrelid = f.oid
         WHERE f.root = w.root AND (i.indisprimary OR i.indisreplident)),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(p) - 'pubname' - 'pubowner')
         FROM pg_catalog.pg_publication p WHERE p.pubname::text = $3),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) ORDER BY r.oid)
         FROM pg_catalog.pg_publication_rel r
         JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid AND p.pubname::text = $3
         JOIN family f ON f.oid = r.prrelid WHERE f.root = w.root),
        (SELECT pg_catalog.jsonb_agg(pg_catalog.current_setting(s)) FROM unnest($4::text[]) s)
    )::text AS text
    FROM wanted w
"""


async def fingerprints(
    connection: Connection, publication: str, tables: Sequence[str]
) -> dict[str, str]:
    """The fingerprint of each of these tables (canonical names) that is there."""
    parts = [schema_and_name(table) for table in tables]
    rows = await connection.fetch(
        _FINGERPRINTS,
        [part[0] for part in parts],
        [part[1] for part in parts],
        publication,
        TEXT_SETTINGS,
    )
    return {
        tables[row["place"] - 1]: hashlib.sha256(row["text"].encode()).hexdigest()[:32]
        for row in rows
    }
