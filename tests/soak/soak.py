"""One soak: the application writes, s3gc follows, scans and deletes; then everything is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from s3gc_core.actions.following import FollowEvent
from s3gc_core.clock import Clock, utc_now
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.errors import VaultBusy
from tests.servers.app_database import AppDatabase
from tests.soak.application import TRACKED, Rows, all_keys, make_tables
from tests.soak.events import Event, Kind, load
from tests.soak.fast_clock import FastClock, living_fast
from tests.soak.oracle import after_healing, last_versions, met, stored
from tests.soak.outcome import Outcome
from tests.soak.watching import Watched, watching
from tests.soak.writing import Application, s3_client, writing

Done = TypeVar("Done")
WRITERS = 4
# In days, which are seconds here.
RETENTION_DAYS = 2
# So many of each batch are referred to again when the delete is about to be sent.
_CHASED, _CHASING_ROWS = 5, 30
_WAIT_SECONDS = 0.05
_SMALL = 0.0001


def soaked_config(config: Config, url: str, **settings: Any) -> Config:
    """A configuration for a soak in that bucket."""
    given: dict[str, Any] = {
        "bucket": config.bucket,
        "endpoint_url": config.endpoint_url,
        "vault_path": str(config.vault_path),
        "mode": "execute",
        "retention_days": RETENTION_DAYS,
        "plan_lifetime_hours": 720,
        "heal": "restore",
        "database": {"url": url, "cdc": True},
        "tables": TRACKED,
        "compression_level": 3,
        # Rows come and go as they like here: what guards say of that is proven elsewhere.
        "guards": {
            "max_share": 1.0,
            "source_shrunk_share": _SMALL,
            "listing_shrunk_share": _SMALL,
            "reverse_match_share": _SMALL,
            "reverse_match_drop": 1.0,
        },
        **settings,
    }
    return create_config(**given)


@dataclass(slots=True)
class Chaser:
    """A writer that refers to objects between their last check and their delete."""

    rows: Rows

    async def chase(self, keys: Sequence[str]) -> None:
        """Some keys of a batch."""
        for key in keys[:: max(1, len(keys) // _CHASED)][:_CHASED]:
            await self.rows.insert(Kind.CHASE, "files", key)
        while len(self.rows.held) > _CHASING_ROWS:
            await self.rows.delete(*next(iter(self.rows.held)))


@asynccontextmanager
async def following(
    config: Config, clock: Clock, told: Callable[[FollowEvent], None] = lambda _: None
) -> AsyncIterator[None]:
    """Meanwhile s3gc follows, and heals, as a service beside the scans would."""
    follows = asyncio.Event()

    def hear(event: FollowEvent) -> None:
        if event.event == "following":
            follows.set()
        told(event)

    async with Collector.open(config, clock=clock) as collector:
        service = asyncio.create_task(collector.follow(hear))
        begun = asyncio.create_task(follows.wait())
        try:
            await asyncio.wait([service, begun], return_when=asyncio.FIRST_COMPLETED)
            assert not service.done(), service
            yield
            assert not service.done(), service
        finally:
            for task in (service, begun):
                task.cancel()
            await asyncio.gather(service, begun, return_exceptions=True)


class Soak:
    """One run over a bucket and a database of its own."""

    def __init__(
        self, config: Config, app: AppDatabase, folder: Path, *, keys: int, seed: int
    ) -> None:
        self._config = config
        self._app = app
        self._log = folder / "events"
        self._seed = seed
        self._clock = FastClock(utc_now())
        self._own: list[Event] = []
        self._watched = Watched(frozenset(all_keys(keys)))
        self._outcome = Outcome(app.engine.value)

    async def run(
        self, *, events: int, executions: int, told: Callable[[str], None] = lambda _: None
    ) -> Outcome:
        """Until there were so many events, and so many executions that deleted something. `told`
        hears in words, now and then, how far it is.
        """
        await make_tables(self._app)
        began = time.monotonic()
        chaser = Chaser(Rows(self._app, self._own, WRITERS + 2))
        living = living_fast(self._clock)
        with living, watching(self._watched, chaser.chase):
            async with writing(
                self._app.url,
                self._config,
                self._log,
                keys=len(self._watched.keys),
                writers=WRITERS,
                seed=self._seed,
            ) as application:
                await application.ready()
                async with following(self._config, self._clock):
                    await self._loop(application, events, executions, told)
                    await application.stop()
                    self._outcome.seconds = time.monotonic() - began
                    await self._judge()
        return self._outcome

    async def _loop(
        self,
        application: Application,
        events: int,
        executions: int,
        told: Callable[[str], None],
    ) -> None:
        listening = asyncio.create_task(application.listen())
        try:
            async with Collector.open(self._config, clock=self._clock) as collector:
                while application.events < events or self._outcome.executions < executions:
                    assert not listening.done(), "the application ended by itself"
                    await self._cycle(collector)
                    deleted = len(self._watched.deletions)
                    told(f"{application.events} events, {deleted} objects deleted")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _cycle(self, collector: Collector) -> None:
        summary = await self._when_free(collector.scan)
        self._outcome.scans += 1
        assert summary.blocked == [], summary.blocked
        if summary.plan_id is None:
            return
        plan = await collector.approve(summary.plan_id, reason="a soak")
        execute = partial(collector.execute, plan.plan_id, confirm=plan.confirmation)
        executed = await self._when_free(execute)
        self._outcome.executions += executed.counts.get("deleted", 0) > 0
        self._outcome.results.update(executed.counts)

    async def _when_free(self, operation: Callable[[], Awaitable[Done]]) -> Done:
        """Whoever heals holds the vault: try again, as the refusal says."""
        while True:
            try:
                return await operation()
            except VaultBusy:
                self._outcome.waits += 1
                await asyncio.sleep(_WAIT_SECONDS)

    async def _judge(self) -> None:
        """Wait for the healing of what is referred to; and then of all that was ever deleted."""
        written = await asyncio.to_thread(load, self._log)
        versions = last_versions(written)
        bucket = self._config.bucket
        async with s3_client(self._config.endpoint_url, bucket) as s3:
            self._outcome.lost = await after_healing(self._app, s3, bucket, versions)
            self._count([*written, *self._own])
            missing = sorted(versions.keys() - await stored(s3, bucket))
            rows = Rows(self._app, [], WRITERS + 3)
            for key in missing:
                await rows.insert(Kind.INSERT, "files", key)
            self._outcome.asked_at_last = len(missing)
            self._outcome.lost_at_last = await after_healing(self._app, s3, bucket, versions)

    def _count(self, events: Sequence[Event]) -> None:
        counted = (str(event.kind) for event in events if event.kind is not Kind.UPLOAD)
        self._outcome.events.update(counted)
        self._outcome.deletions = len(self._watched.deletions)
        self._outcome.met = met(events, self._watched)
