"""The follower is killed at random moments while the application writes, and started again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from random import Random

from s3gc_core.config import Config
from s3gc_core.references import Registry
from tests.follow.application import make_tables
from tests.follow.child import Child, following
from tests.follow.comparing import compared_lines, database_time, differences
from tests.follow.workload import Workload, working
from tests.servers.app_database import AppDatabase


class Moment(StrEnum):
    """What the follower was at when it was killed."""

    START = "start"
    LOAD = "load"
    BULK = "bulk"
    STREAM = "stream"
    IDLE = "idle"


# How long after the moment came a kill may come at most, in seconds.
_LATE = {Moment.LOAD: 0.4, Moment.BULK: 2.5, Moment.STREAM: 0.4}


@dataclass(slots=True)
class Outcome:
    """What a run of kills came to. `hit` counts the kills by what was under way: of a server's
    follower its `Moment`, of a file's what it had told last.
    """

    differences: list[str] = field(default_factory=list)
    hit: Counter[str] = field(default_factory=Counter)
    statements: int = 0
    bulk_rows: int = 0
    seconds: float = 0.0
    catching_up_seconds: float = 0.0
    keys: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For people."""
        rate = (self.statements + self.bulk_rows) / self.seconds
        hits = ", ".join(f"{count} {what}" for what, count in sorted(self.hit.items()))
        written = f"{self.statements:,} statements and {self.bulk_rows:,} rows in bulk transactions"
        return [
            f"{written} in {self.seconds:.1f} s ({rate:,.0f} a second)",
            f"{self.hit.total()} kills: {hits}",
            f"came to now in {self.catching_up_seconds:.1f} s",
            *compared_lines(self.keys, self.differences),
        ]


class Killing:
    """One run. `config` tracks the tables of `application`, and follows."""

    def __init__(self, config: Config, app: AppDatabase, folder: Path, seed: int) -> None:
        self._config = config
        self._app = app
        self._folder = folder
        self._seed = seed
        self._chance = Random(f"kills {seed}")
        self._outcome = Outcome()
        self._bulk_done: datetime | None = None
        self._altered = 0

    async def run(self, *, changes: int, kills: int, bulk: int, writers: int = 3) -> Outcome:
        """So many statements and kills, with bulk transactions of so many rows."""
        began = time.monotonic()
        await make_tables(self._app)
        async with AsyncExitStack() as stack:
            registry = await Registry.open(self._config.vault_path)
            stack.push_async_callback(registry.close)
            work = await stack.enter_async_context(
                working(
                    self._app.url,
                    seed=self._seed,
                    writers=writers,
                    overlapping=self._seed % 2 == 0,
                )
            )
            portion = max(changes // (kills + 1), 1)
            await work.write(portion)
            for number in range(kills):
                await self._kill(registry, work, number, portion, bulk)
            self._outcome.statements = work.written
            self._outcome.seconds = time.monotonic() - began
            began = time.monotonic()
            async with following(self._config, self._folder) as child:
                await child.until("following")
                self._outcome.differences = await differences(registry, self._config, self._app)
            self._outcome.keys = {stats.name: stats.keys for stats in await registry.stats()}
        self._outcome.catching_up_seconds = time.monotonic() - began
        return self._outcome

    async def _kill(
        self, registry: Registry, work: Workload, number: int, portion: int, bulk: int
    ) -> None:
        """Follow while a portion is written, until the kill."""
        wanted = (Moment.LOAD, Moment.BULK, Moment.STREAM)[number % 3]
        if wanted is Moment.LOAD:
            await self._make_read_again()
        async with following(self._config, self._folder) as child:
            doing = [asyncio.create_task(work.write(portion // 2))]
            try:
                await child.until("loading" if wanted is Moment.LOAD else "following")
                doing.append(asyncio.create_task(work.write(portion // 2)))
                if wanted is Moment.BULK:
                    doing.append(asyncio.create_task(self._bulk(work, bulk)))
                # No waiting for luck: this is the moment of the kill.
                await asyncio.sleep(self._chance.uniform(0, _LATE[wanted]))
                moment = await self._moment(child, registry, doing)
                await child.kill()
                self._outcome.hit[moment] += 1
                await asyncio.gather(*doing)
            finally:
                for task in doing:
                    task.cancel()
                await asyncio.gather(*doing, return_exceptions=True)

    async def _make_read_again(self) -> None:
        """A table's definition changes: it has to be read as a whole."""
        table = ("photos", "links", "files", "posts", "pages")[self._altered % 5]
        self._altered += 1
        await self._app.execute(f"ALTER TABLE {table} ADD COLUMN extra_{self._altered} int")

    async def _bulk(self, work: Workload, rows: int) -> None:
        await work.bulk(rows)
        self._outcome.bulk_rows += rows
        self._bulk_done = await database_time(self._app)

    async def _moment(
        self, child: Child, registry: Registry, doing: list[asyncio.Task[None]]
    ) -> Moment:
        if child.phase in ("", "loading"):
            return Moment.LOAD if child.phase else Moment.START
        state = (await registry.streams())["main"]
        told, done = state.told_at, self._bulk_done
        if not all(task.done() for task in doing[2:]) or (done and (told is None or told < done)):
            return Moment.BULK
        return Moment.IDLE if doing[1].done() else Moment.STREAM
