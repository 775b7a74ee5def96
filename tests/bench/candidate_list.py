"""The dashboard's list over N candidates beside Textual's DataTable, each in a fresh process.

A key is timed from its event to the write that paints the last of what it changed, on a terminal
of 120x40 that takes every byte at once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from textual import events
from textual.widgets import DataTable

from s3gc_core.bucket import ListedObject
from s3gc_core.judgement import (
    CandidateBrowser,
    Column,
    Judged,
    Layers,
    LayerVerdict,
    ObjectVerdict,
    Verdict,
    scan_tables,
)
from s3gc_tui import display
from s3gc_tui.widgets.candidate_list import CandidateList
from tests.core.judgement.catalogue_file import add, begin, finish, writing
from tests.tui.counted import CountedApp

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# Beyond this DataTable needs minutes, with its screen frozen (282 s for a million, measured once).
TABLE_LIMIT = 100_000
KEYS = 60


async def measure(counts: list[int]) -> None:
    """Print what each number of candidates costs."""
    with tempfile.TemporaryDirectory(prefix="s3gc-bench-") as folder:
        for count in counts:
            vault = Path(folder) / str(count)
            vault.mkdir()
            began = perf_counter()
            write_catalogue(vault, count)
            print(f"\n{count:,} candidates (catalogue written in {perf_counter() - began:.0f} s)")
            show("own list", await in_a_process("list", vault))
            if count <= TABLE_LIMIT:
                show("DataTable", await in_a_process("table", vault))
            else:
                print(f"  DataTable: left out beyond {TABLE_LIMIT:,}, it needs minutes")


def show(name: str, found: dict[str, float]) -> None:
    """One widget's figures, in milliseconds unless said."""
    print(f"  {name}")
    print(f"    first paint        {found['first_paint']:10.1f}   all known {found['ready']:10.1f}")
    for what in ("page down", "held j", "last, first"):
        middle, high = found[f"{what} median"], found[f"{what} p95"]
        print(f"    {what:<18} {middle:10.1f}   95th percentile {high:4.1f}")
    for what in ("sort", "filter by prefix", "filter by words"):
        if what in found:
            print(f"    {what:<18} {found[what]:10.1f}   all known {found[what + ' known']:10.1f}")
    print(f"    bytes of a cursor move {found['bytes']:6.0f}")
    print(f"    memory growth          {found['growth']:6.1f} MiB")


async def in_a_process(what: str, vault: Path) -> dict[str, float]:
    """Measure in a fresh process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.candidate_list", what, str(vault)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def write_catalogue(vault: Path, count: int) -> None:
    """A finished scan, written as a scan writes it."""
    chance = random.Random(count)
    with writing(vault) as connection:
        begin(connection, "S1", NOW)
        for first in range(0, count, 10_000):
            numbers = range(first, min(count, first + 10_000))
            add(connection, "S1", [a_candidate(chance, number) for number in numbers])
        finish(connection, "S1")


PASSED = LayerVerdict(Verdict.PASS, "passes")
YOUNG = LayerVerdict(Verdict.KEEP, "modified 1 d ago, younger than 7 d")
GOES, STAYS = Layers(PASSED, PASSED, PASSED, PASSED), Layers(PASSED, PASSED, YOUNG, PASSED)


def a_candidate(chance: random.Random, number: int) -> Judged:
    """Nine of ten in a hundred folders, one in a single large one; four of five orphans."""
    folder = f"media/{chance.randrange(97):02}" if number % 10 else "thumbs"
    made = ListedObject(
        f"{folder}/{chance.randrange(1 << 32):08x}-{number}.bin",
        int(chance.paretovariate(1) * 10_000),
        '"0123456789abcdef0123456789abcdef"',
        NOW - timedelta(seconds=chance.randrange(10**8)),
        "STANDARD",
    )
    orphan = chance.random() < 0.8
    verdict = ObjectVerdict.ORPHAN if orphan else ObjectVerdict.KEEP
    return Judged(made, verdict, GOES if orphan else STAYS, ())


class Bench(CountedApp):
    """An app that notes when it wrote."""

    CSS = "Screen { background: ansi_default; color: ansi_default; }"

    def __init__(self) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.wrote = asyncio.Event()
        self.news = asyncio.Event()
        self.at = 0.0
        self.bytes = 0

    def noted(self, data: str) -> None:
        """Take what is written."""
        self.at = perf_counter()
        self.bytes += len(data.encode())
        self.wrote.set()

    def on_candidate_list_snapshot_changed(self) -> None:
        """More is known."""
        self.news.set()

    async def painted(self, began: float, done: Callable[[], bool]) -> float:
        """Milliseconds until the write after which nothing is missing on the screen."""
        async with asyncio.timeout(600):
            while True:
                self.wrote.clear()
                await self.wrote.wait()
                if done():
                    return (self.at - began) * 1000

    async def timed(self, act: Callable[[], object], done: Callable[[], bool]) -> float:
        """Milliseconds from an act to its paint."""
        await quiet()
        began = perf_counter()
        act()
        return await self.painted(began, done)

    def key(self, name: str) -> None:
        """A key, as it comes from the terminal."""
        self.post_message(events.Key(name, name if len(name) == 1 else None))


async def quiet() -> None:
    """Let what the last key left behind be done."""
    await asyncio.sleep(0.03)


@asynccontextmanager
async def idle() -> AsyncIterator[tuple[Bench, float]]:
    """An app that shows nothing yet, and its memory in MiB."""
    app = Bench()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.terminal.on_write = app.noted
        yield app, memory()


def memory() -> float:
    """Resident memory in MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def keys(
    app: Bench, found: dict[str, float], done: Callable[[], bool], ends: tuple[str, str]
) -> None:
    """Scroll, and note how long each key took."""
    await asyncio.sleep(0.3)
    app.bytes = 0
    await app.timed(lambda: app.key("down"), done)
    found["bytes"] = app.bytes
    for what, names in (
        ("page down", ["pagedown"] * KEYS),
        ("held j", ["down"] * 2 * KEYS),
        ("last, first", [*ends] * 5),
    ):
        times = [await app.timed(lambda name=name: app.key(name), done) for name in names]  # type: ignore[misc]
        found[f"{what} median"] = statistics.median(times)
        found[f"{what} p95"] = statistics.quantiles(times, n=20)[-1]


