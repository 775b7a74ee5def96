"""A bucket that by now encrypts by itself what it did not: what comes back is what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import Selection
from s3gc_core.config import Mode
from s3gc_core.vault import RestoreOutcome
from tests.core.judgement.controlled import rows
from tests.servers.proxy import Exchange, Proxy
from tests.world import World

KEY = "old.bin"


async def deleted(world: World) -> None:
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("used", KEY):
        await world.put(key, b"some bytes", ObjectHeaders(content_type="text/x-old"))
    world.days(10)
    await world.collect()
    assert await world.keys() == {"used"}


@pytest.mark.parametrize("by", ["AES256", "aws:kms"])
async def test_what_comes_back_encrypted_by_default_is_restored(
    proxied: tuple[World, Proxy], tmp_path: Path, by: str
) -> None:
    world, proxy = proxied
    await deleted(world)

    async def encrypted(exchange: Exchange) -> None:
        if exchange.method in {"GET", "HEAD"} and exchange.path.endswith(KEY):
            exchange.answer_headers["x-amz-server-side-encryption"] = by
            if by == "aws:kms":
                exchange.answer_headers["x-amz-server-side-encryption-aws-kms-key-id"] = "k1"

    proxy.after = encrypted
    async with world.collector() as collector:
        done = await collector.restore(Selection(keys=(KEY,)))
        assert (done.outcome, done.counts) == ("done", {RestoreOutcome.RESTORED: 1})
        again = await collector.restore(Selection(keys=(KEY,)))
        assert again.counts == {RestoreOutcome.ALREADY_THERE: 1}
        # A purge looks closer: only an equal object makes a backup needless.
        world.days(400)
        world.change(mode=Mode.EXECUTE)
    async with world.collector() as collector:
        purged = await collector.purge(older_than_days=None, dry_run=False)
    assert (purged.purged, purged.sole_copies) == (0, 1)


async def test_what_was_encrypted_has_to_come_back_encrypted(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied

    async def encrypted(exchange: Exchange) -> None:
        if exchange.method in {"GET", "HEAD"} and exchange.path.endswith(KEY):
            exchange.answer_headers["x-amz-server-side-encryption"] = "AES256"

    proxy.after = encrypted
    await deleted(world)

    async def in_plain(exchange: Exchange) -> None:
        for name in list(exchange.answer_headers):
            if name.lower().startswith("x-amz-server-side-encryption"):
                del exchange.answer_headers[name]

    proxy.after = in_plain
    async with world.collector() as collector:
        done = await collector.restore(Selection(keys=(KEY,)))
    assert (done.outcome, done.counts) == ("partial", {RestoreOutcome.FAILED: 1})
