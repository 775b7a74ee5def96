"""The follower of a SQLite file is killed at random moments while the application writes to it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random

from s3gc_core.config import Config
from s3gc_core.references import Registry
from tests.follow.application import bulk, make_tables
from tests.follow.child import Child, following
from tests.follow.comparing import drift, inexact
from tests.follow.kills import Outcome
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
            self._outcome.seconds = time.monotonic() - began
            began = time.monotonic()
            async with following(self._config, self._folder):
                self._outcome.differences = await self._differences(registry)
            self._outcome.keys = {stats.name: stats.keys for stats in await registry.stats()}
        self._outcome.catching_up_seconds = time.monotonic() - began
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
            found[:] = await drift(registry, self._config)
            return not found

        with suppress(TimeoutError):
            await until(is_exact)
        return found + await asyncio.to_thread(inexact, registry.path, await registry.stats())
