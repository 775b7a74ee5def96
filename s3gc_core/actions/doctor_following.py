"""What the doctor says of change streams: what is in the way, what is lost, what servers keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from s3gc_core.actions.checks import Check, failed
from s3gc_core.actions.streams import is_much_kept
from s3gc_core.config import Config, DatabaseConfig
from s3gc_core.database_url import Engine
from s3gc_core.databases import Following, Start, open_database, open_following
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.references import Registry, StreamState, followable

_RELOAD = "s3gc follow --reload reads the followed tables anew and starts a new stream"


async def following_checks(config: Config) -> AsyncIterator[Check]:
    """One check after the other, for each database with cdc; changes nothing."""
    followed = [database for database in config.databases if database.cdc]
    states = await _states(config) if followed else {}
    for database in followed:
        name = f"stream of {database.name}"
        if database.engine is Engine.SQLITE:
            yield Check(name, True, "its file is looked at; nothing is needed for it")
            continue
        state = states.get(database.name)
        following = open_following(database, state.name if state else new_id().lower())
        try:
            async for check in _obstacles(name, database, following, config):
                yield check
            async for check in _standing(name, database, following, state):
                yield check
            known = [each.name for each in states.values()]
            for left in await following.left_behind(known):
                size = "" if left.bytes is None else f" and keeps {left.bytes} bytes"
                detail = f"{left.name} is nobody's in this vault{size}"
                yield Check(
                    f"{name}, left", False, detail, f"if no other vault follows by it: {left.mend}"
                )
        except S3gcError as error:
            yield failed(name, error)


async def _states(config: Config) -> Mapping[str, StreamState]:
    if not (config.vault_path / "registry.db").exists():
        return {}
    registry = await Registry.open(config.vault_path)
    try:
        return await registry.streams()
    finally:
        await registry.close()


async def _obstacles(
    name: str, settings: DatabaseConfig, following: Following, config: Config
) -> AsyncIterator[Check]:
    database = open_database(settings)
    found = await followable(database, following, config.sources)
    for obstacle in found.obstacles:
        yield Check(name, False, obstacle.what, obstacle.mend)
    if found.obstacles:
        return
    for watched in found.watched:
        yield Check(f"{name}, {watched.table}", True, "its changes can be followed")
    for source, why in found.unfollowed.items():
        mend = found.mends.get(source, "")
        detail = f"{source} is read as a whole by each scan: {why}"
        yield Check(name, not mend, detail, mend)


async def _standing(
    name: str, settings: DatabaseConfig, following: Following, state: StreamState | None
) -> AsyncIterator[Check]:
    if state is None or not state.has_begun:
        yield Check(name, True, "not begun: the next scan, or `s3gc follow`, begins it")
        return
    if state.lost is not None:
        yield Check(name, False, state.why or state.lost, _RELOAD)
        return
    lag = await following.lag(Start(state.history, state.anchor), state.transaction)
    most = settings.max_kept_bytes
    word = f", {lag.state}" if lag.state else ""
    detail = f"the server keeps {lag.bytes or 0} bytes for it, of {most} at most{word}"
    if settings.engine is Engine.POSTGRESQL and lag.bound is None:
        # Its slot lives on when nobody runs s3gc any more, and then only this ends it.
        detail += (
            "; by itself it keeps them until its disk is full: ALTER SYSTEM SET"
            f" max_slot_wal_keep_size = '{most >> 20}MB'; SELECT pg_reload_conf()"
        )
    yield Check(
        name,
        not is_much_kept(lag.bytes, most),
        detail,
        "run `s3gc follow`; or `s3gc follow --stop --drop-slot` where nobody is to follow any more",
    )
