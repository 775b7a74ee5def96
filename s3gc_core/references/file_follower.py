"""Keeping the registry true to a SQLite database: its file is looked at, and read when it changed.

A scan reads it all the same, since no other process can say that nothing changed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from s3gc_core.clock import Clock
from s3gc_core.config import SourceConfig
from s3gc_core.databases import Database, FileWatch
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.follower import Phase, Told
from s3gc_core.references.refreshing import refresh
from s3gc_core.references.registry import Registry

LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class FileFollower:
    """Keeps the registry true to one SQLite file."""

    registry: Registry
    database: Database
    open_watch: Callable[[], AbstractAsyncContextManager[FileWatch]]
    sources: Sequence[SourceConfig]
    names: BucketNames
    clock: Clock
    told: Told = lambda _database, _phase: None

    async def run(self) -> None:
        """Follow until cancelled. Raises what reading a source raises."""
        read: object = None
        async with self.open_watch() as watch:
            while True:
                # Looked at before the rows: what is written meanwhile is noticed by the next look.
                version = await watch.version()
                if version != read:
                    self.told(self.database.name, Phase.LOADING)
                    await self._read()
                    read = version
                    self.told(self.database.name, Phase.FOLLOWING)
                await asyncio.sleep(LOOK_SECONDS)

    async def _read(self) -> None:
        own = [source for source in self.sources if source.database == self.database.name]
        await refresh(
            self.registry, [self.database], own, self.names, began_at=self.clock.now(), keep=None
        )
