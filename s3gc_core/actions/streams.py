"""How far each followed database has come, for people."""

from __future__ import annotations

from datetime import datetime

import msgspec

from s3gc_core.actions.following import FOLLOW, open_followings
from s3gc_core.actions.parts import Parts
from s3gc_core.databases import Start
from s3gc_core.errors import S3gcError
from s3gc_core.jobs import FOLLOWER_FILE, lease_holder
from s3gc_core.references import StreamState


class StreamStatus(msgspec.Struct, frozen=True):
    """How one followed database stands.

    `state`: `following`, `loading`, `waiting` (nobody follows now), `lost`, `not begun`. `true_at`
    is the moment for which the registry is true, `told_at` when the database committed what was
    applied last (both UTC); `bytes` is what the server keeps for us, `server_state` its own word
    for that (None, and empty: not known). `reading` has to be read as a whole first.
    """

    database: str
    state: str
    detail: str = ""
    true_at: datetime | None = None
    told_at: datetime | None = None
    bytes: int | None = None
    server_state: str = ""
    reading: list[str] = []


async def stream_status(parts: Parts) -> list[StreamStatus]:
    """Each database that is to be followed; what its server does not answer is left open."""
    holder = lease_holder(parts.config.vault_path, FOLLOWER_FILE)
    states = await parts.registry.streams()
    return [
        await _status(parts, name, states.get(name), holder is not None and holder.what == FOLLOW)
        for name in open_followings(parts.config)
    ]


async def _status(
    parts: Parts, name: str, state: StreamState | None, is_followed: bool
) -> StreamStatus:
    if state is None or not state.has_begun:
        return StreamStatus(name, "loading" if is_followed else "not begun")
    detail, size, word = state.why or "", None, ""
    try:
        lag = await open_followings(parts.config)[name](state.name).lag(
            Start(state.history, state.anchor)
        )
        size, word = lag.bytes, lag.state
    except S3gcError as error:
        detail = detail or error.what
    lacking = await parts.registry.shortfall(name, state.counter)
    reading = sorted({*lacking.incomplete, *lacking.dirty})
    standing = "loading" if reading else "following"
    if state.lost is not None:
        standing = "lost"
    elif not is_followed:
        standing = "waiting"
    return StreamStatus(name, standing, detail, state.valid_at, state.told_at, size, word, reading)
