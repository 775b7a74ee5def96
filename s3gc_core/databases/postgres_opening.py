"""What a PostgreSQL stream stands on, looked up before it is opened, whichever way it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from s3gc_core.databases.changes import Change, TableAltered
from s3gc_core.databases.following import Start, Watched
from s3gc_core.databases.pgoutput import Decoder
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_publication import HEARTBEAT, publication
from s3gc_core.databases.postgres_relations import TEXT_SETTINGS, followed, heartbeat_watched
from s3gc_core.databases.postgres_slot import find_slot, refuse_lost
from s3gc_core.errors import StreamLost, StreamTaken

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

# Compiling a question to the catalogue takes a hundred times as long as asking it. In the
# transaction only: behind a pooler the session is somebody else's afterwards.
WITHOUT_JIT = "SET LOCAL jit = off"
# A reader that went away is known as gone only after a while.
TAKEN_AFTER_SECONDS = 5.0

_SETTINGS = """
    SELECT name, pg_catalog.current_setting(name) AS value FROM unnest($1::text[]) AS wanted (name)
"""
# The timeline that is written to: a checkpoint knows a new one only later. A standby writes none,
# there it is that of its last checkpoint.
_HISTORY = """
    SELECT system_identifier AS system, CASE WHEN pg_catalog.pg_is_in_recovery()
        THEN (SELECT timeline_id::text FROM pg_catalog.pg_control_checkpoint())
        ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END AS timeline
    FROM pg_catalog.pg_control_system()
"""
_TIMEOUT = "SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'"


@dataclass(frozen=True, slots=True)
class Footing:
    """A decoder for the tables as they are now, and what has to be told before anything else.

    `settings` are those on which texts of values depend; `timeout` is `wal_sender_timeout` in
    milliseconds (0: none).
    """

    decoder: Decoder
    begin: tuple[Change, ...]
    settings: Mapping[str, str]
    timeout: int


@asynccontextmanager
async def asking(database: PostgresDatabase) -> AsyncIterator[Connection]:
    """A new connection in a transaction that asks the catalogue. Raises `DatabaseUnreachable`."""
    async with database.connection() as connection:
        with database.reaching():
            async with connection.transaction():
                await connection.execute(WITHOUT_JIT)
                yield connection


async def history(connection: Connection) -> str:
    """The text that IDENTIFY_SYSTEM gives a replication connection: see `Start.history`."""
    (row,) = await connection.fetch(_HISTORY)
    # The first eight digits of the name of a segment are its timeline.
    timeline = row["timeline"]
    number = int(timeline[:8], 16) if len(timeline) == 24 else int(timeline)
    # SQL has no unsigned numbers.
    return f"{row['system'] % (1 << 64)}:{number}"


async def footing(
    connection: Connection, name: str, mark: str, start: Start, watched: Sequence[Watched]
) -> Footing:
    """Look it up. Raises `StreamLost` where slot, publication or heartbeat do not carry a stream
    from `start` on.
    """
    refuse_lost(await find_slot(connection, mark), mark, start.position)
    found = await publication(connection, mark)
    if lacks := found.lacks([each.table for each in watched]):
        raise StreamLost("publication-changed", lacks)
    rows = await connection.fetch(_SETTINGS, TEXT_SETTINGS)
    settings = {row["name"]: row["value"] for row in rows}
    timeout = await connection.fetchval(_TIMEOUT)
    tables, broken = await followed(connection, watched)
    pulse, gone = await followed(connection, [heartbeat_watched()])
    if gone:
        raise StreamLost("heartbeat-missing", f"{HEARTBEAT}: {gone[HEARTBEAT]}")
    begin = tuple(TableAltered(table, why) for table, why in broken.items())
    return Footing(Decoder(tables, pulse[0], name), begin, settings, timeout)


def refuse_other_history(address: str, found: str, wanted: str) -> None:
    """Raise `StreamLost` where the server is not the one whose positions are known."""
    if found != wanted:
        raise StreamLost("history-changed", f"{address} is {found}, no more {wanted}")


async def untaken(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again for a while where somebody else has the slot. Raises `StreamTaken`."""
    deadline = asyncio.get_running_loop().time() + TAKEN_AFTER_SECONDS
    pause = 0.05
    while True:
        try:
            return await attempt()
        except StreamTaken:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)
