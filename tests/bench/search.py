"""`python -m tests.bench --only search [--rows 1000000]`: the search of everything.

A PostgreSQL table of N rows of text, each with a key in it that is no candidate's, but for one row
in a thousand. The reference is the same stream of pages with nothing done to them. Beside it: the
search for 100,000 candidates in plain texts, and in texts that write slashes as URLs do. Reads and
searches take turns, and the best of each is compared: what else the machine does passes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import aclosing

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import open_database
from s3gc_core.databases.protocol import Database, TableRead
from s3gc_core.references import Course, DatabaseSearch, KeySearch
from tests.bench.memory import peak_mib
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

CANDIDATES = 100_000
ROUNDS = 3
_WORDS = "the picture of our last summer can be found at this place or was it there"


async def measure(rows: int) -> None:
    """Print the figures."""
    chance = random.Random(1)
    candidates = [_key(chance) for _ in range(CANDIDATES)]
    others = [_key(chance) for _ in range(CANDIDATES)]
    async with PostgresServer() as postgres:
        app = AppDatabase(await postgres.create_database())
        database = open_database(DatabaseConfig(app.url))
        for name, written in (("plain", str), ("escaped", _escaped)):
            await _fill(app, name, rows, written, candidates, others, chance)
        await app.close()
        print(f"\n{rows:,} rows of text in PostgreSQL, {CANDIDATES:,} candidates")
        for name in ("plain", "escaped"):
            await _measure_table(database, name, candidates)
    print(f"  memory: {peak_mib():.0f} MiB at the peak")


async def _measure_table(database: Database, name: str, candidates: list[str]) -> None:
    raw, made, searched, both = [], [], [], []
    for _ in range(ROUNDS):
        began = _now()
        size = await _raw(database, name)
        raw.append(_since(began))
        began = _now()
        search = KeySearch(candidates)
        made.append(_since(began))
        between = _now()
        found = await _searched(database, name, search)
        searched.append(_since(between))
        both.append(_since(began))
    print(f"  {name}: {size / 1e6:.0f} MB, {found:,} mentions; best of {ROUNDS} each")
    reference = _best(raw)
    print(f"    reference (raw streamed read)  {reference[0]:8.2f} s   ratio", end="")
    print(f"   (CPU {reference[1]:.2f} s)")
    for what, taken in (("making the search", made), ("search", searched), ("both", both)):
        wall, cpu = _best(taken)
        print(f"    {what:<29}  {wall:8.2f} s   {wall / reference[0]:5.2f}", end="")
        print(f"   (CPU {cpu:.2f} s, {cpu / reference[1]:.2f})")


def _now() -> tuple[float, float]:
    """Seconds of wall time, and of this process's CPU: that is worth more on a busy machine."""
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - began[0], cpu - began[1]


def _best(taken: list[tuple[float, float]]) -> tuple[float, float]:
    """The least wall time, and the least CPU time."""
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


async def _searched(database: Database, name: str, search: KeySearch) -> int:
    found = 0
    skip = {"plain", "escaped"} - {name}
    async with aclosing(
        DatabaseSearch([database], search, skip, (), Course()).mentions()
    ) as mentions:
        async for some in mentions:
            found += len(some)
    return found


async def _raw(database: Database, name: str) -> int:
    size = 0
    async with database.snapshot() as snapshot:
        async for page in snapshot.rows(TableRead(name, ("body",))):
            size += page.size
    return size


def _key(chance: random.Random) -> str:
    return f"uploads/{chance.randrange(977)}/{chance.getrandbits(96):024x}.jpg"


def _escaped(key: str) -> str:
    return key.replace("/", "%2F")


async def _fill(
    app: AppDatabase,
    name: str,
    rows: int,
    written: Callable[[str], str],
    candidates: list[str],
    others: list[str],
    chance: random.Random,
) -> None:
    await app.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, body TEXT)")
    for first in range(0, rows, 50_000):
        block = []
        for n in range(first, min(rows, first + 50_000)):
            key = chance.choice(others if n % 1_000 else candidates)
            block.append((n, f"{_WORDS} {written(key)} {n}"))
        await app.executemany(f"INSERT INTO {name} VALUES (?, ?)", block)
    await app.execute(f"ANALYZE {name}")
