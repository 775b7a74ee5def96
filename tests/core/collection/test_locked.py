"""Object Lock: what is held or retained is kept, on both servers; both answer as S3 does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.actions.checks import Check
from s3gc_core.actions.doctor import examine
from s3gc_core.bucket import Bucket, BucketLock, ObjectHeaders, in_force, probe_store
from s3gc_core.bucket.objects import ObjectLock
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config, Mode
from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.core.bucket import listed_keys, plain_client
from tests.core.judgement.controlled import rows
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, running_proxy
from tests.servers.seaweed import S3Server
from tests.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = b"12345"
HEADERS = ObjectHeaders(content_type="text/x")
LOCKED = {"held", "retained"}
FREE = {"free", "expired", "released"}


@pytest.fixture(params=["seaweed", "ministack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn."""
    # Not async: only outside of the event loop can another async fixture be asked for by name.
    found: S3Server = request.getfixturevalue(request.param)
    return found


async def lock_bucket(config: Config) -> Config:
    """A bucket beside that of `config` in which objects can be locked."""
    locking = replace(config, bucket=f"{config.bucket}-lock")
    async with plain_client(config) as s3:
        await s3.create_bucket(Bucket=locking.bucket, ObjectLockEnabledForBucket=True)
    return locking


async def locked_world(config: Config, folder: Path) -> World:
    """A world with an object of each kind, and ten days on.

    One retention really ends: by its own clock ministack, unlike S3, refuses a marker before that.
    """
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(folder / "app.db")).render())
    world = World(config, database)
    await rows(world, "used")
    world.track({"t": ["k"]})
    now = datetime.now(UTC)
    end = now.replace(microsecond=0) + timedelta(seconds=2)
    locks: dict[str, Any] = {
        "free": {},
        "expired": until(end),
        "retained": until(now + timedelta(days=15)),
        "held": {"ObjectLockLegalHoldStatus": "ON"},
        "released": {"ObjectLockLegalHoldStatus": "ON"},
    }
    async with plain_client(config) as s3:
        for key, lock in locks.items():
            await s3.put_object(
                Bucket=config.bucket, Key=key, Body=BODY, ContentType="text/x", **lock
            )
        await s3.put_object_legal_hold(
            Bucket=config.bucket, Key="released", LegalHold={"Status": "OFF"}
        )
    # A second more: for who counts whole ones, and for a clock that is set a little meanwhile.
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 1)
    world.days(10)
    return world


def until(date: datetime) -> dict[str, Any]:
    return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": date}


@pytest.fixture
async def world(make_bucket: MakeBucket, server: S3Server, tmp_path: Path) -> AsyncIterator[World]:
    made = await locked_world(await lock_bucket(await make_bucket(server)), tmp_path)
    yield made
    async with plain_client(made.config) as s3:
        # So that the bucket can go with the server's others.
        await s3.put_object_legal_hold(
            Bucket=made.config.bucket, Key="held", LegalHold={"Status": "OFF"}
        )
    await made.app.close()


async def reasons(world: World, operation_id: str) -> dict[str, str]:
    async with world.collector() as collector:
        return {
            result.key: result.reason
            async for page in collector.results(operation_id)
            for result in page
        }


async def test_what_is_locked_is_kept_and_what_is_not_goes(world: World) -> None:
    scan = await world.scan()
    assert scan.plan_id is not None
    world.change(mode=Mode.AUDIT_ONLY)
    told = await world.execute(scan.plan_id)
    expected = dict.fromkeys(FREE, "would-delete") | dict.fromkeys(LOCKED, "kept")
    assert await world.outcomes(told.operation_id) == expected

    world.change(mode=Mode.EXECUTE)
    done = await world.collect()
    expected = dict.fromkeys(FREE, "deleted") | dict.fromkeys(LOCKED, "kept")
    assert await world.outcomes(done.operation_id) == expected
    assert await world.keys() == LOCKED
    said = await reasons(world, done.operation_id)
    assert said["held"] == "Object Lock: it is under a legal hold"
    assert said["retained"].startswith("Object Lock: it is retained until 20")
    assert said["retained"].endswith("UTC (GOVERNANCE)")

    restored = await world.restore(*FREE)
    assert (restored.counts, restored.unhidden) == ({"restored": 3}, 3)
    assert await world.contents("expired") == (BODY, HEADERS)


