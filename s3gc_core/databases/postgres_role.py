"""Whether a PostgreSQL server is the one that the application writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases.protocol import Role

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# A user of ours that may only read by its own settings says nothing about the server. Whether a
# subscription is there is for everybody to see, where it comes from is not.
_ROLE = """
    SELECT pg_catalog.pg_is_in_recovery() AS recovers,
        EXISTS (SELECT FROM pg_catalog.pg_settings
            WHERE name = 'default_transaction_read_only' AND setting = 'on'
                AND source NOT IN ('user', 'database user', 'client', 'session')) AS read_only,
        EXISTS (SELECT FROM pg_catalog.pg_subscription s
            JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
            WHERE d.datname = pg_catalog.current_database() AND s.subenabled) AS subscribes
"""
_MEND = "give the primary's address under [database] url"


async def role(connection: Connection) -> Role:
    """What the server says of itself. Raises the driver's errors."""
    found = await connection.fetchrow(_ROLE)
    if found is None or found["recovers"]:
        return Role("it is a standby: it replays what another server wrote", _MEND)
    if found["read_only"]:
        return Role("default_transaction_read_only is on: the application cannot write here", _MEND)
    if found["subscribes"]:
        return Role("it has a subscription: rows come to it from another server", _MEND)
    return Role()
