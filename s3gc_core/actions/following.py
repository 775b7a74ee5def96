"""Following the databases as a service: who keeps the registry true between scans."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from s3gc_core import log
from s3gc_core.actions.healing import heal_for_ever
from s3gc_core.actions.holding_streams import streams_held
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.streams import begun_streams
from s3gc_core.config import DatabaseConfig
from s3gc_core.database_url import Engine
from s3gc_core.databases import Database, open_following, watch_file
from s3gc_core.errors import (
    DatabaseUnreachable,
    NothingFollowed,
    S3gcError,
    StreamLost,
    StreamTaken,
    VaultBusy,
)
from s3gc_core.jobs import FOLLOWER_FILE, LeaseHolder, lease_holder
from s3gc_core.judgement import row_in_words
from s3gc_core.parallel import in_parallel, with_beside
from s3gc_core.references import (
    BucketNames,
    FileFollower,
    Follower,
    Phase,
    Returned,
)

# How long to wait before a server that went away is tried again: from, up to.
BACK_OFF_SECONDS = (0.5, 30.0)
# How often to look whether a scan, which follows for itself meanwhile, has ended.
_LOOK_SECONDS = 0.2
# How often to look what the servers keep for us.
KEPT_SECONDS = 60.0
FOLLOW = "follow"


class FollowEvent(msgspec.Struct, frozen=True):
    """Something that following has to tell of a database.

    `event`: `loading`, `following`, `unreachable` (it is tried again), `lost`; `kept`: its server
    keeps much of its log for us; `returned`: a row refers to a deleted object again.
    """

    database: str
    event: str
    detail: str = ""


Told = Callable[[FollowEvent], None]


async def follow(parts: Parts, told: Told, *, reload: bool = False) -> None:
    """Keep the registry true until cancelled, or until no stream can go on.

    With `reload` what the streams are is forgotten first: new ones begin, and every followed source
    is read anew. Raises `NothingFollowed`, `VaultBusy` where another process follows, `StreamLost`,
    and what makes following impossible from the start.
    """
    followed = [database for database in parts.config.databases if database.cdc]
    if not followed:
        raise NothingFollowed("no database has cdc = true")
    parts.refuse_nothing_tracked()
    with ExitStack() as stack:
        await _take_streams(parts, stack)
        await parts.check_identity()
        if reload:
            await forget_streams(parts)
        databases = {database.name: database for database in parts.databases}
        following = [
            _go_on(parts, config.name, _runner(parts, config, databases[config.name], told), told)
            for config in followed
        ]
        ended = await with_beside(
            in_parallel(following),
            [heal_for_ever(parts, partial(_alarm, told)), _watch_kept(parts, told)],
        )
    lost = [error for error in ended if error is not None]
    if lost:
        raise lost[0]


def _alarm(told: Told, one: Returned) -> None:
    detail = f"{one.key} was deleted, and {row_in_words(one.source, one.row)} refers to it"
    if one.lossy:
        detail += "; the vault holds only a LOSSY copy of it"
    told(FollowEvent(one.source.partition(":")[0], "returned", detail))


async def _watch_kept(parts: Parts, told: Told) -> None:
    """Say what servers keep too much for us: at first, and when it has doubled."""
    said: dict[str, int] = {}
    while True:
        much = [stream for stream in await begun_streams(parts) if stream.is_much_kept]
        # Of the others it is said anew once they keep much again.
        said = {stream.database: said.get(stream.database, 0) for stream in much}
        for stream in much:
            kept = stream.bytes or 0
            if kept >= 2 * said[stream.database]:
                said[stream.database] = kept
                log.warning("log_kept", database=stream.database, detail=stream.kept_words)
                told(FollowEvent(stream.database, "kept", stream.kept_words))
        await asyncio.sleep(KEPT_SECONDS)


async def stop_following(parts: Parts, *, drop_slot: bool) -> list[str]:
    """End the process that follows, and with `drop_slot` take away what the servers keep for us.

    Returns the databases whose stream was taken away. Raises `VaultBusy` where a scan follows just
    now, `DatabaseUnreachable`.
    """
    holder = lease_holder(parts.config.vault_path, FOLLOWER_FILE)
    if holder is not None and holder.what == FOLLOW:
        _end(holder)
        await _let_go(parts.config.vault_path, holder)
    if not drop_slot:
        return []
    with streams_held(parts.config.vault_path, "drop-slot"):
        return await forget_streams(parts)


def _end(holder: LeaseHolder) -> None:
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended by itself
    except PermissionError as error:
        raise VaultBusy(
            f"process {holder.pid} of {holder.actor} follows, and may not be ended by this user",
            next_step="run it as that user, or end the service that runs it",
        ) from error


async def _let_go(vault_path: Path, holder: LeaseHolder) -> None:
    """Wait until that process holds the streams no more."""
    while True:
        if lease_holder(vault_path, FOLLOWER_FILE) != holder:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def forget_streams(parts: Parts) -> list[str]:
    """Take every stream away, from its server and from the registry; returns their databases.

    Also of databases that are not followed any more. A stream whose database the configuration
    does not name is kept, and told: only what is remembered here names what its server keeps.
    """
    configs = {config.name: config for config in parts.config.databases}
    ended = []
    for database, state in (await parts.registry.streams()).items():
        config = configs.get(database)
        if config is None:
            mend = f"configure the database {database} again, and take its stream away then"
            log.warning("stream_left_behind", database=database, name=state.name, mend=mend)
            continue
        if config.engine is not Engine.SQLITE:
            await open_following(config, state.name).end()
            ended.append(database)
        await parts.registry.forget_stream(database)
    return ended


async def _take_streams(parts: Parts, stack: ExitStack) -> None:
    """Hold the streams; a scan that follows for itself is waited for."""
    path = parts.config.vault_path
    while True:
        try:
            stack.enter_context(streams_held(path, FOLLOW))
        except VaultBusy:
            holder = lease_holder(path, FOLLOWER_FILE)
            if holder is not None and holder.what == FOLLOW:
                raise
        else:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _runner(
    parts: Parts, config: DatabaseConfig, database: Database, told: Told
) -> Callable[[], Awaitable[None]]:
    def phase(name: str, phase: Phase) -> None:
        told(FollowEvent(name, phase.value))

    names = BucketNames.of(parts.config)
    sources = parts.config.sources
    if config.engine is Engine.SQLITE:
        return FileFollower(
            parts.registry,
            database,
            partial(watch_file, config),
            sources,
            names,
            parts.clock,
            phase,
        ).run
    return Follower(
        parts.registry,
        database,
        partial(open_following, config),
        sources,
        names,
        parts.clock,
        phase,
    ).run


async def _go_on(
    parts: Parts, name: str, run: Callable[[], Awaitable[None]], told: Told
) -> S3gcError | None:
    """Run, again and again while the server only went away; returns what lost the stream."""
    least, most = BACK_OFF_SECONDS
    pause = least
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await run()
        except (DatabaseUnreachable, StreamTaken) as error:
            log.warning("database_unreachable", database=name, detail=error.what)
            told(FollowEvent(name, "unreachable", error.what))
        except StreamLost as error:
            log.warning("stream_lost", database=name, state=error.state, detail=error.what)
            told(FollowEvent(name, "lost", error.what))
            return error
        if asyncio.get_running_loop().time() - began > most:
            pause = least
        await asyncio.sleep(pause)
        pause = min(pause * 2, most)