async def test_a_lock_that_may_not_be_asked_is_no_answer(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> None:
    """The proxy refuses as S3 does where s3:GetObjectRetention is missing."""

    async def refuse(exchange: Exchange) -> None:
        query = exchange.path.partition("?")[2]
        # Not the bucket's either: then each object has to be asked.
        if query == "object-lock" or (query == "retention" and "/free" in exchange.path):
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    config = await lock_bucket(await make_bucket(ministack))
    async with running_proxy(config.endpoint_url) as proxy:
        through = replace(config, endpoint_url=proxy.endpoint)
        world = await locked_world(through, tmp_path)
        proxy.before = refuse
        done = await world.collect()
        said = await reasons(world, done.operation_id)
        assert await world.outcomes(done.operation_id) == {
            "free": "failed",
            "expired": "deleted",
            "released": "deleted",
            **dict.fromkeys(LOCKED, "kept"),
        }
        assert "the retention of 'free'" in said["free"]
        assert "AccessDenied" in said["free"]
        check = await doctor_on_locks(world.config)
        assert (check.ok, "each object is asked" in check.detail) == (True, True)
        await world.app.close()


async def test_where_nothing_can_be_locked_unasked_objects_go(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> None:
    """Without the right to ask the bucket, each object says that the bucket locks nothing."""

    async def refuse(exchange: Exchange) -> None:
        if exchange.path.endswith("?object-lock"):
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    async with running_proxy(config.endpoint_url) as proxy:
        proxy.before = refuse
        world = World(replace(config, endpoint_url=proxy.endpoint), database)
        await rows(world, "used")
        world.track({"t": ["k"]})
        await world.put("free", BODY, HEADERS)
        world.days(10)
        done = await world.collect()
        assert await world.outcomes(done.operation_id) == {"free": "deleted"}
        assert [e for e in proxy.seen if e.path.endswith("/free?legal-hold")]
        await world.app.close()


async def doctor_on_locks(config: Config) -> Check:
    return next(c for c in [c async for c in examine(config)] if c.name == "object lock")


async def test_the_doctor_and_a_restore_tell_of_the_default_retention(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = await make_bucket(ministack)
    world = await locked_world(await lock_bucket(plain), tmp_path)
    await world.collect()
    await retain_by_default(world.config)
    async with world.bucket() as bucket:
        assert await bucket.bucket_lock() == BucketLock(True, "GOVERNANCE, 3 days")
    assert "locked anew (GOVERNANCE, 3 days)" in (await doctor_on_locks(world.config)).detail
    assert "off" in (await doctor_on_locks(plain)).detail
    with caplog.at_level("WARNING"):
        assert (await world.restore("free")).counts == {"restored": 1}
    assert "restored_objects_are_locked" in caplog.text
    await world.app.close()


async def retain_by_default(config: Config) -> None:
    rule: Any = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    async with plain_client(config) as s3:
        await s3.put_object_lock_configuration(
            Bucket=config.bucket,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )


async def test_what_is_written_gets_the_default_retention_and_nothing_else(world: World) -> None:
    bucket = world.config.bucket
    async with plain_client(world.config) as s3:
        gone = (await s3.head_object(Bucket=bucket, Key="expired"))["VersionId"]
        await world.collect()
        await s3.delete_object(Bucket=bucket, Key="expired", VersionId=gone)
    await retain_by_default(world.config)
    restored = await world.restore("free", "expired")
    assert (restored.counts, restored.unhidden) == ({"restored": 2}, 1)
    assert await world.contents("expired") == (BODY, HEADERS)
    async with world.bucket() as opened:
        locks = [await opened.object_lock(key, enabled=True) for key in ("free", "expired")]
    assert [(lock.mode, lock.legal_hold) for lock in locks] == [
        (None, False),
        ("GOVERNANCE", False),
    ]


async def test_scratch_objects_that_are_retained_are_told(
    make_bucket: MakeBucket, seaweed: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    """ministack, unlike S3, refuses a marker over what is retained."""
    config = await lock_bucket(await make_bucket(seaweed))
    await retain_by_default(config)
    async with Bucket.open(config, SystemClock()) as bucket:
        with caplog.at_level("WARNING"):
            assert (await probe_store(bucket)).safe
        assert await listed_keys(bucket) == []
    assert caplog.text.count("probe_versions_left") == 1


@pytest.mark.parametrize(
    ("mode", "until", "hold", "kept"),
    [
        (None, None, False, None),
        (None, None, True, "legal hold"),
        ("GOVERNANCE", NOW, False, None),
        ("COMPLIANCE", NOW - timedelta(seconds=1), False, None),
        ("COMPLIANCE", NOW - timedelta(seconds=1), True, "legal hold"),
        ("COMPLIANCE", NOW + timedelta(seconds=1), False, "retained until"),
        (None, NOW + timedelta(seconds=1), False, "retained until"),
        ("GOVERNANCE", None, False, "does not say until when"),
    ],
)
def test_which_lock_is_in_force(
    mode: str | None, until: datetime | None, hold: bool, kept: str | None
) -> None:
    said = in_force(ObjectLock(mode, until, hold, NOW))
    assert (said is None) == (kept is None)
    assert (kept or "") in (said or "")
