"""The change stream over plain SQL, as `ChangeStream` has it: peek at the slot, again and again.

Only where the configuration says so, because no replication connection can be had. Each peek makes
the server decode again what was not acknowledged. Between two of them nobody holds the slot, and a
pooler may give the next transaction to another session, or to another server: nothing of a session
is relied on, and each transaction looks again whose slot it peeked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from struct import Struct
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.databases import naming
from s3gc_core.databases.changes import Change
from s3gc_core.databases.following import Start, Watched
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_opening import (
    TAKEN_AFTER_SECONDS,
    WITHOUT_JIT,
    Footing,
    footing,
    history,
    refuse_other_history,
    untaken,
)
from s3gc_core.databases.postgres_replication import refused
from s3gc_core.databases.postgres_slot import find_slot, refuse_lost
from s3gc_core.errors import DatabaseUnreachable, StreamLost, StreamTaken

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]

# The driver's own errors, beside those that the server sends.
_BROKEN = asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, UnicodeDecodeError
_Portion = tuple[list[Change], str]

# After so many messages a peek ends with the transaction that it is in.
MESSAGES_PER_PEEK = 100_000
_PEEKS_ALL = 1 << 31
# How long to wait where nothing came: from, to.
PAUSE_SECONDS = (0.05, 0.5)
# And where a peek takes long: as long as it took, or so long.
REST_SECONDS = 10.0
# The server decodes everything that a peek gives before it gives the first of it.
PEEK_SECONDS = 3_600.0
_BEGIN, _COMMIT, _RELATION = b"BCR"
_place = Struct(">Q").unpack_from
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


class PostgresPeek:
    """An open stream: see `ChangeStream`. Made by `open_peek`."""

    def __init__(
        self,
        database: PostgresDatabase,
        connection: Connection,
        mark: str,
        start: Start,
        stands: Footing,
    ) -> None:
        self._database = database
        self._connection = connection
        self._mark = mark
        self._start = start
        self._settings = {**_SETTINGS, **stands.settings}
        self._decoder = stands.decoder
        self._begin = list(stands.begin)
        # Transactions whose commit lies before this are passed over, as a server does that is asked
        # to start there: they were told already, or stored before the stream was opened.
        self._from = int(start.position, 16)
        self._is_passed = False
        self._acknowledged = start.position
        # What of it the server knows; and the anchor of the last beat that the caller has.
        self._advanced = start.position
        self._told = ""
        self._limit = MESSAGES_PER_PEEK
        self._rows = naming.FIRST_PAGE_ROWS
        self._portions = self._peeking()
        self._next: asyncio.Task[_Portion] | None = None
        # Not while we rest between two peeks.
        self._is_asking = True

    async def read(self, seconds: float) -> Sequence[Change]:
        """What has come, in order: see `ChangeStream.read`.

        A peek that is under way is waited for, however long (but not with 0 seconds): the server
        gives the first change when it has decoded the last, and has not fallen silent meanwhile.
        """
        # A caller who never waits would keep others from their turn.
        await asyncio.sleep(0)
        if self._begin:
            changes, self._begin = self._begin, []
            return changes
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while True:
            # The next portion comes while the one before is written.
            self._next = self._next or asyncio.create_task(self._portion())
            await asyncio.wait([self._next], timeout=max(deadline - clock(), 0))
            if seconds and self._is_asking:
                await asyncio.wait([self._next])
            if not self._next.done():
                return []
            # An error stays: it is the end of the stream.
            changes, self._told = self._next.result()
            self._next = asyncio.create_task(self._portion())
            if changes or clock() >= deadline:
                return changes

    def acknowledge(self, anchor: str) -> None:
        """Everything before `anchor` is stored: see `ChangeStream.acknowledge`."""
        if anchor > max(self._start.position, self._told):
            raise ValueError(f"{anchor} is the anchor of no beat that this stream has told")
        self._acknowledged = max(self._acknowledged, anchor)

    async def stop(self) -> bool:
        """End what runs beside; whether the stream was in order until then."""
        if self._next is None:
            return True
        is_in_order = not self._next.done() or self._next.exception() is None
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)
        try:
            await self._portions.aclose()
        except DatabaseUnreachable:
            # A transaction that wrote nothing needs no end where its connection is gone.
            return False
        return is_in_order

    async def tell(self) -> None:
        """After `stop`: who opens a stream for a moment only would otherwise never tell."""
        if self._acknowledged > self._advanced:
            # Whoever reads it now has begun there, and tells more than we.
            with suppress(StreamTaken):
                async with self._transaction():
                    await self._advance()

    async def _portion(self) -> _Portion:
        return await anext(self._portions)

    async def _peeking(self) -> AsyncGenerator[_Portion, None]:
        """Portions of what comes, each with the anchor of the last beat up to its end.

        An empty one is the end of a peek that told nothing.
        """
        clock = asyncio.get_running_loop().time
        shortest, longest = PAUSE_SECONDS
        pause, free = shortest, clock()
        while True:
            began, count, is_new = clock(), 0, False
            try:
                async with self._transaction():
                    await self._advance()
                    records = await self._peek()
                    free = clock()
                    took = free - began
                    while records:
                        count += len(records)
                        changes = self._decoded(records)
                        if changes:
                            is_new = True
                            yield changes, self._decoder.told
                        records = await self._fetch()
            except StreamTaken:
                if clock() - free > TAKEN_AFTER_SECONDS:
                    raise
                await self._rest(longest)
                continue
            free = clock()
            if self._limit <= count:
                # Perhaps all of it was told before: there has to be room for as much again.
                self._limit = 2 * count
            elif is_new:
                pause = shortest
                await self._rest(pause)
            else:
                yield [], self._decoder.told
                pause = min(pause * 2, longest)
                # A server that decodes for long has its rest too.
                await self._rest(max(pause, min(took, REST_SECONDS)))

    async def _rest(self, seconds: float) -> None:
        self._is_asking = False
        await asyncio.sleep(seconds)
        self._is_asking = True

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """A transaction of its own on the server whose slot it is, and in no other history."""
        try:
            async with self._connection.transaction():
                await self._connection.execute(
                    _SET, list(self._settings), list(self._settings.values())
                )
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

    async def _look(self) -> None:
        """Nobody moved the slot further than we did, and the server is still the same."""
        found = await history(self._connection)
        refuse_other_history(self._database.address, found, self._start.history)
        refuse_lost(await find_slot(self._connection, self._mark), self._mark, self._acknowledged)

    async def _advance(self) -> None:
        """Tell the server what was acknowledged. The transaction of the anchor itself still comes:
        its commit lies there, not before.
        """
        anchor = self._acknowledged
        if anchor > self._advanced:
            await self._connection.execute(
                _ADVANCE, self._mark, int(anchor, 16), timeout=PEEK_SECONDS
            )
            self._advanced = anchor
            self._limit = MESSAGES_PER_PEEK

    async def _peek(self) -> list[asyncpg.Record]:
        upto = "NULL" if self._limit >= _PEEKS_ALL else str(self._limit)
        await self._connection.execute(_PEEK.format(mark=self._mark, upto=upto))
        # The first of them comes when the server has decoded all.
        records = await self._fetch()
        # What somebody took out of the slot before that is missing in them.
        await self._look()
        return records

    async def _fetch(self) -> list[asyncpg.Record]:
        query = f"FETCH {self._rows} FROM s3gc_peek"
        records = await self._connection.fetch(query, timeout=PEEK_SECONDS)
        if records:
            size = sum(len(record[0]) for record in records)
            fitting = naming.PAGE_BYTES * len(records) // max(size, 1)
            self._rows = max(1, min(naming.PAGE_ROWS, fitting, self._rows * 4))
        return records

    def _decoded(self, records: Sequence[asyncpg.Record]) -> list[Change]:
        """What they say that was not told before."""
        changes: list[Change] = []
        feed = self._decoder.feed
        for (data,) in records:
            kind = data[0] if data else 0
            if kind == _BEGIN:
                self._is_passed = _place(data, 1)[0] < self._from
            # Each peek describes a table once, before its first row, and that may be passed over.
            if self._is_passed and kind != _RELATION:
                continue
            feed(data, changes)
            if kind == _COMMIT:
                self._from = _place(data, 2)[0] + 1
        return changes

    def _said(self, error: BaseException) -> str:
        return f"{self._database.address}: {error}"


@asynccontextmanager
async def open_peek(
    database: PostgresDatabase, name: str, mark: str, start: Start, watched: Sequence[Watched]
) -> AsyncIterator[PostgresPeek]:
    """Open the stream of the slot `mark` at a start or an anchor: see `Following.stream`.

    Who has the slot at that moment is noticed, a second reader of this kind between two of its
    peeks is not. But what one of them acknowledges past the other ends the other's stream.
    """
    async with database.connection() as connection:

        async def untouched() -> None:
            found = await find_slot(connection, mark)
            if found is not None and found.pid is not None:
                what = f"{database.address}: the slot {mark} is read by the process {found.pid}"
                raise StreamTaken(what)

        with database.reaching():
            async with connection.transaction():
                await connection.execute(WITHOUT_JIT)
                refuse_other_history(database.address, await history(connection), start.history)
                stands = await footing(connection, name, mark, start, watched)
            await untaken(untouched)
        stream = PostgresPeek(database, connection, mark, start, stands)
        is_in_order = False
        try:
            yield stream
        finally:
            is_in_order = await stream.stop()
        if is_in_order:
            await stream.tell()
