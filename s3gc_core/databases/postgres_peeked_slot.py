"""A replication slot by plain SQL: peek at what it would tell, and advance it.

Behind a pooler the next transaction may go to another session, or to another server. So nothing of
a session is relied on, and each transaction looks again whose slot it is at, and where that stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.following import Start
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_opening import history, refuse_other_history
from s3gc_core.databases.postgres_replication import refused
from s3gc_core.databases.postgres_slot import find_slot, refuse_lost
from s3gc_core.errors import StreamLost

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# The server decodes everything that a peek gives before it gives the first of it.
PEEK_SECONDS = 3_600.0
# So many messages, or all.
_LIMIT_AT_MOST = (1 << 31) - 1
# The driver's own errors, beside those that the server sends.
_BROKEN = asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, UnicodeDecodeError
# Nobody but we ends a peek, or the wait for a caller who writes. Some of these are not known to
# every server.
_SETTINGS = {
    "jit": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}
_SET = """
    SELECT pg_catalog.set_config(name, value, true)
    FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
    WHERE pg_catalog.current_setting(name, true) IS NOT NULL
"""
_ADVANCE = """
    SELECT pg_catalog.pg_replication_slot_advance(
        $1::text::name, '0/0'::pg_catalog.pg_lsn + $2::int8::numeric)
"""
# In SQL, since a statement that the driver names stays with a session that is not ours for long.
_PEEK = """
    DECLARE s3gc_peek NO SCROLL CURSOR FOR
    SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes('{mark}', NULL, {upto},
        'proto_version', '1', 'publication_names', '"{mark}"')
"""


class PeekedSlot:
    """The slot `mark`, of the history of `start`; `settings` are what texts of values depend on."""

    def __init__(
        self,
        database: PostgresDatabase,
        connection: Connection,
        mark: str,
        start: Start,
        settings: Mapping[str, str],
    ) -> None:
        self._database = database
        self._connection = connection
        self._mark = mark
        self._history = start.history
        self._settings = {**_SETTINGS, **settings}
        # Everything before this is stored; and what of it the server knows.
        self.acknowledged = start.position
        self._advanced = start.position
        self._rows = naming.FIRST_PAGE_ROWS

    @property
    def has_news(self) -> bool:
        """Whether the server does not know yet what is acknowledged."""
        return self.acknowledged > self._advanced

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """For everything below. Raises `StreamLost`, `StreamTaken`, `DatabaseUnreachable`."""
        names, values = list(self._settings), list(self._settings.values())
        try:
            async with self._connection.transaction():
                await self._connection.execute(_SET, names, values)
                await self._look()
                yield
        except asyncpg.UndefinedObjectError as error:
            with self._database.reaching():
                refuse_lost(await find_slot(self._connection, self._mark), self._mark)
            raise StreamLost("publication-changed", self._said(error)) from error
        except asyncpg.PostgresError as error:
            raise refused(error.sqlstate or "", self._said(error)) from error
        except _BROKEN as error:
            raise naming.unreachable(self._database.address, error) from error

    async def advance(self) -> None:
        """Tell the server what is acknowledged.

        The transaction of the anchor itself still comes: its commit lies there, not before.
        """
        anchor = self.acknowledged
        number = int(anchor, 16)
        await self._connection.execute(_ADVANCE, self._mark, number, timeout=PEEK_SECONDS)
        self._advanced = anchor

    async def peek(self, limit: int) -> list[bytes]:
        """The first messages of all that the slot would tell, from where it stands.

        There are so many, up to the end of the transaction in which the limit was reached.
        """
        upto = "NULL" if limit > _LIMIT_AT_MOST else str(limit)
        await self._connection.execute(_PEEK.format(mark=self._mark, upto=upto))
        found = await self.fetch()
        # What somebody took out of the slot before that is missing in them.
        await self._look()
        return found

    async def fetch(self) -> list[bytes]:
        """The next messages of the peek; none at its end."""
        query = f"FETCH {self._rows} FROM s3gc_peek"
        records = await self._connection.fetch(query, timeout=PEEK_SECONDS)
        messages: list[bytes] = [record[0] for record in records]
        if messages:
            fitting = naming.PAGE_BYTES * len(messages) // max(sum(map(len, messages)), 1)
            self._rows = max(1, min(naming.PAGE_ROWS, fitting, self._rows * 4))
        return messages

    async def _look(self) -> None:
        """Nobody moved the slot further than we did, and the server is still the same."""
        found = await history(self._connection)
        refuse_other_history(self._database.address, found, self._history)
        refuse_lost(await find_slot(self._connection, self._mark), self._mark, self.acknowledged)

    def _said(self, error: BaseException) -> str:
        return f"{self._database.address}: {error}"
