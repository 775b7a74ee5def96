"""Clean-up of backups on real stores: never a sole copy, never before the horizon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from s3gc_core.actions import operations
from s3gc_core.collection import PurgeSummary, Selection, unserved
from s3gc_core.collection.purge import _Purge
from s3gc_core.errors import BucketUnreachable, VaultUnreachable
from s3gc_core.vault import BackupFiles
from tests.proxy.rounds import quick
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World


async def purge(world: World, days: int | None = None, *, dry_run: bool = False) -> PurgeSummary:
    async with world.collector() as collector:
        return await collector.purge(older_than_days=days, dry_run=dry_run)


async def backed_up(world: World) -> set[str]:
    """Keys whose backup is there, by the audit log and by the disk."""
    async with world.collector() as collector:
        entries = [entry async for page in collector.audit.backups() for entry in page]
        for entry in entries:
            assert (world.config.vault_path / entry.intent.backup.path).is_file()
        wrong = [key async for key, problem in collector.verify_backups() if problem]
    assert wrong == []
    vault = world.config.vault_path
    files = {str(p.relative_to(vault)) for p in (vault / "backups").rglob("*") if p.is_file()}
    manifests = {f"backups/{entry.operation_id}/manifest.jsonl" for entry in entries}
    assert files == {entry.intent.backup.path for entry in entries} | manifests
    listed = [line for path in manifests for line in (vault / path).read_bytes().splitlines()]
    assert sorted(msgspec.json.decode(line)["key"] for line in listed) == sorted(
        entry.intent.key for entry in entries
    )
    return {entry.intent.key for entry in entries}


async def test_only_what_is_back_in_the_bucket_and_old_enough_goes(sqlite_world: World) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, vault_horizon_days=90)
    keys = {"gone", "restored", "uploaded again", "another now"}
    for key in keys:
        await world.put(key, key.encode())
    world.days(10)
    assert (await world.collect()).counts == {"deleted": 4}
    assert (await world.restore("restored")).counts == {"restored": 1}
    await world.put("uploaded again", b"uploaded again")
    await world.put("another now", b"other bytes")
    everything = PurgeSummary(purged=0, bytes=0, sole_copies=0, too_young=4)
    assert await purge(world) == everything
    world.days(89.9)
    assert await purge(world) == everything
    world.days(0.2)
    would = await purge(world, dry_run=True)
    assert (would.purged, would.sole_copies, would.too_young) == (2, 2, 0)
    assert await backed_up(world) == keys
    assert await purge(world) == would
    assert await backed_up(world) == {"gone", "another now"}
    assert await purge(world) == PurgeSummary(0, 0, 2, 0)
    # What stayed can still be brought back.
    async with world.collector() as collector:
        found = [b async for page in collector.restorable(Selection(prefix="")) for b in page]
    assert {backup.intent.key for backup in found} == {"gone", "another now"}
    assert (await world.restore("gone")).counts == {"restored": 1}
    assert (await world.contents("gone"))[0] == b"gone"


async def test_a_shorter_horizon_can_be_asked_for(sqlite_world: World) -> None:
    world = sqlite_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, 'used')")
    world.track({"t": ["k"]}, vault_horizon_days=90)
    await world.put("restored")
    world.days(10)
    await world.collect()
    await world.restore("restored")
    world.days(5)
    assert (await purge(world, 6)).purged == 0
    assert (await purge(world, 5)).purged == 1
    assert await backed_up(world) == set()


@pytest.fixture
async def restored(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy]]:
    """Three objects that are back, with backups past their horizon, behind a proxy. The first is
    too large for a pack.
    """
    world = sqlite_world
    async with running_proxy(world.config.endpoint_url) as proxy, quick():
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
        await world.app.execute("INSERT INTO t VALUES (1, 'used')")
        world.track({"t": ["k"]}, vault_horizon_days=90)
        for key in ("a", "b", "c"):
            await world.put(key, os.urandom(200_000 if key == "a" else 100))
        world.days(10)
        await world.collect()
        assert (await world.restore("a", "b", "c")).counts == {"restored": 3}
        world.days(91)
        yield world, proxy


def spoil(proxy: Proxy, key: str, status: int, *, tags: bool = False) -> None:
    """The store answers so about one key, or about its tags only."""

    async def before(exchange: Exchange) -> None:
        path, _, query = exchange.path.partition("?")
        if path.endswith(f"/{key}") and (query == "tagging") is tags:
            exchange.status = status

    proxy.before = before


@pytest.mark.parametrize(
    ("status", "tags", "unseen"),
    # Denied or encrypted by somebody's own key, overwritten meanwhile, of which the store lost a
    # part, and removed after the first look.
    [(403, False, 1), (400, False, 1), (412, True, 1), (503, False, 1), (404, True, 0)],
)
async def test_what_cannot_be_looked_at_keeps_its_backup_and_stops_no_other(
    restored: tuple[World, Proxy], status: int, tags: bool, unseen: int
) -> None:
    world, proxy = restored
    spoil(proxy, "a", status, tags=tags)
    found = await purge(world)
    assert (found.purged, found.sole_copies, found.unseen) == (2, 1, unseen)
    assert await backed_up(world) == {"a"}
    proxy.before = None
    assert (await purge(world)).purged == 1
    assert await backed_up(world) == set()


async def test_a_purge_that_is_ended_early_leaves_no_manifest_that_is_wrong(
    restored: tuple[World, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, proxy = restored
    monkeypatch.setattr(unserved, "IN_A_ROW", 1)
    spoil(proxy, "b", 503)
    with pytest.raises(BucketUnreachable):
        await purge(world)
    assert await backed_up(world) == {"b", "c"}


async def test_a_purge_that_died_leaves_no_manifest_that_is_wrong(
    restored: tuple[World, Proxy], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Right after it recorded that the first backup is gone."""
    world, _ = restored

    async def nothing(*_: object, **__: object) -> None:
        return None

    def die(*_: object) -> None:
        raise VaultUnreachable("dead")

    with monkeypatch.context() as patch:
        patch.setattr(_Purge, "tidy", nothing)
        patch.setattr(operations, "_finish", nothing)
        patch.setattr(BackupFiles, "remove_backup", die)
        with pytest.raises(VaultUnreachable):
            await purge(world)
    [folder] = (world.config.vault_path / "backups").iterdir()
    left = {path.name for path in folder.iterdir()}
    assert len(left) == 2
    assert "manifest.jsonl" not in left
    # Who reads the vault does not miss it.
    async with world.collector() as collector:
        verified = {key: wrong async for key, wrong in collector.verify_backups()}
        assert verified == {"b": None, "c": None}
        assert (
            await collector.export(tmp_path / "out", operation_id=None, prefix="")
        ).exported == 2
    await world.scan()
    assert await backed_up(world) == {"b", "c"}
