"""The servers that the machine's worlds stand on, one world after the other."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.clock import ShiftedClock
from s3gc_core.config import Config
from s3gc_core.databases import DatabaseUrl, Engine
from tests.model.application import CDN, TRACKED, Application, Rows
from tests.model.dated_store import dated
from tests.model.driver import Driver
from tests.model.world_model import DAY, PROTECTED, RETENTION, WorldModel
from tests.servers.app_database import AppDatabase
from tests.world import World

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

SMALL = 0.0001


class Ground:
    """A bucket and a database, emptied for each world. `counts` and `last` outlive the worlds."""

    def __init__(self, config: Config, s3: S3Client, database: AppDatabase, folder: Path) -> None:
        self.config = config
        self.s3 = s3
        self.database = database
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=80)

    @asynccontextmanager
    async def world(self) -> AsyncIterator[Driver]:
        """A new world with a vault of its own."""
        clock, model = ShiftedClock(), WorldModel()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            await self._empty()
            rows = Rows(self.database)
            stack.callback(rows.close)
            await rows.empty()
            app = Application(model, rows, self.s3, self.config.bucket, clock, self.counts)
            app.last = self.last
            stack.enter_context(dated(app.uploaded_at_shift, clock))
            collector = await stack.enter_async_context(self._tracked(folder, clock).collector())
            driver = Driver(model, app, collector, folder)
            await driver.begin()
            self.counts["worlds"] += 1
            yield driver

    def _tracked(self, folder: Path, clock: ShiftedClock) -> World:
        vault = folder / "vault"
        vault.mkdir(mode=0o700)
        world = World(self.config, self.database, clock)
        world.change(vault_path=vault)
        world.track(
            TRACKED,
            retention_days=int(RETENTION / DAY),
            exclude_prefixes=[PROTECTED],
            cdn_bases=[CDN],
            # Rows come and go as they like here: what guards say of that is proven elsewhere.
            guards={
                "max_share": 1.0,
                "source_shrunk_share": SMALL,
                "listing_shrunk_share": SMALL,
                "reverse_match_share": SMALL,
                "reverse_match_drop": 1.0,
            },
        )
        return world

    async def _empty(self) -> None:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.config.bucket)
        async for page in pages:
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if keys:
                gone = {"Objects": keys, "Quiet": True}
                answer = await self.s3.delete_objects(Bucket=self.config.bucket, Delete=gone)  # type: ignore[arg-type]
                assert "Errors" not in answer, answer


def sqlite_in(folder: Path) -> AppDatabase:
    """The application's database as a file."""
    return AppDatabase(DatabaseUrl(Engine.SQLITE, str(folder / "app.db")).render())