async def measure_list(vault: Path) -> dict[str, float]:
    """Our own list."""
    found: dict[str, float] = {}
    browser = CandidateBrowser(vault)
    async with idle() as (app, before):
        candidates = CandidateList(browser, now=lambda: NOW)

        def done() -> bool:
            seen = candidates.rows_between(candidates.seen.start, candidates.seen.stop - 1)
            return bool(seen) and all(id_ in candidates.at_hand for id_ in seen)

        async def known(began: float) -> float:
            while not candidates.complete:
                app.news.clear()
                await app.news.wait()
            return (perf_counter() - began) * 1000

        async def view(name: str, act: Callable[[], None]) -> None:
            began = perf_counter()
            found[name] = await app.timed(act, done)
            found[f"{name} known"] = await known(began)

        began = perf_counter()
        found["first_paint"] = await app.timed(lambda: app.mount(candidates), done)
        found["ready"] = await known(began)
        candidates.focus()
        await quiet()
        await keys(app, found, done, ("end", "home"))
        await view("sort", lambda: candidates.sort_by(Column.SIZE, descending=True))
        await view("filter by prefix", lambda: candidates.set_filter_text("media/4"))
        await view("filter by words", lambda: candidates.set_filter_text("verdict:keep age>90d"))
        candidates.set_filter_text("")
        await quiet()
        await known(0.0)
        found["growth"] = memory() - before
    await browser.close()
    return found


def rows(vault: Path) -> Iterator[tuple[str, ...]]:
    """The same lines for the table."""
    with sqlite3.connect(vault / "catalogue.db") as connection:
        query = "SELECT verdict, size, modified, key FROM candidate ORDER BY key"
        for verdict, size, modified, key in connection.execute(query):
            age = display.age(NOW - scan_tables.time_of(modified))
            yield verdict, display.size(size), age, key


async def measure_table(vault: Path) -> dict[str, float]:
    """Textual's DataTable."""
    found: dict[str, float] = {}
    async with idle() as (app, before):
        table: DataTable[str] = DataTable(cursor_type="row")

        def fill() -> None:
            table.add_columns("VERDICT", "SIZE", "AGE", "KEY")
            table.add_rows(rows(vault))

        def shown() -> bool:
            return table.row_count > 0

        await app.mount(table)
        await quiet()
        found["first_paint"] = found["ready"] = await app.timed(fill, shown)
        table.focus()
        await quiet()
        await keys(app, found, shown, ("ctrl+end", "ctrl+home"))
        column = list(table.columns)[1]
        found["sort"] = found["sort known"] = await app.timed(lambda: table.sort(column), shown)
        found["growth"] = memory() - before
    return found


if __name__ == "__main__":
    kind, of_vault = sys.argv[1], Path(sys.argv[2])
    measured = asyncio.run((measure_list if kind == "list" else measure_table)(of_vault))
    print(json.dumps(measured), file=sys.__stdout__)
