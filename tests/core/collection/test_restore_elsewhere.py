"""Restores to another place need the vault alone: also after a crash, while the bucket is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.actions.restoring import OtherBucket
from s3gc_core.collection import Selection
from s3gc_core.errors import BucketUnreachable, NoSuchKey
from s3gc_core.vault import RestoreOutcome
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.core.bucket import plain_client
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
ORPHANS = {"a.bin", "b.bin"}


@pytest.fixture
async def away(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy, str]]:
    """An execution whose deletes were done, and no answer ever came: the bucket is away since.

    With its operation.
    """
    world = sqlite_world
    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        world.track({"files": ["path"]})
        await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await world.app.execute("INSERT INTO files (path) VALUES ('used.txt')")
        for key in ("used.txt", *ORPHANS):
            await world.put(key, key.encode())
        world.days(10)
        sent = False

        async def go_away(exchange: Exchange) -> None:
            nonlocal sent
            sent = sent or (exchange.method == "POST" and b"a.bin" in exchange.body)
            if sent:
                exchange.status, exchange.answer = 401, DENIED

        proxy.after = go_away
        with pytest.raises(BucketUnreachable):
            await world.collect()
        async with world.collector() as collector:
            [*_, ended] = await collector.audit.operations()
        yield world, proxy, ended.operation_id


async def left_open(world: World) -> set[str]:
    async with world.collector() as collector:
        pages = [page async for page in collector.audit.unresolved_intents()]
    return {entry.record.key for page in pages for entry in page}  # type: ignore[union-attr]


async def test_what_was_backed_up_comes_back_from_the_vault_alone(
    away: tuple[World, Proxy, str],
    seaweed: SeaweedServer,
    make_bucket: MakeBucket,
    tmp_path: Path,
) -> None:
    world, proxy, operation_id = away
    selection = Selection(operation_id=operation_id)
    assert await left_open(world) == ORPHANS
    async with world.collector() as collector:
        # Into the bucket nothing can be restored.
        with pytest.raises(BucketUnreachable):
            await collector.restore(Selection(keys=tuple(ORPHANS)))

        pages = collector.preview(selection)
        assert {b.intent.key async for page in pages for b, _ in page} == ORPHANS
        done = await collector.restore_to_folder(selection, tmp_path / "out")
        assert (done.outcome, done.counts, done.to_recover) == ("done", {"exported": 2}, True)
        written = {p.name: p.read_text() for p in (tmp_path / "out").glob("*.bin")}
        assert written == {key: key for key in ORPHANS}

        other = await make_bucket(seaweed)
        to = OtherBucket(other.bucket, other.endpoint_url)
        done = await collector.restore_to_bucket(selection, to)
        assert (done.outcome, done.counts, done.to_recover) == ("done", {"exported": 2}, True)
    async with plain_client(other) as s3:
        listed = await s3.list_objects_v2(Bucket=other.bucket)
    assert {entry["Key"] for entry in listed["Contents"]} == ORPHANS
    # Nothing was concluded meanwhile, and all of it is once the bucket is there.
    assert await left_open(world) == ORPHANS

    proxy.after = None
    async with world.collector() as collector:
        done = await collector.restore_to_folder(selection, tmp_path / "again")
    assert (done.counts, done.to_recover) == ({"exported": 2}, False)
    assert await left_open(world) == set()
    assert await world.outcomes(operation_id) == dict.fromkeys(ORPHANS, "deleted")


@pytest.mark.parametrize("named", ["operation", "prefix"])
async def test_what_a_crash_left_open_is_restored_by_the_first_restore(
    away: tuple[World, Proxy, str], named: str
) -> None:
    world, proxy, operation_id = away
    selection = Selection(operation_id=operation_id) if named == "operation" else Selection()
    proxy.after = None
    async with world.collector() as collector:
        foreseen = [one async for page in collector.foresee(selection) for one in page]
        assert {one.key: one.outcome for one in foreseen} == dict.fromkeys(
            ORPHANS, RestoreOutcome.RESTORED
        )
        assert await left_open(world) == ORPHANS
        done = await collector.restore(selection)
    assert (done.outcome, done.counts) == ("done", {"restored": 2})
    assert await world.keys() == {"used.txt", *ORPHANS}


async def test_what_recovery_finds_in_its_place_was_not_deleted(
    away: tuple[World, Proxy, str],
) -> None:
    world, proxy, operation_id = away
    proxy.after = None
    for key in ORPHANS:
        await world.put(key, key.encode())
    async with world.collector() as collector:
        with pytest.raises(NoSuchKey, match="nothing of what was selected was deleted"):
            await collector.restore(Selection(operation_id=operation_id))
    assert await left_open(world) == set()
    assert set((await world.outcomes(operation_id)).values()) == {"kept"}
