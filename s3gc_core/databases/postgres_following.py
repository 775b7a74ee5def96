"""Follows a PostgreSQL database: slot, publication, heartbeat, and the stream through them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.config import CdcOver
from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.changes import Beat
from s3gc_core.databases.following import ChangeStream, Lag, LeftBehind, Obstacle, Start, Watched
from s3gc_core.databases.pgoutput import position
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_fingerprint import fingerprints
from s3gc_core.databases.postgres_obstacles import obstacles
from s3gc_core.databases.postgres_opening import WITHOUT_JIT, asking, history
from s3gc_core.databases.postgres_peek import open_peek
from s3gc_core.databases.postgres_points import points
from s3gc_core.databases.postgres_publication import (
    HEARTBEAT,
    forget_heartbeat,
    heartbeat,
    heartbeat_statements,
    publication,
    publication_statements,
)
from s3gc_core.databases.postgres_replication import replication
from s3gc_core.databases.postgres_slot import (
    MARK,
    bound_of_slots,
    drop_slot,
    find_slot,
    left_behind,
    make_slot,
    refuse_lost,
    transactions_since,
)
from s3gc_core.databases.postgres_stream import open_stream
from s3gc_core.databases.protocol import Page, RowId, TableRead
from s3gc_core.errors import FollowingRefused, StreamLost

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

_NAME = re.compile(r"[A-Za-z0-9_]{1,58}")
SETTLE_POLL_SECONDS = (0.005, 0.5)
# How long the writers of a table may have to wait behind us for those before us; and how often.
LOCK_SECONDS, LOCK_TRIES = 1, 30

_BEAT = f"""
    UPDATE {HEARTBEAT} SET counter = counter + 1, previous = token, token = $2 WHERE name = $1
    RETURNING counter, token, previous
"""
_PUT = f"""
    INSERT INTO {HEARTBEAT} (name, counter, token, previous) VALUES ($1, 0, $2, '')
    ON CONFLICT (name) DO UPDATE SET counter = 0, token = excluded.token, previous = ''
