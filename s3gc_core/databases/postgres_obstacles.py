"""What keeps a PostgreSQL database from being followed, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.config import CdcOver
from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.following import HEARTBEAT_SCHEMA, Obstacle, Watched
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_opening import WITHOUT_JIT
from s3gc_core.databases.postgres_publication import (
    CREATE_HEARTBEAT,
    HEARTBEAT,
    Heartbeat,
    Publication,
    heartbeat,
    heartbeat_statements,
    publication,
    publication_statements,
)
from s3gc_core.databases.postgres_relations import schema_and_name
from s3gc_core.databases.postgres_replication import replication
from s3gc_core.databases.postgres_table_obstacles import table_obstacles
from s3gc_core.errors import DatabaseUnreachable, StreamLost

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

_OLDEST_VERSION = 130_000
# RDS gives the right to replicate by a role of its own.
_SERVER = """
    SELECT pg_catalog.current_setting('wal_level') AS wal_level,
        pg_catalog.current_setting('server_encoding') AS encoding,
        pg_catalog.current_setting('server_version_num')::int4 AS version,
        pg_catalog.pg_is_in_recovery() AS is_standby,
        pg_catalog.quote_ident(current_user) AS user,
        pg_catalog.quote_ident(pg_catalog.current_database()) AS database,
        EXISTS (SELECT FROM pg_catalog.pg_roles WHERE (rolname = current_user
                AND (rolsuper OR rolreplication)) OR (rolname = 'rds_replication'
                AND pg_catalog.pg_has_role(current_user, oid, 'MEMBER'))) AS may_replicate,
        (SELECT active_pid IS NOT NULL FROM pg_catalog.pg_replication_slots
         WHERE slot_name::text = $1) AS is_read,
        (SELECT count(*) FROM pg_catalog.pg_replication_slots)
            < pg_catalog.current_setting('max_replication_slots')::int8 AS has_slot,
        (SELECT count(*) FROM pg_catalog.pg_stat_replication)
            < pg_catalog.current_setting('max_wal_senders')::int8 AS has_sender,
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
        pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')
            AS may_identify
