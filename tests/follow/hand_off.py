"""The hand-off from load to stream: writers change a table while it is read as a whole."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from s3gc_core.config import Config
from s3gc_core.references import Registry
from s3gc_core.references.loading import KEPT_EDGES
from tests.follow import application
from tests.follow.application import BULK_FROM, bulk, make_tables
from tests.follow.child import following
from tests.follow.comparing import compared_lines, count, differences
from tests.follow.waiting import until
from tests.follow.workload import working
from tests.servers.app_database import AppDatabase

TRACKED = {"photos": application.TRACKED["photos"]}
# What is written before anybody follows.
_PORTION = 200
_EDGES = "SELECT count(*) FROM edge"


@dataclass(slots=True)
class HandedOff:
    """What came of it. `was_loading`: the kill hit the load; `stayed`: edges of it that stayed."""

    differences: list[str] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    statements: int = 0
    was_loading: bool = False
    stayed: int = 0
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.statements:,} statements during the loads, {self.seconds:.1f} s",
            f"the kill hit {'the load' if self.was_loading else 'no load'}",
            f"{self.stayed:,} edges stayed",
            *compared_lines(self.keys, self.differences),
        ]


async def load_under_writers(
    config: Config, app: AppDatabase, folder: Path, *, seed: int, rows: int
) -> HandedOff:
    """Load a table of so many rows under three writers; the first try is killed: of many rows once
    some of it stays.

    `config` tracks `TRACKED`, and follows.
    """
    outcome = HandedOff()
    began = time.monotonic()
    await make_tables(app)
    filling = bulk(app.engine, 0, rows)
    await app.execute(filling.sql)
    registry = await Registry.open(config.vault_path)
    try:
        numbers = range(BULK_FROM, BULK_FROM + rows)
        async with working(app.url, seed=seed, rows=numbers) as work:
            await work.write(_PORTION)
            async with work.meanwhile():
                async with following(config, folder) as child:
                    await child.until("loading")
                    if rows > 2 * KEPT_EDGES:
                        await until(lambda: _has_edges(registry))
                    await child.kill()
                    outcome.was_loading = child.phase == "loading"
                outcome.stayed = await asyncio.to_thread(count, registry.path, _EDGES)
                before = work.written
                async with following(config, folder) as child:
                    await child.until("following")
                outcome.statements = work.written - before
            async with following(config, folder) as child:
                await child.until("following")
                outcome.differences = await differences(registry, config, app)
        outcome.keys = {stats.name: stats.keys for stats in await registry.stats()}
    finally:
        await registry.close()
    outcome.seconds = time.monotonic() - began
    return outcome


async def _has_edges(registry: Registry) -> bool:
    return await asyncio.to_thread(count, registry.path, _EDGES) > 0
