"""`python -m tests.bench --only references [--rows 1000000]`: the registry of references.

For each engine a table of N rows with one key each. The reference is the engine's own driver that
streams identity and column of every row and keeps nothing; beside it, each in a fresh process, the
first load of the registry, a rescan after which nothing has changed, and the same after one row in
a thousand has. Then listing pages of 1,000 keys, nine of ten of them referenced, are looked up.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiomysql
import asyncpg

from s3gc_core.config import DatabaseConfig, SourceConfig
from s3gc_core.databases import DatabaseUrl, Engine, open_database
from s3gc_core.references import (
    BucketNames,
    Registry,
    find_drift,
    key_hashes,
    refresh,
    table_read,
)
from tests.bench.memory import peak_mib
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

SOURCE = SourceConfig("files", ("path",))
NAMES = BucketNames("bench")
QUERY = "SELECT id, path FROM files"
FETCHED = 4_000
PROBED_PAGES = 500
PAGE_KEYS = 1_000


async def measure(rows: int) -> None:
    """Print the figures of each engine."""
    with tempfile.TemporaryDirectory(prefix="s3gc-bench-") as name:
        folder = Path(name)
        for engine in Engine:
            async with _database(engine, folder) as app:
                await fill(app, rows)
                await _measure_engine(app, folder / engine.value, rows)


@asynccontextmanager
async def _database(engine: Engine, folder: Path) -> AsyncIterator[AppDatabase]:
    match engine:
        case Engine.SQLITE:
            yield AppDatabase(DatabaseUrl(engine, str(folder / "app.db")).render())
        case Engine.POSTGRESQL:
            async with PostgresServer() as postgres:
                yield AppDatabase(await postgres.create_database())
        case Engine.MYSQL:
            async with MariadbServer() as mariadb:
                yield AppDatabase(await mariadb.create_database())


async def fill(app: AppDatabase, rows: int) -> None:
    """The table `files`, in the order of its identity."""
    await app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(200))")
    keys = keys_of(rows)
    for first in range(0, rows, 50_000):
        block = [(n, next(keys)) for n in range(first, min(rows, first + 50_000))]
        await app.executemany("INSERT INTO files VALUES (?, ?)", block)
    await app.close()


def keys_of(rows: int) -> Iterator[str]:
    """As object names often are: folders, a random part, a number, an ending."""
    chance = random.Random(rows)
    for number in range(rows):
        yield f"media/{number % 97:02}/{chance.randrange(1 << 32):08x}-{number}.jpg"


async def _measure_engine(app: AppDatabase, vault: Path, rows: int) -> None:
    vault.mkdir()
    print(f"\n{app.engine.value}, {rows:,} references     seconds   ratio   (CPU)   peak MiB")
    for what in ("pages", "load", "rescan"):
        _show(what, await _in_a_process(what, app.url, vault, rows))
    await app.execute("UPDATE files SET path = 'moved.jpg' WHERE id % 1000 = 7")
    await app.close()
    for what in ("changes", "verify"):
        _show(what, await _in_a_process(what, app.url, vault, rows))
    probed = await _in_a_process("probe", app.url, vault, rows)
    print(f"  {'probe':<28} {probed['keys'] / probed['seconds']:12,.0f} keys/s", end="")
    print(f"{probed['peak']:16.0f}")
    size = (vault / "registry.db").stat().st_size
    print(f"  {'file':<28} {size / rows:12.1f} bytes a reference")


def _show(what: str, found: dict[str, float]) -> None:
    ratio, cpu = found["seconds"] / found["raw"], found["cpu"] / found["raw_cpu"]
    print(f"  {'driver alone':<28} {found['raw']:8.2f}")
    print(f"  {what:<28} {found['seconds']:8.2f} {ratio:7.2f} {cpu:7.2f} {found['peak']:10.0f}")


async def _in_a_process(what: str, url: str, vault: Path, rows: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.references", what, url, str(vault), str(rows)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    found: dict[str, float] = json.loads(out)
    return found


async def raw(url: str) -> int:
    """The driver alone: how many rows it streamed."""
    parsed = DatabaseUrl.parse(url)
    rows = 0
    match parsed.engine:
        case Engine.SQLITE:
            return await asyncio.to_thread(_raw_sqlite, parsed.database)
        case Engine.POSTGRESQL:
            connection = await asyncpg.connect(url)
            async with connection.transaction():
                cursor = await connection.cursor(QUERY)
                while page := await cursor.fetch(FETCHED):
                    rows += len(page)
            await connection.close()
        case Engine.MYSQL:
            mysql = await aiomysql.connect(
                host=parsed.host,
                port=parsed.port,
                user=parsed.user,
                password=parsed.password,
                db=parsed.database,
                charset="utf8mb4",
                cursorclass=aiomysql.SSCursor,
            )
            async with mysql.cursor() as streaming:
                await streaming.execute(QUERY)
                while page := await streaming.fetchmany(FETCHED):
                    rows += len(page)
            await mysql.ensure_closed()
    return rows


def _raw_sqlite(path: str) -> int:
    connection = sqlite3.connect(path)
    cursor = connection.execute(QUERY)
    rows = 0
    while page := cursor.fetchmany(FETCHED):
        rows += len(page)
    connection.close()
    return rows


async def compared(url: str, what: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Wall and CPU seconds of `what`, and of the driver alone before and after it."""
    result = {"raw": 0.0, "raw_cpu": 0.0}

    async def reference() -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        await raw(url)
        result["raw"] += (time.perf_counter() - wall) / 2
        result["raw_cpu"] += (time.process_time() - cpu) / 2

    await reference()
    wall, cpu = time.perf_counter(), time.process_time()
    await what()
    result["seconds"] = time.perf_counter() - wall
    result["cpu"] = time.process_time() - cpu
    result["peak"] = peak_mib()
    await reference()
    return result


async def measured(what: str, url: str, vault: Path, rows: int) -> dict[str, float]:
    """One measurement."""
    database = open_database(DatabaseConfig(url))
    registry = await Registry.open(vault)

    async def pages() -> None:
        async with database.snapshot() as snapshot:
            async for _ in snapshot.rows(table_read(SOURCE)):
                pass

    async def verify() -> None:
        async for _ in find_drift(registry, [database], [SOURCE], NAMES):
            pass

    async def read() -> None:
        await refresh(registry, [database], [SOURCE], NAMES, began_at=datetime.now(UTC))

    try:
        if what == "probe":
            return await probe(registry, rows)
        return await compared(url, {"pages": pages, "verify": verify}.get(what, read))
    finally:
        await registry.close()


async def probe(registry: Registry, rows: int) -> dict[str, float]:
    """Look up listing pages, the hashes of their keys included."""
    chance = random.Random(1)
    known = list(keys_of(rows))
    listed = [
        [
            chance.choice(known) if chance.random() < 0.9 else f"orphan/{chance.random()}.jpg"
            for _ in range(PAGE_KEYS)
        ]
        for _ in range(PROBED_PAGES)
    ]
    del known
    began = time.perf_counter()
    for page in listed:
        await registry.referenced(key_hashes(page))
    seconds = time.perf_counter() - began
    peak = peak_mib()
    return {"seconds": seconds, "keys": PROBED_PAGES * PAGE_KEYS, "peak": peak}


if __name__ == "__main__":
    of_vault, of_rows = Path(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(asyncio.run(measured(sys.argv[1], sys.argv[2], of_vault, of_rows))))
