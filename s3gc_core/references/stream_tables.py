"""The tables of `registry.db` that say how far each followed database has come, and which sources
its stream keeps true. Functions run in a thread, within a transaction. Times are ISO 8601, UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from s3gc_core.databases.changes import Beat
from s3gc_core.errors import StreamLost
from s3gc_core.references import rereads

# stream: `position` is applied; from `anchor` the stream is opened again, and (if `anchored`) gives
# the beat with that counter and token first. True for `valid_at`; `txn` is the last one applied.
# beat: the last ones that have come. followed: a source is true from the beat `complete_at` on;
# NULL: it was never read.
SCHEMA = """
CREATE TABLE stream (
    database TEXT PRIMARY KEY, name TEXT NOT NULL, history TEXT NOT NULL, position TEXT NOT NULL,
    anchor TEXT NOT NULL, counter INTEGER NOT NULL, token TEXT NOT NULL, anchored INTEGER NOT NULL,
    valid_at TEXT, told_at TEXT, lost TEXT, why TEXT, txn TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE beat (
    database TEXT, counter INTEGER, token TEXT NOT NULL, PRIMARY KEY (database, counter)
) STRICT, WITHOUT ROWID;
CREATE TABLE followed (
    source TEXT PRIMARY KEY, database TEXT NOT NULL, tbl TEXT NOT NULL, definition BLOB NOT NULL,
    fingerprint TEXT NOT NULL, complete_at INTEGER, dirty TEXT
) STRICT;
"""
# So many beats are remembered: whoever waits for one looks several times in a second.
_BEATS = 10_000


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far one database is followed. `lost` names the state that ended it, `why` in words.

    `valid_at` is when the registry was last known to be true for it, `told_at` when the database
    committed what was applied last (both UTC), `transaction` the server's name for that.
    """

    database: str
    name: str
    history: str
    position: str
    anchor: str
    counter: int
    token: str
    anchored: bool
    valid_at: datetime | None = None
    told_at: datetime | None = None
    lost: str | None = None
    why: str | None = None
    transaction: str = ""

    @property
    def has_begun(self) -> bool:
        """Whether there is more of it than a name."""
        return bool(self.history)


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """A source that the stream keeps true: its table, and what both were when it was read.

    `dirty` says why it has to be read as a whole again.
    """

    source: str
    table: str
    definition: bytes
    fingerprint: str
    complete_at: int | None = None
    dirty: str | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a stream lacks for being true as of a beat; all empty where nothing is lacking."""

    behind: bool
    incomplete: tuple[str, ...]
    dirty: tuple[str, ...]
    rereads: int

    @property
    def is_none(self) -> bool:
        """Whether the registry is true for the beat."""
        return not (self.behind or self.incomplete or self.dirty or self.rereads)


_COLUMNS = (
    "database, name, history, position, anchor, counter, token, anchored, valid_at, told_at, lost,"
    " why, txn"
)


def streams(connection: sqlite3.Connection) -> dict[str, StreamState]:
    """Every stream, by database."""
    found = {}
    for row in connection.execute(f"SELECT {_COLUMNS} FROM stream ORDER BY database"):
        place: tuple[str, str, str, str, str, int, str] = row[:7]
        valid_at, told_at = map(_time, row[8:10])
        found[row[0]] = StreamState(
            *place,
            anchored=bool(row[7]),
            valid_at=valid_at,
            told_at=told_at,
            lost=row[10],
            why=row[11],
            transaction=row[12],
        )
    return found


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def begin_stream(connection: sqlite3.Connection, state: StreamState) -> None:
    """A new stream, in place of what there was of its database: nothing of it is true yet."""
    forget_stream(connection, state.database)
    connection.execute(
        "INSERT INTO stream (database, name, history, position, anchor, counter, token, anchored)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(state.database, state.name, state.history, state.position, state.anchor),
            *(state.counter, state.token, state.anchored),
        ),
    )


def forget_stream(connection: sqlite3.Connection, database: str) -> None:
    """The database is followed no more. Its edges stay until its sources are read again."""
    for source in followed(connection, database):
        unfollow(connection, source)
    for table in ("beat", "stream"):
        connection.execute(f"DELETE FROM {table} WHERE database = ?", (database,))


def advance(connection: sqlite3.Connection, state: StreamState, beats: Sequence[Beat] = ()) -> None:
    """The stream was applied up to there, with these beats in it.

    Raises `StreamLost` where it is no longer the same.
    """
    updated = connection.execute(
        "UPDATE stream SET position = ?, anchor = ?, counter = ?, token = ?, anchored = ?,"
        " told_at = ?, txn = ? WHERE database = ? AND name = ? AND lost IS NULL",
        (
            *(state.position, state.anchor, state.counter, state.token, state.anchored),
            *(state.told_at and state.told_at.isoformat(), state.transaction),
            *(state.database, state.name),
        ),
    ).rowcount
    if updated != 1:
        raise StreamLost(
            "replaced", f"{state.database}: its stream was ended or begun anew by another process"
        )
    connection.executemany(
        "INSERT OR REPLACE INTO beat VALUES (?, ?, ?)",
        ((state.database, beat.counter, beat.token) for beat in beats),
    )
    if beats:
        connection.execute(
            "DELETE FROM beat WHERE database = ? AND counter < ?",
            (state.database, state.counter - _BEATS),
        )


def lose_stream(
    connection: sqlite3.Connection, database: str, name: str, state: str, why: str
) -> None:
    """The stream (if it still has that name) cannot go on; the first reason stays."""
    connection.execute(
        "UPDATE stream SET lost = ?, why = ? WHERE database = ? AND name = ? AND lost IS NULL",
        (state, why, database, name),
    )


def followed(connection: sqlite3.Connection, database: str) -> dict[str, FollowedSource]:
    """The sources of a database that its stream keeps true, by name."""
    rows = connection.execute(
        "SELECT source, tbl, definition, fingerprint, complete_at, dirty FROM followed"
        " WHERE database = ? ORDER BY source",
        (database,),
    )
    return {row[0]: FollowedSource(*row) for row in rows}


def follow_sources(
    connection: sqlite3.Connection, database: str, sources: Sequence[FollowedSource]
) -> None:
    """These were read as a whole, and are true from their beat `complete_at` on.

    What was to be done about single rows of them is done with that. They have no chunks: what the
    stream changes could not be told from what a chunk says. For when the database was true before
    says nothing of what they hold now.
    """
    connection.execute("UPDATE stream SET valid_at = NULL WHERE database = ?", (database,))
    for source in sources:
        unfollow(connection, source.source)
        connection.execute(
            "DELETE FROM chunk WHERE src = (SELECT id FROM source WHERE name = ?)", (source.source,)
        )
        connection.execute(
            "INSERT INTO followed VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (
                *(source.source, database, source.table, source.definition),
                *(source.fingerprint, source.complete_at),
            ),
        )


def unfollow(connection: sqlite3.Connection, source: str) -> None:
    """No stream keeps the source true any more; its edges stay until it is read, or goes."""
    rereads.forget(connection, source)
    connection.execute("DELETE FROM followed WHERE source = ?", (source,))


def soil_tables(
    connection: sqlite3.Connection, database: str, tables: Mapping[str, str] | str
) -> None:
    """Tables (each with why; or why for all) have to be read as a whole; the first reason stays."""
    query = "UPDATE followed SET dirty = ? WHERE database = ? AND dirty IS NULL"
    if isinstance(tables, str):
        connection.execute(query, (tables, database))
        return
    for table, why in tables.items():
        connection.execute(f"{query} AND tbl = ?", (why, database, table))


def shortfall(connection: sqlite3.Connection, database: str, counter: int) -> Shortfall:
    """What is lacking for the registry to be true of the database as of that beat."""
    [came] = connection.execute(
        "SELECT counter FROM stream WHERE database = ?", (database,)
    ).fetchone() or (-1,)
    sources = followed(connection, database).values()
    # What a source held before it was read as a whole may have passed to a row that is not told.
    since = min(came, counter)
    return Shortfall(
        came < counter,
        tuple(s.source for s in sources if s.complete_at is None or s.complete_at > since),
        tuple(s.source for s in sources if s.dirty is not None),
        rereads.unknown_before(connection, database, counter),
    )


def confirm(
    connection: sqlite3.Connection,
    database: str,
    counter: int,
    at: datetime,
    token: str,
) -> Shortfall:
    """A beat made at `at` (UTC): if nothing is lacking, the registry is true for that moment.

    By its token it has to be that very beat that has come: of a heartbeat that was set back, an
    older one had its number.
    """
    lacking = shortfall(connection, database, counter)
    if not lacking.behind:
        query = "SELECT token FROM beat WHERE database = ? AND counter = ?"
        came = connection.execute(query, (database, counter)).fetchone()
        lacking = replace(lacking, behind=came != (token,))
    if lacking.is_none:
        connection.execute(
            "UPDATE stream SET valid_at = ?1 WHERE database = ?2"
            " AND lost IS NULL AND (valid_at IS NULL OR valid_at < ?1)",
            (at.isoformat(), database),
        )
    return lacking


def valid_since(connection: sqlite3.Connection) -> list[datetime | None]:
    """For each followed database, the moment for which the registry is true; None: for none.

    A load that began, a table that was changed, or a stream that was lost since then make it None.
    """
    found: list[datetime | None] = []
    for state in streams(connection).values():
        lacking = shortfall(connection, state.database, state.counter)
        is_true = state.lost is None and not lacking.incomplete and not lacking.dirty
        found.append(state.valid_at if is_true else None)
    return found
