"""`python -m tests.bench --only following [--rows 200000]`: change streams.

For each engine N row changes (half inserts, the rest updates and deletes) in transactions of 1,000,
and then N inserts in one. The reference is our own reader, whose changes are thrown away, on the
same stream (for PostgreSQL `pg_recvlogical` into nothing stands beside it); beside it, in a fresh
process, the follower that writes them into a registry. Then single changes, each timed from its
commit to the edge in the registry.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from s3gc_core.clock import SystemClock
from s3gc_core.config import DatabaseConfig, SourceConfig
from s3gc_core.databases import (
    Beat,
    DatabaseUrl,
    Engine,
    Following,
    Start,
    Watched,
    open_database,
    open_following,
)
from s3gc_core.references import BucketNames, Registry, key_hash
from s3gc_core.references.follower import Follower
from s3gc_core.references.following_session import open_session
from s3gc_core.references.following_sources import followable
from tests.bench.memory import peak_mib
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

SOURCE = SourceConfig("files", ("path",))
NAMES = BucketNames("bench")
TRANSACTION = 1_000
LATENCIES = 200


async def measure(rows: int) -> None:
    """Print the figures of each engine that has a change stream."""
    for engine in (Engine.POSTGRESQL, Engine.MYSQL):
        with tempfile.TemporaryDirectory(prefix="s3gc-bench-") as folder:
            async with _server(engine) as server:
                app = AppDatabase(await server.create_database())
                try:
                    await _measure_engine(server, app, Path(folder), rows)
                finally:
                    await app.close()


@asynccontextmanager
async def _server(engine: Engine) -> AsyncIterator[PostgresServer | MariadbServer]:
    kind = PostgresServer if engine is Engine.POSTGRESQL else MariadbServer
    async with kind() as server:
        yield server


async def _measure_engine(
    server: PostgresServer | MariadbServer, app: AppDatabase, folder: Path, rows: int
) -> None:
    await app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(200))")
    await app.executemany("INSERT INTO files VALUES (?, ?)", _rows(0, rows))
    print(f"\n{app.engine.value}: {rows:,} row changes")
    for name, work in (("transactions of 1,000", _mixed), ("one transaction", _bulk)):
        following = open_following(DatabaseConfig(app.url, cdc=True), "bench")
        [watched] = await _watched(app, following)
        registry = await Registry.open(_fresh(folder, name))
        async with _followed(app, registry):
            pass
        state = (await registry.streams())["main"]
        mine = open_following(DatabaseConfig(app.url, cdc=True), state.name)
        start = Start(state.history, state.anchor)
        changed = await work(app, rows)
        beat = await mine.beat()
        read = await _read(mine, start, watched, beat)
        await registry.close()
        applied = await _in_a_process(app.url, folder / name)
        print(f"  {name}, {changed:,} rows")
        print(f"    our reader, nothing kept          {changed / read:10,.0f} rows/s   ratio")
        rate, ratio = changed / applied["seconds"], applied["seconds"] / read
        print(f"    the follower, into the registry   {rate:10,.0f} rows/s   {ratio:5.2f}")
        print(f"    memory: {applied['base_mib']:.0f} MiB, {applied['peak_mib']:.0f} at the peak")
        if isinstance(server, PostgresServer):
            raw = await _pg_recvlogical(server, app.url, state.name, start)
            print(f"    pg_recvlogical into nothing       {changed / raw:10,.0f} rows/s")
        await mine.end()
    await _print_latency(app, folder)


def _fresh(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def _rows(first: int, count: int) -> list[tuple[int, str]]:
    """Rows from one identity on, each with a key of its own."""
    return [
        (n, f"media/{n % 97:02}/{n * 2654435761 % (1 << 32):08x}.jpg")
        for n in range(first, first + count)
    ]


async def _watched(app: AppDatabase, following: Following) -> tuple[Watched, ...]:
    database = open_database(DatabaseConfig(app.url))
    return (await followable(database, following, [SOURCE])).watched


def _follower(url: str, registry: Registry) -> Follower:
    config = DatabaseConfig(url, cdc=True)
    return Follower(
        registry,
        open_database(config),
        lambda name: open_following(config, name),
        [SOURCE],
        NAMES,
        SystemClock(),
    )


@asynccontextmanager
async def _followed(app: AppDatabase, registry: Registry) -> AsyncIterator[None]:
    """Begin a stream, load the table, and come to a beat; it is followed meanwhile."""
    following = asyncio.create_task(_follower(app.url, registry).run())
    try:
        await _until_true(registry, following)
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _until_true(registry: Registry, following: asyncio.Task[None]) -> None:
    while await registry.valid_at() is None:
        if following.done():
            following.result()
        await asyncio.sleep(0.02)


async def _until_referenced(registry: Registry, h: int) -> None:
    while True:
        if await registry.referenced([h]):
            return
        await asyncio.sleep(0.001)


async def _mixed(app: AppDatabase, rows: int) -> int:
    for first in range(rows, rows + rows // 2, TRANSACTION):
        await app.executemany("INSERT INTO files VALUES (?, ?)", _rows(first, TRANSACTION))
    changed = rows // 2
    for first in range(0, rows // 4, TRANSACTION):
        await app.execute(
            "UPDATE files SET path = CONCAT(path, 'x') WHERE id >= ? AND id < ?",
            *(first, first + TRANSACTION),
        )
        await app.execute(
            "DELETE FROM files WHERE id >= ? AND id < ?",
            *(first + rows // 2, first + rows // 2 + TRANSACTION),
        )
        changed += 2 * TRANSACTION
    return changed


async def _bulk(app: AppDatabase, rows: int) -> int:
    await app.executemany("INSERT INTO files VALUES (?, ?)", _rows(10 * rows, rows))
    return rows


async def _read(following: Following, start: Start, watched: Watched, last: Beat) -> float:
    began = time.perf_counter()
    async with following.stream(start, [watched]) as stream:
        while True:
            for change in await stream.read(10):
                if isinstance(change, Beat) and change.counter == last.counter:
                    return time.perf_counter() - began


async def _pg_recvlogical(server: PostgresServer, url: str, name: str, start: Start) -> float:
    """The server's own client on the same slot, up to where the log is now."""
    parsed = DatabaseUrl.parse(url)
    app = AppDatabase(url)
    [[end]] = await app.execute("SELECT pg_current_wal_insert_lsn()::text")
    await app.close()
    [program] = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_recvlogical"))[-1:]
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(program, "-d", parsed.database, "-h", server.socket_folder, "-p", str(parsed.port)),
        *("-U", "postgres", "--slot", f"s3gc_{name}", "--start", "-f", "/dev/null"),
        *("-o", "proto_version=1", "-o", f"publication_names=s3gc_{name}"),
        *("--endpos", end, "--no-loop"),
    )
    if await process.wait():
        raise SystemExit(f"pg_recvlogical ended with {process.returncode}")
    return time.perf_counter() - began


