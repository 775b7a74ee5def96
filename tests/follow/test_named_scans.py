"""Scans beside a follower, and beside transactions that no stream has told yet."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from s3gc_core.actions import streams
from s3gc_core.actions.doctor_following import following_checks
from s3gc_core.actions.following import FollowEvent
from s3gc_core.actions.parts import Parts
from s3gc_core.collector import Collector
from s3gc_core.databases import Database, Following
from s3gc_core.jobs import FOLLOWER_FILE, lease_holder
from tests.follow.child import following
from tests.follow.shop import NEVER_USED, ROWS, TABLES, Shop
from tests.follow.waiting import LIMIT_SECONDS
from tests.servers.app_database import AppDatabase


async def test_a_scan_waits_for_the_process_that_follows(shop: Shop, tmp_path: Path) -> None:
    vault = shop.world.config.vault_path
    async with following(shop.world.config, tmp_path, shop.world.clock.shift) as child:
        await child.until("following")
        holder = lease_holder(vault, FOLLOWER_FILE)
        assert holder is not None
        assert holder.what == "follow"
        for row in range(1, 4):
            await shop.app.execute("UPDATE photos SET path = 'next.jpg' WHERE id = ?", row)
            await shop.scan_is_exact(*(f"photo-{n}.jpg" for n in range(1, row + 1)))
        assert lease_holder(vault, FOLLOWER_FILE) == holder
        assert [event.event for event in child.events] == ["loading", "following"]


async def test_a_scan_alone_follows_by_itself(shop: Shop) -> None:
    for row in range(1, 4):
        await shop.scan_is_exact(*(f"photo-{n}.jpg" for n in range(1, row)))
        await shop.app.execute("UPDATE photos SET path = 'next.jpg' WHERE id = ?", row)
    assert lease_holder(shop.world.config.vault_path, FOLLOWER_FILE) is None


async def test_what_keeps_a_server_from_being_followed_is_said(postgres_shop: Shop) -> None:
    """Scans read it as a whole then."""
    shop = postgres_shop
    await shop.app.execute("CREATE SCHEMA s3gc")
    await shop.app.execute("CREATE TABLE s3gc.heartbeat (name text)")
    shop.accept_coverage()
    await shop.scan_is_exact()
    async with shop.world.collector() as collector:
        [stream] = await collector.stream_status()
    assert (stream.state, stream.true_at) == ("not begun", None)
    assert stream.detail.startswith("s3gc.heartbeat is not the table that we make (DROP TABLE")


async def test_a_server_that_keeps_much_for_us(
    postgres_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Said by the doctor, by who follows and by each scan; the bound is the operator's."""
    shop, world = postgres_shop, postgres_shop.world
    database = {"url": shop.app.url, "cdc": True, "max_kept_bytes": 1 << 20}
    world.track(TABLES, database=database)
    await shop.scan_is_exact()
    assert "log_kept" not in caplog.text
    numbers = "generate_series(1, 2000) AS numbers (n)"
    await shop.app.execute(f"CREATE TABLE big AS SELECT repeat(md5(n::text), 9) FROM {numbers}")
    async with world.collector() as collector:
        [stream] = await collector.stream_status()
        assert (stream.is_much_kept, stream.is_too_much_kept) == (True, False)
        checks = [check async for check in following_checks(world.config)]
        [kept] = [check for check in checks if "the server keeps" in check.detail]
        assert not kept.ok
        assert "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'" in kept.detail
        events: asyncio.Queue[FollowEvent] = asyncio.Queue()
        following = asyncio.create_task(collector.follow(events.put_nowait))
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await events.get()).event != "kept":
                pass
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await shop.app.execute("INSERT INTO big SELECT * FROM big")
    caplog.clear()
    await world.scan()
    assert "log_kept" in caplog.text


async def test_what_is_in_the_way_is_not_asked_to_know_what_is_kept(
    postgres_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is asked of servers that keep something, by each scan and by who follows."""
    asked: list[str] = []
    in_the_way = streams._in_the_way

    async def counted(parts: Parts, database: Database, following: Following) -> str:
        asked.append(database.name)
        return await in_the_way(parts, database, following)

    monkeypatch.setattr(streams, "_in_the_way", counted)
    shop = postgres_shop
    await shop.scan_is_exact()
    await shop.reload()
    assert asked == []
    await shop.forget()
    async with shop.world.collector() as collector:
        assert [stream.state for stream in await collector.stream_status()] == ["not begun"]
    assert asked == ["main"]


async def test_nobody_follows_while_the_registry_is_rebuilt(shop: Shop) -> None:
    """What a stream told then would bring rows back to an older state."""
    await shop.scan_is_exact()
    vault = shop.world.config.vault_path
    holders: list[str] = []

    def look(phase: str, done: int, total: int | None = None) -> None:
        holder = lease_holder(vault, FOLLOWER_FILE)
        holders.append(f"{phase}: {holder and holder.what}")

    world = shop.world
    async with Collector.open(world.config, clock=world.clock, progress=look) as collector:
        await collector.rebuild_registry()
    assert set(holders) == {"read sources: rebuild registry"}
    assert lease_holder(vault, FOLLOWER_FILE) is None
    await shop.scan_is_exact()


async def test_what_is_younger_than_an_open_transaction_is_held(shop: Shop) -> None:
    """Its row may be written already, and is told to nobody before the commit."""
    await shop.scan_is_exact()
    async with AsyncExitStack() as stack:
        writer = AppDatabase(shop.app.url)
        stack.push_async_callback(writer.close)
        await writer.execute("BEGIN")
        await writer.execute("INSERT INTO photos (id, path) VALUES (?, 'next.jpg')", ROWS + 1)
        summary = await shop.world.scan()
        assert (summary.blocked, summary.plan_id) == ([], None)
        assert await shop.world.verdicts() == dict.fromkeys(NEVER_USED, "held")
        judged = (await shop.world.judged())["next.jpg"]
        assert "younger than a transaction that may be open since" in judged.reason
        await writer.execute("COMMIT")
    await shop.scan_is_exact()
    assert set(await shop.world.verdicts()) == NEVER_USED - {"next.jpg"}