"""
# Which of these tables belong to others.
_FOREIGN = """
    SELECT w.table FROM unnest($1::text[], $2::text[], $3::text[]) AS w ("table", schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname::text = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname::text = w.name
    WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
_MAY_CREATE_HERE = """
    SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    FROM pg_catalog.pg_namespace n WHERE n.nspname::text = $1
"""


async def obstacles(
    database: PostgresDatabase,
    url: DatabaseUrl,
    over: CdcOver,
    mark: str,
    watched: Sequence[Watched],
) -> list[Obstacle]:
    """Everything that is in the way of reading the slot `over` this. Changes nothing."""
    is_sql = over is CdcOver.SQL
    async with database.reader() as connection:
        with database.reaching():
            await connection.execute(WITHOUT_JIT)
            (server,) = await connection.fetch(_SERVER, mark)
            found = [Obstacle(None, what, mend) for what, mend in _of_server(server, is_sql)]
            if server["version"] < _OLDEST_VERSION:
                # The catalogue of such a server is another one.
                return found
            tables = await table_obstacles(connection, database.name, watched)
            refused = {each.table for each in tables}
            sound = [each.table for each in watched if each.table not in refused]
            found += await _of_objects(connection, server, mark, sound)
    if not found and not is_sql and (server["has_sender"] or not server["is_read"]):
        found += await _of_replication(url, server)
    return found + tables


def _of_server(server: asyncpg.Record, is_sql: bool) -> Iterator[tuple[str, str]]:
    if server["version"] < _OLDEST_VERSION:
        yield "the server is older than PostgreSQL 13", ""
    if server["is_standby"]:
        yield "the server is a standby", "follow the primary: put its address into the URL"
    if server["encoding"] == "SQL_ASCII":
        yield "the database is SQL_ASCII: the server does not know what its texts are", ""
    if server["wal_level"] != "logical":
        yield (
            f"wal_level is {server['wal_level']}",
            (
                "ALTER SYSTEM SET wal_level = 'logical', then restart (RDS:"
                " rds.logical_replication = 1; Cloud SQL: cloudsql.logical_decoding = on;"
                " Azure: the parameter wal_level; Neon: logical replication in the project's"
                " settings; Supabase has it)"
            ),
        )
    if not server["may_replicate"]:
        yield (
            f"the user {server['user']} may not replicate",
            (
                f"ALTER ROLE {server['user']} REPLICATION"
                f" (RDS: GRANT rds_replication TO {server['user']})"
            ),
        )
    if server["is_read"] is None and not server["has_slot"]:
        yield (
            "all replication slots are in use",
            (
                "drop one that nobody reads (SELECT * FROM pg_replication_slots), or raise"
                " max_replication_slots and restart"
            ),
        )
    if is_sql and not server["may_identify"]:
        yield (
            f"the user {server['user']} may not ask which server this is",
            (
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system(),"
                f" pg_catalog.pg_control_checkpoint() TO {server['user']}"
            ),
        )
    if not is_sql and not server["is_read"] and not server["has_sender"]:
        yield (
            "all replication connections are in use",
            "raise max_wal_senders and restart",
        )


async def _of_objects(
    connection: Connection, server: asyncpg.Record, mark: str, tables: Sequence[str]
) -> list[Obstacle]:
    """Schema, heartbeat and publication: may we make them where they are not as they have to be?"""
    found = await heartbeat(connection)
    user = server["user"]
    grants = [
        f"GRANT USAGE ON SCHEMA {HEARTBEAT_SCHEMA} TO {user}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {HEARTBEAT} TO {user}",
    ]
    if found.exists and not found.is_right:
        what = f"{HEARTBEAT} is not the table that we make"
        return [Obstacle(None, what, f"DROP TABLE {HEARTBEAT}; {CREATE_HEARTBEAT}")]
    if found.exists and not found.is_usable:
        return [Obstacle(None, f"the user {user} may not use {HEARTBEAT}", "; ".join(grants))]
    published = await publication(connection, mark)
    making = heartbeat_statements(found)
    publishing = publication_statements(published, tables)
    why = await _heartbeat_refused(connection, server, found) if making else ""
    why = why or (
        await _publication_refused(connection, server, published, tables) if publishing else ""
    )
    if not why:
        return []
    # As the owner of the tables it can be done for us; in one transaction, for the lock's sake.
    statements = ["BEGIN", *making, *(grants if making else []), *publishing, "COMMIT"]
    return [Obstacle(None, f"the user {user} {why}", "; ".join(statements))]


async def _heartbeat_refused(
    connection: Connection, server: asyncpg.Record, found: Heartbeat
) -> str:
    if not found.has_schema:
        return "" if server["may_create"] else "may not create the schema s3gc"
    if await connection.fetchval(_MAY_CREATE_HERE, HEARTBEAT_SCHEMA):
        return ""
    return f"may not create {HEARTBEAT}"


async def _publication_refused(
    connection: Connection, server: asyncpg.Record, found: Publication, tables: Sequence[str]
) -> str:
    if found.exists and not found.is_ours:
        return f"does not own the publication {found.name}, which has to change"
    if not server["may_create"] and not (found.exists and found.exact):
        return "may not create a publication"
    parts = [schema_and_name(table) for table in (HEARTBEAT, *tables)]
    rows = await connection.fetch(
        _FOREIGN, [HEARTBEAT, *tables], [part[0] for part in parts], [part[1] for part in parts]
    )
    if not rows:
        return ""
    return f"does not own {', '.join(row['table'] for row in rows)}, so cannot publish it"


async def _of_replication(url: DatabaseUrl, server: asyncpg.Record) -> list[Obstacle]:
    mend = (
        "name the server itself in the URL rather than a pooler, and let pg_hba.conf admit"
        f" {server['user']} to the database {server['database']}; where there is only a pooler, set"
        ' cdc_over = "sql" for this database, which costs the server more'
    )
    try:
        async with replication(url) as connection:
            await connection.system()
    except (DatabaseUnreachable, StreamLost) as error:
        return [Obstacle(None, f"no replication connection: {error}", mend)]
    return []