async def _in_a_process(url: str, vault: Path) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.following", url, str(vault)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the follower ended with {process.returncode}")
    measured: dict[str, float] = json.loads(out)
    return measured


async def _apply(url: str, vault: Path) -> dict[str, float]:
    """In a process of its own: come from the registry's anchor to the present."""
    registry = await Registry.open(vault)
    base = peak_mib()
    state = (await registry.streams())["main"]
    config = DatabaseConfig(url, cdc=True)
    following = open_following(config, state.name)
    found = await followable(open_database(config), following, [SOURCE])
    beat = await following.beat()
    began = time.perf_counter()
    async with open_session(registry, following, found, state, NAMES, SystemClock()) as session:
        while session.applied.state.counter < beat.counter:
            await session.step(10)
    seconds = time.perf_counter() - began
    await registry.close()
    peak = peak_mib()
    return {"seconds": seconds, "base_mib": base, "peak_mib": peak}


async def _print_latency(app: AppDatabase, folder: Path) -> None:
    registry = await Registry.open(_fresh(folder, "latency"))
    taken = []
    async with _followed(app, registry):
        for n in range(LATENCIES):
            h = key_hash(f"new/{n}")
            await app.execute("INSERT INTO files VALUES (?, ?)", -1 - n, f"new/{n}")
            began = time.perf_counter()
            await _until_referenced(registry, h)
            taken.append((time.perf_counter() - began) * 1000)
    await registry.close()
    last = statistics.quantiles(taken, n=100)[98]
    print(
        f"  from commit to registry: median {statistics.median(taken):.1f} ms, 99 % {last:.1f} ms"
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_apply(sys.argv[1], Path(sys.argv[2])))))
