"""How far each followed database has come, for people."""

from __future__ import annotations

from datetime import datetime

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.config import MAX_KEPT_BYTES
from s3gc_core.databases import Database, Following, Lag, Start, open_followings
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.jobs import FOLLOWER_FILE, lease_holder
from s3gc_core.references import StreamState, followable

# From this part of what a server may keep on, it is worth a warning.
_WARNED_SHARE = 10
# What a stream that has begun can be.
STATES = ("following", "loading", "waiting", "lost")


class StreamStatus(msgspec.Struct, frozen=True):
    """How one followed database stands.

    `state`: `following`, `loading`, `waiting` (nobody follows now), `lost`, `not begun`. `true_at`
    is the moment for which the registry is true, so many `seconds` ago; `told_at` when the database
    committed what was applied last (both UTC), `transactions` how many its server has begun since.
    `bytes` is what the server keeps for us, `max_bytes` what it may keep, `server_state` its own
    word for that (None, and empty: not known). `reading` has to be read as a whole first.
    """

    database: str
    state: str
    detail: str = ""
    true_at: datetime | None = None
    told_at: datetime | None = None
    seconds: float | None = None
    transactions: int | None = None
    bytes: int | None = None
    max_bytes: int = MAX_KEPT_BYTES
    server_state: str = ""
    reading: list[str] = []

    @property
    def is_much_kept(self) -> bool:
        """Whether somebody should look after it: long before the server's disk is full."""
        return is_much_kept(self.bytes, self.max_bytes)

    @property
    def is_too_much_kept(self) -> bool:
        """Whether the server keeps more than it may."""
        return self.bytes is not None and self.bytes > self.max_bytes

    @property
    def kept_words(self) -> str:
        """What it keeps, and may keep."""
        return f"its server keeps {self.bytes} bytes of its log, of {self.max_bytes} at most"


def is_much_kept(kept: int | None, most: int) -> bool:
    """Whether what a server keeps for us (bytes; None: not known) is worth a warning."""
    return kept is not None and kept * _WARNED_SHARE >= most


async def stream_status(parts: Parts) -> list[StreamStatus]:
    """Each database that is to be followed; what its server does not answer is left open."""
    begun = {stream.database: stream for stream in await begun_streams(parts)}
    is_followed = _is_followed(parts)
    databases = {database.name: database for database in parts.databases}
    found = []
    for name, opened in open_followings(parts.config.databases).items():
        if name in begun:
            found.append(begun[name])
        else:
            detail = await _in_the_way(parts, databases[name], opened(new_id().lower()))
            standing = "loading" if is_followed and not detail else "not begun"
            found.append(StreamStatus(name, standing, detail))
    return found


async def begun_streams(parts: Parts) -> list[StreamStatus]:
    """As `stream_status`, where a stream has begun: only there does a server keep anything for us.

    The others are not asked what is in the way, which is too much for every minute and every scan.
    """
    is_followed = _is_followed(parts)
    states = await parts.registry.streams()
    most = {config.name: config.max_kept_bytes for config in parts.config.databases}
    return [
        await _status(parts, opened(state.name), state, is_followed, most[name])
        for name, opened in open_followings(parts.config.databases).items()
        if (state := states.get(name)) is not None and state.has_begun
    ]


def _is_followed(parts: Parts) -> bool:
    return lease_holder(parts.config.vault_path, FOLLOWER_FILE) is not None


async def _in_the_way(parts: Parts, database: Database, following: Following) -> str:
    """Why the server cannot be followed, so that scans read it as a whole; empty where it can."""
    try:
        found = await followable(database, following, parts.config.sources)
    except S3gcError as error:
        return error.what
    obstacles = (
        f"{each.what} ({each.mend})" if each.mend else each.what for each in found.obstacles
    )
    return "; ".join(obstacles)


async def _status(
    parts: Parts, following: Following, state: StreamState, is_followed: bool, most: int
) -> StreamStatus:
    detail, lag, true_at = state.why or "", Lag(None), state.valid_at
    try:
        lag = await following.lag(Start(state.history, state.anchor), state.transaction)
    except S3gcError as error:
        detail = detail or error.what
    lacking = await parts.registry.shortfall(state.database, state.counter)
    reading = sorted({*lacking.incomplete, *lacking.dirty})
    standing = "loading" if reading else "following"
    if state.lost is not None:
        standing = "lost"
    elif not is_followed:
        standing = "waiting"
    return StreamStatus(
        state.database,
        standing,
        detail,
        true_at=true_at,
        told_at=state.told_at,
        seconds=None if true_at is None else (parts.clock.now() - true_at).total_seconds(),
        transactions=lag.transactions,
        bytes=lag.bytes,
        max_bytes=most,
        server_state=lag.state,
        reading=reading,
    )
