"""Executions that are refused before they delete anything: by the vault's disk, by the store."""

from __future__ import annotations

import re

import pytest

from s3gc_core.errors import StoreUnsafe, VaultFull
from s3gc_core.vault import BackupFiles
from tests.core.judgement.controlled import put, rows
from tests.servers.proxy import Exchange, Proxy
from tests.world import World

ORPHANS = {"a", "b"}


async def approved_plan(world: World) -> str:
    """Two orphans, and a scan's plan of them."""
    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, *ORPHANS)
    world.days(10)
    summary = await world.scan()
    assert (summary.orphans, summary.blocked) == (2, [])
    assert summary.plan_id is not None
    return summary.plan_id


async def test_a_vault_without_room_deletes_nothing(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = await approved_plan(sqlite_world)
    monkeypatch.setattr(BackupFiles, "free_space", lambda _: 1 << 20)
    with pytest.raises(VaultFull, match="vault-space"):
        await sqlite_world.execute(plan_id)
    assert await sqlite_world.keys() == ORPHANS


async def test_a_store_that_ignores_etags_deletes_nothing(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    plan_id = await approved_plan(world)

    async def ignore(exchange: Exchange) -> None:
        if exchange.path.endswith("?delete"):
            exchange.body = re.sub(rb"<ETag>.*?</ETag>", b"", exchange.body)
            exchange.headers.pop("Content-MD5")

    proxy.before = ignore
    with pytest.raises(StoreUnsafe, match="store-unsafe"):
        await world.execute(plan_id)
    assert await world.keys() == ORPHANS
