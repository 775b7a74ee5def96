"""The oldest open transaction of a PostgreSQL database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

# Older than any transaction can be that is still open.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# Everybody may see that another user's session holds the lock of its own transaction, and when that
# lock became another one; the beginning only members of pg_read_all_stats see. A session whose user
# turned `track_activities` off tells none. Sessions without a user are the server's own, which
# write no rows of the application. (PostgreSQL: "The Cumulative Statistics System", "pg_locks".)
_OPEN = """
    SELECT pg_catalog.clock_timestamp() AS now, pg_catalog.pg_postmaster_start_time() AS started,
        EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
            WHERE database = pg_catalog.current_database()) AS is_prepared,
        min(xact_start) FILTER (WHERE NOT is_hidden) AS began,
        coalesce(pg_catalog.array_agg(virtualxid)
            FILTER (WHERE is_hidden AND virtualxid IS NOT NULL), '{}') AS hidden
    FROM (
        SELECT a.xact_start, l.virtualxid,
            a.backend_type IS NULL OR a.state = 'disabled' AS is_hidden
        FROM pg_catalog.pg_stat_activity a
        LEFT JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid'
            AND l.mode = 'ExclusiveLock' AND l.granted
        WHERE a.datname = pg_catalog.current_database() AND a.usesysid IS NOT NULL
            AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.backend_type IS DISTINCT FROM 'walsender'
    ) sessions
"""
# So long a hidden transaction may go on before it counts as one of unknown age.
PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.1


class OpenNow(msgspec.Struct, frozen=True):
    """What one question tells (UTC). `hidden`: names of transactions whose beginning is hidden."""

    now: datetime
    started: datetime
    is_prepared: bool
    began: datetime | None
    hidden: frozenset[str]


def oldest(first: OpenNow, last: OpenNow) -> datetime | None:
    """When the oldest transaction began that is open at the last of two questions, at the latest.

    One that is prepared may have begun before the server did, and its beginning is told nowhere. A
    hidden one that was there at the first question may be as old as the server.
    """
    if last.is_prepared:
        return _LONG_AGO
    if last.hidden & first.hidden:
        return last.started
    found = [last.began] if last.began is not None else []
    return min([*found, first.now] if last.hidden else found, default=None)


async def oldest_transaction(connection: Connection) -> datetime | None:
    """When the oldest open or prepared transaction but our own began; None if there is none.

    Waits a little for those whose beginning is hidden. `connection` is in no transaction.
    """
    first = last = await _open_now(connection)
    began_at = monotonic()
    while not last.is_prepared and last.hidden & first.hidden:
        if monotonic() - began_at > PATIENCE_SECONDS:
            break
        await asyncio.sleep(_POLL_SECONDS)
        last = await _open_now(connection)
    return oldest(first, last)


async def _open_now(connection: Connection) -> OpenNow:
    (row,) = await connection.fetch(_OPEN)
    began, hidden = row["began"], frozenset[str](row["hidden"])
    return OpenNow(row["now"], row["started"], row["is_prepared"], began, hidden)
