"""Scans beside a follower, and beside transactions that no stream has told yet."""

from __future__ import annotations

from pathlib import Path

from s3gc_core.jobs import FOLLOWER_FILE, lease_holder
from tests.follow.child import following
from tests.follow.shop import NEVER_USED, ROWS, Shop
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


async def test_what_is_younger_than_an_open_transaction_is_held(shop: Shop) -> None:
    """Its row may be written already, and is told to nobody before the commit."""
    await shop.scan_is_exact()
    writer = AppDatabase(shop.app.url)
    await writer.execute("BEGIN")
    await writer.execute("INSERT INTO photos (id, path) VALUES (?, 'next.jpg')", ROWS + 1)
    summary = await shop.world.scan()
    assert (summary.blocked, summary.plan_id) == ([], None)
    assert await shop.world.verdicts() == dict.fromkeys(NEVER_USED, "held")
    judged = (await shop.world.judged())["next.jpg"]
    assert "younger than a transaction that is open since" in judged.reason
    await writer.execute("COMMIT")
    await writer.close()
    await shop.scan_is_exact()
    assert set(await shop.world.verdicts()) == NEVER_USED - {"next.jpg"}
