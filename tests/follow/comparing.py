"""Whether the registry is exactly what the database says, once it has come to the present."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.databases import open_database, open_followings
from s3gc_core.references import BucketNames, CatchingUp, Registry, find_drift
from s3gc_core.references.reading import RowsRead
from s3gc_core.references.registry_tables import SourceStats
from tests.follow.waiting import until
from tests.servers.app_database import AppDatabase

_COUNTS = """
    SELECT name, (SELECT count(*) FROM edge WHERE src = id),
        (SELECT count(*) FROM (SELECT DISTINCT row FROM edge WHERE src = id))
    FROM source ORDER BY name
"""
_RELEASED_AND_HELD = "SELECT count(*) FROM released WHERE h IN (SELECT h FROM edge)"
_WITHOUT_SOURCE = "SELECT count(*) FROM edge WHERE src NOT IN (SELECT id FROM source)"


async def come_to_now(
    registry: Registry,
    config: Config,
    *,
    follow: bool,
    rows_read: RowsRead = lambda _: None,
) -> None:
    """Wait as a scan does: by following, or behind the process that does."""
    databases = [open_database(database) for database in config.databases]
    caught = await CatchingUp(
        registry,
        databases,
        config.sources,
        BucketNames.of(config),
        SystemClock(),
        open_followings(config.databases),
        rows_read,
    ).to_now(follow=follow)
    assert (caught.lost, caught.stale) == ({}, {})


async def differences(registry: Registry, config: Config, app: AppDatabase) -> list[str]:
    """Everything in which the registry, which must have come to now, is not exact.

    Nobody may write to the database meanwhile; somebody has to follow it.
    """
    now = await database_time(app)
    await come_to_now(registry, config, follow=False)
    await _nothing_leaves(registry)
    found = await drift(registry, config)
    found += await asyncio.to_thread(inexact, registry.path, await registry.stats())
    for name, state in (await registry.streams()).items():
        told = state.told_at
        # A binary log knows the second only.
        if told is None or told < now.replace(microsecond=0):
            found.append(f"the stream of {name} came to {told}, and it is {now}")
        if state.lost is not None:
            found.append(f"the stream of {name} is lost: {state.why}")
    return found


def compared_lines(keys: Mapping[str, int], differences: Sequence[str]) -> list[str]:
    """What was compared and what came of it, for people."""
    count = f"{len(differences)} differences" if differences else "no difference"
    return [f"keys by source: {keys}", *differences, count]


async def drift(registry: Registry, config: Config) -> list[str]:
    """Every edge that only the database or only the registry has."""
    databases = [open_database(database) for database in config.databases]
    names = BucketNames.of(config)
    return [
        f"{found.kind} {found.source} row {found.row!r} {found.key}"
        async for page in find_drift(registry, databases, config.sources, names)
        for found in page
    ]


async def database_time(app: AppDatabase) -> datetime:
    """The server's time (UTC)."""
    [[seconds]] = await app.execute(
        "SELECT EXTRACT(EPOCH FROM clock_timestamp())"
        if app.engine == "postgresql"
        else "SELECT UNIX_TIMESTAMP(NOW(6))"
    )
    return datetime.fromtimestamp(float(seconds)).astimezone()


async def _nothing_leaves(registry: Registry) -> None:
    """Edges that a row held no more when it was read again go with the next beat."""
    query = "SELECT count(*) FROM leaving"

    async def nothing() -> bool:
        return not await asyncio.to_thread(count, registry.path, query)

    await until(nothing)


def count(path: Path, query: str) -> int:
    """The number that a question to the registry gives. Runs in a thread."""
    with closing(sqlite3.connect(path)) as connection:
        [found] = connection.execute(query).fetchone()
    return int(found)


def inexact(path: Path, stats: Sequence[SourceStats]) -> list[str]:
    """What the registry says of itself and is not so. Runs in a thread."""
    with closing(sqlite3.connect(path)) as connection:
        counted = {name: found for name, *found in connection.execute(_COUNTS)}
    found = [
        f"{of.name}: keys, keyed are {counted[of.name]}, and said to be {[of.keys, of.keyed]}"
        for of in stats
        if counted[of.name] != [of.keys, of.keyed]
    ]
    if wrong := count(path, _RELEASED_AND_HELD):
        found.append(f"{wrong} keys are released and have an edge")
    if wrong := count(path, _WITHOUT_SOURCE):
        found.append(f"{wrong} edges are of no source")
    return found
