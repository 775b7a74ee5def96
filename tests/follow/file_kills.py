"""The follower of a SQLite file is killed at random moments while the application writes to it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from s3gc_core.config import Config
from s3gc_core.references import Registry
from tests.follow.application import bulk, make_tables
from tests.follow.child import Child, following
from tests.follow.comparing import compared_lines, drift, inexact
from tests.follow.waiting import until
from tests.follow.workload import ROWS, Writer
from tests.servers.app_database import AppDatabase

# How long a follower may live once it reads, in seconds.
_LIVES = 0.5


class FileSession(AppDatabase):
    """One session with a SQLite file, in which a transaction stays open."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    async def execute(self, sql: str, *params: object) -> list[tuple[object, ...]]:
        """Run one statement, in a thread: who reads the file goes on."""
        return await asyncio.to_thread(lambda: self._session.execute(sql, params).fetchall())

    async def close(self) -> None:
        """End the session."""
        self._session.close()


@dataclass(slots=True)
class Outcome:
    """What a run came to. `hit` counts the kills by what the follower had told last."""

    differences: list[str] = field(default_factory=list)
    hit: Counter[str] = field(default_factory=Counter)
    statements: int = 0
    bulk_rows: int = 0
    seconds: float = 0.0
    keys: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For people."""
        hits = ", ".join(f"{count} {phase}" for phase, count in sorted(self.hit.items()))
        written = f"{self.statements:,} statements and {self.bulk_rows:,} rows in bulk transactions"
        return [
            f"{written} in {self.seconds:.1f} s",
            f"{self.hit.total()} kills: {hits}",
            *compared_lines(self.keys, self.differences),
        ]


class FileKilling:
    """One run. `config` tracks the tables of `application` in the file of `app`, and follows."""

    def __init__(self, config: Config, app: AppDatabase, folder: Path, seed: int) -> None:
        self._config = config
        self._app = app
        self._folder = folder
        self._chance = Random(f"file kills {seed}")
        self._outcome = Outcome()

    async def run(self, *, changes: int, kills: int, bulk_rows: int) -> Outcome:
        """So many statements and kills; every third portion has a bulk transaction."""
        began = time.monotonic()
        await make_tables(self._app)
        async with AsyncExitStack() as stack:
            registry = await Registry.open(self._config.vault_path)
            stack.push_async_callback(registry.close)
            session = FileSession(self._app.url)
            stack.push_async_callback(session.close)
            writer = Writer(session, self._chance, ROWS)
            for number in range(kills):
                async with following(self._config, self._folder) as child:
                    await child.until("loading")
                    dying = asyncio.create_task(self._kill(child))
                    await self._write(writer, changes // kills)
                    if number % 3 == 0:
                        await session.execute(bulk(session.engine, number // 3, bulk_rows).sql)
                        self._outcome.bulk_rows += bulk_rows
                    await dying
            async with following(self._config, self._folder):
                self._outcome.differences = await self._differences(registry)
            self._outcome.keys = {stats.name: stats.keys for stats in await registry.stats()}
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    async def _write(self, writer: Writer, statements: int) -> None:
        enough = self._outcome.statements + statements
        while self._outcome.statements < enough:
            self._outcome.statements += await writer.transaction()

    async def _kill(self, child: Child) -> None:
        # No waiting for luck: this is the moment of the kill.
        await asyncio.sleep(self._chance.uniform(0, _LIVES))
        self._outcome.hit[child.phase] += 1
        await child.kill()

    async def _differences(self, registry: Registry) -> list[str]:
        """In what the registry is not exact once it has had the time to become so."""
        found: list[str] = []

        async def is_exact() -> bool:
            drifted = await drift(registry, self._config)
            found[:] = [f"{d.kind} {d.source} row {d.row!r} {d.key}" for d in drifted]
            return not found

        with suppress(TimeoutError):
            await until(is_exact)
        return found + await asyncio.to_thread(inexact, registry.path, await registry.stats())
