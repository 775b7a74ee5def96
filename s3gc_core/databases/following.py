"""What following a database is to us: a change stream, our heartbeat in it, and what the server has
to have for both. One file per engine behind this protocol.

What was committed before a beat comes out of the stream before that beat (PostgreSQL and MySQL tell
transactions in the order of their commits), so that a beat that was made now and has come out says
that everything up to now has. It works on quiet servers too, where a position in the log may never
be reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from s3gc_core.databases.changes import Beat, Change
from s3gc_core.databases.protocol import Page, RowId, TableRead

# The one table of ours in an application's database. A row per registry, updated by `beat`.
HEARTBEAT_SCHEMA = "s3gc"
HEARTBEAT_TABLE = "heartbeat"


@dataclass(frozen=True, slots=True)
class Watched:
    """A table to follow, by its canonical name, and the columns whose values are wanted."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a database, or one of its tables, from being followed.

    `table` is canonical, None for the whole database. `mend` is what to run or to set, as exactly
    as it can be said; empty where nothing can be done.
    """

    table: str | None
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Start:
    """Where a new stream begins: the position, and the history it belongs to.

    `history` is what must stay the same for positions to mean anything: system identifier and
    timeline, or the server's UUID.
    """

    history: str
    position: str


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a stream is behind. `bytes` is what the server keeps for it (None: not known).

    `state` is the server's word for the stream's place, such as a slot's `wal_status`; `bound` is
    how many bytes it keeps at most before it gives the stream up (None: as many as it takes).
    `transactions` is how many the server has begun since, in all its databases, whether they wrote
    to followed tables or not (None: it does not count them).
    """

    bytes: int | None
    state: str = ""
    transactions: int | None = None
    bound: int | None = None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Something of ours that no registry of this vault uses, and that costs the server.

    `bytes` is what it keeps (None: not known); `mend` the statement that removes it.
    """

    name: str
    bytes: int | None
    mend: str


class FileVersion(NamedTuple):
    """What changes whenever anybody commits to a SQLite file, or another file takes its place."""

    data_version: int
    device: int
    inode: int


class FileWatch(Protocol):
    """Looks at a SQLite file, which has no change stream."""

    async def version(self) -> FileVersion:
        """The file's version now. Raises `DatabaseUnreachable`."""
        ...


class ChangeStream(Protocol):
    """An open stream. Only one task reads it."""

    async def read(self, seconds: float) -> Sequence[Change]:
        """What has come, in order: some thousand changes at most, and as soon as there are any.

        Empty when nothing came within `seconds`. A transaction may be spread over several reads;
        its `Commit` comes last. A change of a table of several thousand rows takes bounded memory.
        Cancelling a read loses nothing but the stream.

        Raises `StreamLost` when the stream cannot go on from here, `DatabaseUnreachable` when the
        connection is gone and may be made again.
        """
        ...

    def acknowledge(self, anchor: str) -> None:
        """Everything before `anchor` (of a `Beat`) is stored: the server may forget it.

        Told to the server with the next message to it. The anchor's own transaction still comes
        when a stream is opened there.
        """
        ...


class Following(Protocol):
    """One configured database, as far as it is followed for one registry.

    `name` (letters, digits, underscores) is the registry's: slot, publication and the heartbeat's
    row bear it, so that two registries may follow one database.
    """

    name: str

    async def obstacles(self, watched: Sequence[Watched]) -> list[Obstacle]:
        """Everything that is in the way, of the database and of each table. Changes nothing.

        Raises `DatabaseUnreachable`.
        """
        ...

    async def begin(self, watched: Sequence[Watched]) -> Start:
        """Make all that is needed, or make it anew: from the returned start on nothing is missed.

        A stream of this name that was there before is thrown away. Raises `FollowingRefused` with
        the obstacles, `DatabaseUnreachable`.
        """
        ...

    async def extend(self, watched: Sequence[Watched]) -> None:
        """Let the stream tell of these tables, and no others; nothing happens where it does.

        Of a table that joins, changes are told from some moment on that `settle` waits for.
        Raises what `begin` raises, and `StreamLost` where there is no stream to extend.
        """
        ...

    def stream(
        self, start: Start, watched: Sequence[Watched]
    ) -> AbstractAsyncContextManager[ChangeStream]:
        """Open the stream at a start, or at the anchor of a beat of the same history.

        Raises `StreamLost` where the server no longer has what follows, or is another one;
        `StreamTaken` while somebody else reads it; `DatabaseUnreachable`.
        """
        ...

    async def beat(self) -> Beat:
        """Update our row of the heartbeat, and commit. `anchor` of the answer is empty.

        Raises `StreamLost` where the row is missing, `DatabaseUnreachable`.
        """
        ...

    async def settle(self) -> None:
        """Wait until all that any stream can have told by now is seen by a new snapshot.

        A stream tells a commit before other sessions see it. Transactions that are open now, and
        have written, are waited for. Raises `DatabaseUnreachable`.
        """
        ...

    async def fingerprints(self, tables: Sequence[str]) -> Mapping[str, str]:
        """What each table is, by the catalogue: whatever changes its rows without telling the
        stream changes this text (rewrites, renames, partitions, membership of the publication).

        A table that is not there is left out. Raises `DatabaseUnreachable`.
        """
        ...

    def rows(self, read: TableRead, ids: Sequence[RowId]) -> AsyncIterator[Page]:
        """The rows of `read` with one of these identities, as a new snapshot sees them.

        What does not exist, or does not meet `read.where`, is left out. Raises what
        `Snapshot.rows` raises.
        """
        ...

    async def lag(self, start: Start, transaction: str = "") -> Lag:
        """How much the server keeps beyond `start` for us, and how many transactions came after
        that one (of a `Commit`; empty: none is known). Raises `DatabaseUnreachable`.
        """
        ...

    async def end(self) -> None:
        """Take away everything of this name: slot, publication, heartbeat row.

        Raises `StreamTaken` while somebody reads the stream, `DatabaseUnreachable`.
        """
        ...

    async def left_behind(self, known: Sequence[str]) -> list[LeftBehind]:
        """What bears our mark and none of the names `known`. Raises `DatabaseUnreachable`."""
        ...