"""


class PostgresFollowing:
    """See `Following`. Slot and publication are called `s3gc_` and the name in small letters."""

    def __init__(
        self,
        url: DatabaseUrl,
        database: str,
        name: str,
        over: CdcOver = CdcOver.REPLICATION,
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name for a slot")
        self.name = name
        self._mark = MARK + name.lower()
        self._url = url
        self._over = over
        self._database = PostgresDatabase(url, database)

    async def obstacles(self, watched: Sequence[Watched]) -> list[Obstacle]:
        """Everything that is in the way: see `Following`."""
        return await obstacles(self._database, self._url, self._over, self._mark, watched)

    async def begin(self, watched: Sequence[Watched]) -> Start:
        """Make slot, publication and heartbeat anew: see `Following`."""
        await self._refuse(watched)
        # Before all else: if another server answers meanwhile, the stream will not open.
        found = await self._history()
        async with self._database.connection() as connection:
            with self._database.reaching():
                await drop_slot(connection, self._mark)
                await self._publish(connection, watched)
                # Before the slot: the stream begins with the row as it is now.
                async with connection.transaction():
                    await connection.execute("SET LOCAL synchronous_commit = local")
                    await connection.execute(_PUT, self.name, secrets.token_hex(16))
                lsn = await make_slot(connection, self._mark)
        return Start(found, position(lsn))

    async def extend(self, watched: Sequence[Watched]) -> None:
        """Let the publication tell of these tables: see `Following`."""
        async with asking(self._database) as connection:
            refuse_lost(await find_slot(connection, self._mark), self._mark)
            found = await publication(connection, self._mark)
            # What nobody published meanwhile is lost, even if it were published again.
            if lacks := found.lacks([]):
                raise StreamLost("publication-changed", lacks)
        await self._refuse(watched)
        async with self._database.connection() as connection:
            with self._database.reaching():
                await self._publish(connection, watched)

    @asynccontextmanager
    async def stream(self, start: Start, watched: Sequence[Watched]) -> AsyncIterator[ChangeStream]:
        """Open the stream at a start or an anchor: see `Following`."""
        what = self.name, self._mark, start, watched
        if self._over is CdcOver.SQL:
            async with open_peek(self._database, *what) as peek:
                yield peek
        else:
            async with open_stream(self._database, self._url, *what) as stream:
                yield stream

    async def beat(self) -> Beat:
        """Update our heartbeat: see `Following`."""
        async with self._database.connection() as connection:
            with self._database.reaching():
                try:
                    async with connection.transaction():
                        # Nobody's answer is waited for: the stream is what tells of it.
                        await connection.execute("SET LOCAL synchronous_commit = local")
                        row = await connection.fetchrow(_BEAT, self.name, secrets.token_hex(16))
                except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
                    raise StreamLost("heartbeat-missing", f"{HEARTBEAT}: {error}") from error
        if row is None:
            raise StreamLost("heartbeat-missing", f"there is no row {self.name!r} in {HEARTBEAT}")
        return Beat(row["counter"], row["token"], row["previous"])

    async def settle(self) -> None:
        """Wait until new snapshots see all that was told: see `Following`.

        All that was told has a smaller transaction id than one that is given out now.
        """
        async with self._database.connection() as connection:
            with self._database.reaching():
                async with connection.transaction():
                    await connection.execute("SET LOCAL synchronous_commit = local")
                    now = await connection.fetchval("SELECT pg_catalog.pg_current_xact_id()::text")
                pause, longest = SETTLE_POLL_SECONDS
                while not await connection.fetchval(
                    "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())"
                    " > $1::text::pg_catalog.xid8",
                    now,
                ):
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, longest)

    async def fingerprints(self, tables: Sequence[str]) -> Mapping[str, str]:
        """What each table is: see `Following`."""
        async with asking(self._database) as connection:
            return await fingerprints(connection, self._mark, tables)

    def rows(self, read: TableRead, ids: Sequence[RowId]) -> AsyncIterator[Page]:
        """The rows with these identities: see `Following`."""
        return points(self._database, read, ids)

    async def lag(self, start: Start, transaction: str = "") -> Lag:
        """How much of the log the slot keeps: see `Following`."""
        async with asking(self._database) as connection:
            found = await find_slot(connection, self._mark)
            since = await transactions_since(connection, transaction) if transaction else None
            bound = await bound_of_slots(connection)
        if found is None:
            return Lag(None, "missing", since, bound)
        return Lag(found.bytes, found.state, since, bound)

    async def end(self) -> None:
        """Take everything of this name away: see `Following`."""
        async with self._database.connection() as connection:
            with self._database.reaching():
                await drop_slot(connection, self._mark)
                await connection.execute(f"DROP PUBLICATION IF EXISTS {self._mark}")
                await forget_heartbeat(connection, self.name)

    async def left_behind(self, known: Sequence[str]) -> list[LeftBehind]:
        """Slots and publications of other names: see `Following`."""
        async with asking(self._database) as connection:
            return await left_behind(connection, [MARK + name.lower() for name in known])

    async def _history(self) -> str:
        if self._over is CdcOver.SQL:
            async with asking(self._database) as connection:
                return await history(connection)
        async with replication(self._url) as stream:
            return (await stream.system()).history

    async def _refuse(self, watched: Sequence[Watched]) -> None:
        found = await self.obstacles(watched)
        if found:
            lines = [f"{o.table or 'the database'}: {o.what}" for o in found]
            mends = [o.mend for o in found if o.mend]
            raise FollowingRefused("; ".join(lines), next_step="; ".join(mends) or None)

    async def _publish(self, connection: Connection, watched: Sequence[Watched]) -> None:
        """Make heartbeat and publication what they have to be, where they are not."""
        async with connection.transaction():
            await connection.execute(WITHOUT_JIT)
            for statement in heartbeat_statements(await heartbeat(connection)):
                await connection.execute(statement)
        tables = [each.table for each in watched]
        for left in reversed(range(LOCK_TRIES)):
            try:
                async with connection.transaction():
                    await connection.execute(WITHOUT_JIT)
                    found = await publication(connection, self._mark)
                    statements = publication_statements(found, tables)
                    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                    for statement in statements:
                        await connection.execute(statement)
                return
            except asyncpg.LockNotAvailableError as error:
                if not left:
                    raise FollowingRefused(
                        f"{self._database.address}: a table is locked for long: {error}",
                        next_step="try again when the long transaction that writes to it has ended",
                    ) from error
            # Whoever waits behind us for the lock gets it now.
            await asyncio.sleep(LOCK_SECONDS)
