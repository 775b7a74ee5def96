"""The change stream over plain SQL, as `ChangeStream` has it: peek at the slot, again and again.

Only where the configuration says so, because no replication connection can be had. Each peek makes
the server decode again what was not acknowledged, and gives whole transactions, of which those are
passed over that were told before. Between two of them nobody holds the slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from struct import Struct

from s3gc_core.databases.changes import Change
from s3gc_core.databases.following import Start, Watched
from s3gc_core.databases.pgoutput import Decoder
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_opening import (
    TAKEN_AFTER_SECONDS,
    WITHOUT_JIT,
    footing,
    history,
    refuse_other_history,
    untaken,
)
from s3gc_core.databases.postgres_peeked_slot import PeekedSlot
from s3gc_core.databases.postgres_slot import find_slot
from s3gc_core.errors import DatabaseUnreachable, StreamTaken

_Portion = tuple[list[Change], str]

# After so many messages a peek ends with the transaction that it is in.
MESSAGES_PER_PEEK = 100_000
# How long to wait where nothing came: from, to.
PAUSE_SECONDS = (0.05, 0.5)
# And where a peek takes long: as long as it took, or so long.
REST_SECONDS = 10.0
_BEGIN, _COMMIT, _RELATION, _TRUNCATE = b"BCRT"
_OF_ONE = frozenset(b"RIUD")
_place = Struct(">Q").unpack_from


class PostgresPeek:
    """An open stream: see `ChangeStream`. Made by `open_peek`."""

    def __init__(
        self, slot: PeekedSlot, decoder: Decoder, begin: Sequence[Change], start: str
    ) -> None:
        self._slot = slot
        self._decoder = decoder
        self._begin = list(begin)
        self._start = start
        # Transactions whose commit lies before this are passed over, as a server does that is asked
        # to start there: they were told already, or stored before the stream was opened.
        self._from = int(start, 16)
        self._is_passed = False
        # The relations that this peek described in what is passed over, by their numbers.
        self._described: dict[bytes, bytes] = {}
        # The anchor of the last beat that the caller has.
        self._told = ""
        self._limit = MESSAGES_PER_PEEK
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
        if anchor > max(self._start, self._told):
            raise ValueError(f"{anchor} is the anchor of no beat that this stream has told")
        self._slot.acknowledged = max(self._slot.acknowledged, anchor)

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
        if self._slot.has_news:
            # Whoever reads it now has begun there, and tells more than we; and what is not told
            # now, the next stream tells.
            with suppress(StreamTaken, DatabaseUnreachable):
                async with self._slot.transaction():
                    await self._slot.advance()

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
                async with self._slot.transaction():
                    if self._slot.has_news:
                        await self._slot.advance()
                        self._limit = MESSAGES_PER_PEEK
                    messages = await self._slot.peek(self._limit)
                    self._described.clear()
                    free = clock()
                    took = free - began
                    while messages:
                        count += len(messages)
                        changes = self._decoded(messages)
                        if changes:
                            is_new = True
                            yield changes, self._decoder.told
                        messages = await self._slot.fetch()
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

    def _decoded(self, messages: Sequence[bytes]) -> list[Change]:
        """What they say that was not told before."""
        changes: list[Change] = []
        feed = self._decoder.feed
        for data in messages:
            kind = data[0] if data else 0
            if kind == _BEGIN:
                self._is_passed = _place(data, 1)[0] < self._from
            if self._is_passed:
                # What a peek describes once may be of use to what follows; or was another then.
                if kind == _RELATION:
                    self._described[data[1:5]] = data
                continue
            if self._described:
                for relation in _relations(kind, data):
                    described = self._described.pop(relation, None)
                    if described is not None and kind != _RELATION:
                        feed(described, changes)
            feed(data, changes)
            if kind == _COMMIT:
                self._from = _place(data, 2)[0] + 1
        return changes


def _relations(kind: int, data: bytes) -> list[bytes]:
    """The numbers of the relations that a message is about."""
    if kind in _OF_ONE:
        return [data[1:5]]
    if kind == _TRUNCATE:
        return [data[at : at + 4] for at in range(6, len(data), 4)]
    return []


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
        slot = PeekedSlot(database, connection, mark, start, stands.settings)
        stream = PostgresPeek(slot, stands.decoder, stands.begin, start.position)
        try:
            yield stream
        finally:
            if await stream.stop():
                await stream.tell()
