"""The soak can fail: it names what is lost without healing, and what is deleted without a check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from s3gc_core.actions.following import FollowEvent
from s3gc_core.clock import utc_now
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from tests.core.judgement.controlled import LAYERS, passes
from tests.follow.waiting import until
from tests.servers.app_database import AppDatabase
from tests.soak.application import TRACKED, Rows, Uploads, body, make_tables
from tests.soak.events import Event, Kind
from tests.soak.fast_clock import FastClock, living_fast
from tests.soak.oracle import Fate, after_healing, last_versions, lost, met, stored
from tests.soak.soak import following, soaked_config
from tests.soak.watching import Watched, watching
from tests.soak.writing import s3_client

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

KEYS = ("used", "chased", "late")
pytestmark = pytest.mark.parametrize("app_server", ["postgres"], indirect=True)


@dataclass(slots=True)
class Small:
    """Three objects, of which rows refer to `used`; nothing happens by itself."""

    config: Config
    app: AppDatabase
    s3: S3Client
    clock: FastClock
    rows: Rows
    uploads: Uploads
    log: list[Event]
    watched: Watched
    told: list[FollowEvent] = field(default_factory=list)

    async def refer_to(self, key: str) -> None:
        """A row more."""
        await self.rows.insert(Kind.INSERT, "files", key)

    async def delete(self, *first: str, between: Callable[[], None] = lambda: None) -> None:
        """Scan and execute, as soon as two objects may go; rows refer to `first` in between."""
        async with Collector.open(self.config, clock=self.clock) as collector:
            summary = await collector.scan()
            while summary.orphans < len(KEYS) - 1:
                summary = await collector.scan()
            for key in first:
                await self.refer_to(key)
            between()
            assert summary.plan_id is not None, summary.blocked
            plan = await collector.approve(summary.plan_id, reason="a test")
            await collector.execute(plan.plan_id, confirm=plan.confirmation)

    async def lost(self) -> dict[str, str]:
        """What the oracle says now."""
        return await lost(self.app, self.s3, self.config.bucket, last_versions(self.log))

    async def after_healing(self) -> dict[str, str]:
        """What it says when healing has had its time."""
        versions = last_versions(self.log)
        return await after_healing(self.app, self.s3, self.config.bucket, versions)

    async def returned(self, times: int) -> None:
        """Wait until the follower has told so many alarms."""

        async def told() -> bool:
            return sum(event.event == "returned" for event in self.told) == times

        await until(told)


@asynccontextmanager
async def small(
    config: Config, app: AppDatabase, *chased: str, **settings: Any
) -> AsyncIterator[Small]:
    """A small soak; rows refer to `chased` between last check and delete."""
    await make_tables(app)
    config = soaked_config(config, app.url, **settings)
    log: list[Event] = []
    rows = Rows(app, log, 1)

    async def chase(_: Sequence[str]) -> None:
        for key in chased:
            await rows.insert(Kind.CHASE, "links", key)

    clock, watched = FastClock(utc_now()), Watched(frozenset(KEYS))
    async with s3_client(config.endpoint_url, config.bucket) as s3:
        uploads = Uploads(s3, config.bucket, log)
        for key in KEYS:
            await uploads.upload(key)
        made = Small(config, app, s3, clock, rows, uploads, log, watched)
        for table in TRACKED:
            await rows.insert(Kind.INSERT, table, "used")
        with living_fast(clock), watching(watched, chase):
            async with following(config, clock, made.told.append):
                yield made


async def test_without_healing_it_is_lost(bucket_config: Config, app_database: AppDatabase) -> None:
    async with small(bucket_config, app_database, "chased", heal="alert") as soak:
        await soak.delete()
        assert await stored(soak.s3, soak.config.bucket) == {"used"}
        assert await soak.lost() == {"chased": "is not there"}
        await soak.refer_to("late")
        await soak.returned(2)
        assert await soak.lost() == {"chased": "is not there", "late": "is not there"}
        found = met(soak.log, soak.watched)
        assert found.wrong == []
        assert found.window == {Fate.MISSING: 1}
        assert found.fates == {Fate.MISSING: 2}


async def test_with_healing_nothing_is_lost(
    bucket_config: Config, app_database: AppDatabase
) -> None:
    async with small(bucket_config, app_database, "chased") as soak:
        await soak.delete()
        await soak.refer_to("late")
        assert await soak.after_healing() == {}
        assert await stored(soak.s3, soak.config.bucket) == set(KEYS)
        found = met(soak.log, soak.watched)
        assert found.wrong == []
        assert found.window == {Fate.BROUGHT_BACK: 1}
        assert found.fates == {Fate.BROUGHT_BACK: 2}


async def test_other_bytes_are_a_loss(bucket_config: Config, app_database: AppDatabase) -> None:
    async with small(bucket_config, app_database) as soak:
        await soak.uploads.upload("used")
        assert await soak.lost() == {}
        old = body("used", 1)
        await soak.s3.put_object(Bucket=soak.config.bucket, Key="used", Body=old)
        assert await soak.lost() == {"used": f"holds other bytes: {old[:60]!r}"}


async def test_a_deletion_without_a_check_is_wrong(
    bucket_config: Config, app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small(bucket_config, app_database, heal="alert") as soak:

        def take_out_the_check() -> None:
            for layer in ("registry_layer", "database_layer"):
                monkeypatch.setattr(LAYERS + layer, passes)

        await soak.delete("late", between=take_out_the_check)
        assert met(soak.log, soak.watched).wrong == ["late"]


async def test_what_is_referred_to_before_the_check_is_kept(
    bucket_config: Config, app_database: AppDatabase
) -> None:
    async with small(bucket_config, app_database, heal="alert") as soak:
        await soak.delete("late")
        assert await stored(soak.s3, soak.config.bucket) == {"used", "late"}
        assert met(soak.log, soak.watched).fates == {}
