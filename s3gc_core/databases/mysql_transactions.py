"""The oldest open transaction of a MySQL or MariaDB server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import aiomysql

from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch
from s3gc_core.errors import DatabaseUnreachable

# Older than any transaction can be that is still open.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# MySQL: only who has XA_RECOVER_ADMIN may ask (1401).
_XA_REFUSED = NO_RIGHT | {1401}
# The session's zone is the server's, in which the view has its times. In autumn an hour comes
# twice: the earlier one is taken.
_OLDEST = """
    SELECT LEAST(at, IF(FROM_UNIXTIME(at - 3600) = started, at - 3600, at)), knows, detached,
        UNIX_TIMESTAMP() - at < 2 FROM (
        SELECT MIN(IF(ours, NULL, trx_started)) AS started,
            UNIX_TIMESTAMP(MIN(IF(ours, NULL, trx_started))) AS at, MAX(ours) AS knows,
            MAX(trx_mysql_thread_id = 0) AS detached
        FROM (SELECT trx_started, trx_mysql_thread_id,
                trx_mysql_thread_id = CONNECTION_ID() AS ours
            FROM information_schema.INNODB_TRX) AS open
    ) AS oldest
"""
# The view is a copy, made anew only for one who asks when nobody has for a tenth of a second
# (MariaDB: storage/innobase/trx/trx0i_s.cc; MySQL the same).
_COPY_SECONDS = 0.11
_FRESH_SECONDS = 20.0
# So often one that has just begun is asked about again: most, as the server's own, end at once.
_PATIENCE = 8


async def oldest_transaction(connection: Connection, address: str) -> datetime | None:
    """When the oldest open transaction of the whole server began; None if there is none.

    One that was prepared by XA may have begun before the server did; where we may not ask for
    those, they are known by having no session any more. Without the right PROCESS any other may be
    as old as the server. An answer counts only if it knows of our own transaction too: without
    that it may be an old one. `connection` has to be thrown away. Raises `DatabaseUnreachable` if
    no answer counts.
    """
    prepared = await _allowed(connection, "XA RECOVER", _XA_REFUSED)
    if prepared:
        return _LONG_AGO
    if await _allowed(connection, "SELECT 1 FROM information_schema.INNODB_TRX LIMIT 1") is None:
        return await _server_start(connection)
    for statement in (
        "SET SESSION time_zone = 'SYSTEM'",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    ):
        await fetch(connection, statement)
    patience = _PATIENCE
    for _ in range(round(_FRESH_SECONDS / _COPY_SECONDS)):
        ((at, knows_us, has_no_session, is_young),) = await fetch(connection, _OLDEST)
        # Numbers come as texts.
        if int(knows_us or 0):
            is_detached = prepared is None and int(has_no_session)
            if patience and (is_detached or int(is_young or 0)):
                patience -= 1
                await asyncio.sleep(_COPY_SECONDS)
                continue
            if is_detached:
                return _LONG_AGO
            return None if at is None else datetime.fromtimestamp(float(at), UTC)
        await asyncio.sleep(_COPY_SECONDS)
    raise DatabaseUnreachable(
        f"{address} shows its open transactions too late: somebody reads "
        "information_schema.INNODB_TRX more than ten times a second",
        next_step="find who reads it so often, and let it pause",
    )


async def _allowed(
    connection: Connection, statement: str, refused: Collection[int] = NO_RIGHT
) -> Sequence[object] | None:
    """The rows; None where this user may not ask."""
    try:
        return await fetch(connection, statement)
    except aiomysql.Error as error:
        if error_code(error) not in refused:
            raise
        return None


async def _server_start(connection: Connection) -> datetime:
    """When the server started, at the earliest: its uptime comes in whole seconds."""
    ((now,),) = await fetch(connection, "SELECT UNIX_TIMESTAMP()")
    ((_, up),) = await fetch(connection, "SHOW GLOBAL STATUS LIKE 'Uptime'")
    return datetime.fromtimestamp(float(now), UTC) - timedelta(seconds=float(up) + 1)
