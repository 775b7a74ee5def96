"""The change stream over a replication connection, as `ChangeStream` has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from struct import Struct

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.changes import Change
from s3gc_core.databases.following import Start, Watched
from s3gc_core.databases.pgoutput import Decoder
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.postgres_opening import asking, footing, refuse_other_history, untaken
from s3gc_core.databases.postgres_replication import (
    LOOK_AGAIN_SECONDS,
    ReplicationConnection,
    replication,
)
from s3gc_core.databases.postgres_slot import find_slot, refuse_lost
from s3gc_core.errors import StreamLost

# Changes of one read, roughly; and messages after which others get their turn.
CHANGES_PER_READ = 4_000
MESSAGES_PER_TURN = 4_000
STATUS_SECONDS_AT_MOST = 10.0
_MICROSECONDS_2000 = 946_684_800_000_000
_status = Struct(">cQQQqB").pack
_place = Struct(">Q").unpack_from
_DATA, _KEEPALIVE = b"wk"
_HEADER = 25  # kind, begin, end, time


class PostgresStream:
    """An open stream: see `ChangeStream`."""

    def __init__(
        self,
        connection: ReplicationConnection,
        decoder: Decoder,
        begin: Sequence[Change],
        start: str,
    ) -> None:
        self._connection = connection
        self._decoder = decoder
        self._begin = list(begin)
        self._received = int(start, 16)
        self._acknowledged = start
        # What is to be told to the server with the next message; 0: nothing new.
        self._flush = 0
        self._start = start

    async def read(self, seconds: float) -> Sequence[Change]:
        """What has come, in order: see `ChangeStream.read`."""
        # A caller who never waits would keep the timer from its turn.
        await asyncio.sleep(0)
        changes, self._begin = self._begin, []
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            is_more = self._drain(changes)
            if changes:
                return changes
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return changes
            if is_more:
                await asyncio.sleep(0)
            else:
                await self._connection.readable(min(left, LOOK_AGAIN_SECONDS))

    def acknowledge(self, anchor: str) -> None:
        """Everything before `anchor` is stored: see `ChangeStream.acknowledge`."""
        if anchor > max(self._start, self._decoder.told):
            raise ValueError(f"{anchor} is the anchor of no beat that this stream has told")
        if anchor > self._acknowledged:
            self._acknowledged = anchor
            self._flush = int(anchor, 16)

    async def answering(self, seconds: float) -> None:
        """Tell the server every so many seconds that we live, for ever."""
        while True:
            self.answer()
            await asyncio.sleep(seconds)

    def answer(self) -> None:
        """Tell the server how far we are.

        Only news are told as flushed. For the rest of the time the server takes what was received
        for it: else it would wait with its shutdown until we had acknowledged all of its log.
        """
        at = time.time_ns() // 1000 - _MICROSECONDS_2000
        message = _status(b"r", self._received, self._flush, self._flush, at, 0)
        if self._connection.send(message):
            self._flush = 0

    def _drain(self, changes: list[Change]) -> bool:
        """Decode what is here; whether there may be more."""
        connection, feed = self._connection, self._decoder.feed
        looks = 0
        for _ in range(MESSAGES_PER_TURN):
            data = connection.message()
            if data is None:
                if looks >= connection.looks:
                    return False
                connection.consume()
                looks += 1
                continue
            looks = 0
            if data[0] == _DATA:
                self._received = max(self._received, _place(data, 1)[0])
                feed(bytes(data[_HEADER:]), changes)
            elif data[0] == _KEEPALIVE:
                self._received = max(self._received, _place(data, 1)[0])
                if data[17]:
                    self.answer()
            else:
                raise StreamLost("decoding", f"the server sent {bytes(data[:1])!r} in its stream")
            if len(changes) >= CHANGES_PER_READ:
                return True
        return True


@asynccontextmanager
async def open_stream(
    database: PostgresDatabase,
    url: DatabaseUrl,
    name: str,
    mark: str,
    start: Start,
    watched: Sequence[Watched],
) -> AsyncIterator[PostgresStream]:
    """Open the stream of the slot `mark` at a start or an anchor: see `Following.stream`."""
    async with replication(url) as connection:
        opened, seconds = await _opened(connection, database, name, mark, start, watched)
        # Not by the reads: between two of them a caller may take long.
        answers = asyncio.create_task(opened.answering(seconds))
        try:
            yield opened
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            # However it ends: who opens a stream for a moment only, as a scan does, would otherwise
            # never tell how far it came.
            opened.answer()


async def _opened(
    stream: ReplicationConnection,
    database: PostgresDatabase,
    name: str,
    mark: str,
    start: Start,
    watched: Sequence[Watched],
) -> tuple[PostgresStream, float]:
    """The stream, and how often the server wants to hear of us."""
    system = await stream.system()
    refuse_other_history(database.address, system.history, start.history)
    async with asking(database) as connection:
        found = await footing(connection, name, mark, start, watched)
        # Times and the like shall have the text here that they have where they are read.
        await stream.set(found.settings)
        await untaken(lambda: stream.start(mark, mark, int(start.position, 16)))
        # Nobody else can move it any more.
        refuse_lost(await find_slot(connection, mark), mark, start.position)
    opened = PostgresStream(stream, found.decoder, found.begin, start.position)
    # The server asks after half of its timeout; 0 is none.
    return opened, min(STATUS_SECONDS_AT_MOST, found.timeout / 4000 or STATUS_SECONDS_AT_MOST)
