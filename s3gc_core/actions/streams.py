"""How far each followed database has come, for people."""

from __future__ import annotations

from datetime import datetime

import msgspec

from s3gc_core.actions.following import open_followings
from s3gc_core.actions.parts import Parts
from s3gc_core.databases import Database, Following, Lag, Start
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.jobs import FOLLOWER_FILE, lease_holder
from s3gc_core.references import StreamState, followable


class StreamStatus(msgspec.Struct, frozen=True):
    """How one followed database stands.

    `state`: `following`, `loading`, `waiting` (nobody follows now), `lost`, `not begun`. `true_at`
    is the moment for which the registry is true, so many `seconds` ago; `told_at` when the database
    committed what was applied last (both UTC), `transactions` how many its server has begun since.
    `bytes` is what the server keeps for us, `server_state` its own word for that (None, and empty:
    not known). `reading` has to be read as a whole first.
    """

    database: str
    state: str
    detail: str = ""
    true_at: datetime | None = None
    told_at: datetime | None = None
    seconds: float | None = None
    transactions: int | None = None
    bytes: int | None = None
    server_state: str = ""
    reading: list[str] = []


async def stream_status(parts: Parts) -> list[StreamStatus]:
    """Each database that is to be followed; what its server does not answer is left open."""
    is_followed = lease_holder(parts.config.vault_path, FOLLOWER_FILE) is not None
    states = await parts.registry.streams()
    databases = {database.name: database for database in parts.databases}
    found = []
    for name, opened in open_followings(parts.config).items():
        state = states.get(name)
        if state is not None and state.has_begun:
            found.append(await _status(parts, opened(state.name), state, is_followed))
        else:
            detail = await _in_the_way(parts, databases[name], opened(new_id().lower()))
            standing = "loading" if is_followed and not detail else "not begun"
            found.append(StreamStatus(name, standing, detail))
    return found


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
    parts: Parts, following: Following, state: StreamState, is_followed: bool
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
        server_state=lag.state,
        reading=reading,
    )
