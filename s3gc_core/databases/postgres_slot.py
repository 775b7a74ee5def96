"""Our replication slot: make it, look at it, drop it; and what else the server's state tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases.following import LeftBehind
from s3gc_core.databases.pgoutput import position
from s3gc_core.databases.postgres_catalogue import quote
from s3gc_core.errors import StreamLost, StreamTaken

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# What slots and publications of ours begin with.
MARK = "s3gc_"
# Making a slot waits for every transaction that is open.
MAKE_SECONDS = 7 * 86_400.0

# `conflicting` (16) and `invalidation_reason` (17) are columns that 13 does not have.
_SLOT = """
    SELECT plugin::text, slot_type, database::text = pg_catalog.current_database() AS is_here,
        temporary, active_pid, wal_status,
        (confirmed_flush_lsn - '0/0'::pg_catalog.pg_lsn)::int8 AS confirmed,
        (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn() END - restart_lsn)::int8 AS bytes,
        pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS reason,
        pg_catalog.to_jsonb(s) ->> 'conflicting' AS conflicting
    FROM pg_catalog.pg_replication_slots s WHERE slot_name::text = $1
"""
_LEFT_BEHIND = """
    SELECT slot_name::text AS name, true AS is_slot,
        (pg_catalog.pg_current_wal_lsn() - restart_lsn)::int8 AS bytes
    FROM pg_catalog.pg_replication_slots
    WHERE slot_name::text LIKE 's3gc\\_%' AND database::text = pg_catalog.current_database()
    UNION ALL
    SELECT pubname::text, false, NULL FROM pg_catalog.pg_publication
    WHERE pubname::text LIKE 's3gc\\_%'
    ORDER BY 2 DESC, 1
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot: who reads it, what it keeps, from where it tells, in which state."""

    is_right: bool
    pid: int | None
    bytes: int | None
    confirmed: str
    state: str


async def find_slot(connection: Connection, name: str) -> Slot | None:
    """Look a slot up."""
    row = await connection.fetchrow(_SLOT, name)
    if row is None:
        return None
    is_right = row["plugin"] == "pgoutput" and row["is_here"] is True and row["temporary"] is False
    is_invalid = row["reason"] is not None or row["conflicting"] == "true"
    state = "lost" if is_invalid else row["wal_status"] or "lost"
    confirmed = position(row["confirmed"] or 0)
    return Slot(is_right, row["active_pid"], row["bytes"], confirmed, state)


def refuse_lost(slot: Slot | None, name: str, start: str | None = None) -> None:
    """Raise `StreamLost` where the slot cannot tell all that follows `start`."""
    if slot is None or not slot.is_right:
        raise StreamLost("slot-missing", f"there is no replication slot {name} of ours")
    if slot.state == "lost":
        raise StreamLost("slot-lost", f"the server threw away what the slot {name} needs")
    # The server would leave out what is between, and say nothing.
    if start is not None and slot.confirmed > start:
        what = f"the slot {name} goes on at {slot.confirmed}, after {start}"
        raise StreamLost("position-passed", what)


async def make_slot(connection: Connection, name: str) -> int:
    """Make the slot; where it begins. Waits for the transactions that are open now."""
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SET LOCAL lock_timeout = 0")
        lsn = await connection.fetchval(
            "SELECT (lsn - '0/0'::pg_catalog.pg_lsn)::int8"
            " FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')",
            name,
            timeout=MAKE_SECONDS,
        )
    return int(lsn)


async def drop_slot(connection: Connection, name: str) -> None:
    """Drop the slot if it is there. Raises `StreamTaken`."""
    try:
        await connection.execute(
            "SELECT pg_catalog.pg_drop_replication_slot(slot_name)"
            " FROM pg_catalog.pg_replication_slots WHERE slot_name::text = $1",
            name,
        )
    except asyncpg.ObjectInUseError as error:
        raise StreamTaken(str(error)) from error


async def bound_of_slots(connection: Connection) -> int | None:
    """How many bytes of the log any slot keeps at most; None: until the disk is full."""
    megabytes = await connection.fetchval(
        "SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'"
    )
    return None if megabytes is None or megabytes < 0 else int(megabytes) << 20


async def transactions_since(connection: Connection, transaction: str) -> int:
    """How many numbers the server gave to transactions after that one, subtransactions counted."""
    query = "SELECT pg_catalog.age($1::text::pg_catalog.xid)"
    # Its distance to the number that is given out next.
    return max(int(await connection.fetchval(query, transaction)) - 1, 0)


async def left_behind(connection: Connection, known: Sequence[str]) -> list[LeftBehind]:
    """Slots and publications of ours in this database that are not among `known`."""
    return [
        LeftBehind(
            row["name"],
            row["bytes"],
            f"SELECT pg_drop_replication_slot('{row['name']}')"
            if row["is_slot"]
            else f"DROP PUBLICATION {quote(row['name'])}",
        )
        for row in await connection.fetch(_LEFT_BEHIND)
        if row["name"] not in known
    ]
