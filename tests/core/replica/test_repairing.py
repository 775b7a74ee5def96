"""Damaged or missing backups come from the replica: put back, or straight to a restore."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3gc_core.actions.repairing import RepairSummary
from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.collection import Selection
from s3gc_core.collector import Collector
from s3gc_core.config import ReplicaConfig
from s3gc_core.errors import NoReplica
from s3gc_core.replica import ReplicaBackups, open_replica, planning, repair_file
from s3gc_core.replica.contents import Piece, sha256_of
from s3gc_core.vault import BackupDamaged, Keyring, Repaired, Restored, StoredBackup, Verified
from s3gc_core.vault.shipping_bytes import Refilling
from tests.core.replica.conftest import PREFIX, Replicated
from tests.core.replica.test_rebuilding import backups, replace_object
from tests.core.vault.builders import noise

# Two that share a pack, and one that is a file of its own.
ORPHANS = {"a/1.txt": b"one\n" * 50, "a/2.txt": noise(3_000), "b/large.bin": noise(200_000)}


@pytest.fixture
async def collected(replicated: Replicated) -> Replicated:
    """All orphans deleted, and their backups in the replica."""
    replicated.track("replica")
    await replicated.fill(ORPHANS)
    await replicated.world.collect()
    return replicated


async def stored(replicated: Replicated) -> dict[str, StoredBackup]:
    async with replicated.world.collector() as collector:
        pages = collector.audit.backups()
        return {one.intent.key: one.intent.backup async for page in pages for one in page}


async def damage(replicated: Replicated, *keys: str) -> None:
    """Flip a bit in the middle of these backups' stored bytes."""
    found = await stored(replicated)
    for key in keys:
        place = replicated.world.config.vault_path / found[key].path
        place.chmod(0o600)
        with place.open("r+b") as file:
            file.seek((found[key].offset or 0) + found[key].stored_size // 2)
            [byte] = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))


async def repaired(replicated: Replicated, **sample: int) -> RepairSummary:
    async with replicated.world.collector() as collector:
        return await collector.repair_backups(**sample)


async def records(replicated: Replicated, *kinds: str) -> list[object]:
    async with replicated.world.collector() as collector:
        pages = collector.audit.entries(kinds=kinds)
        return [entry.record async for page in pages for entry in page]


async def in_replica(replicated: Replicated) -> dict[str, bytes]:
    """The backups in the replica, by their names."""
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        names = [name for name in await replicated.names() if name.startswith("backups/")]
        return {name: await bucket.fetch(PREFIX + name) or b"" for name in names}


def modes(vault: Path) -> set[int]:
    """Of the packs."""
    return {path.stat().st_mode & 0o777 for path in vault.glob("backups/*/*.tar")}


async def test_a_file_is_closed_after_its_thread_has_left_it(
    collected: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread would write on, into whatever file got the number of the closed one."""
    await damage(collected, "a/1.txt")
    begun, go = threading.Event(), threading.Event()
    written: list[bool] = []
    write = Refilling.write

    def slow(self: Refilling, start: int, data: bytes) -> None:
        begun.set()
        assert go.wait(30)
        written.append(self._descriptor >= 0)
        write(self, start, data)

    async with collected.world.collector() as collector:
        with monkeypatch.context() as patch:
            patch.setattr(Refilling, "write", slow)
            repairing = asyncio.create_task(collector.repair_backups())
            assert await asyncio.to_thread(begun.wait, 30)
            repairing.cancel()
            for _ in range(100):
                await asyncio.sleep(0)
            assert not repairing.done()
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await repairing
    assert written == [True]
    assert [one.still for one in (await repaired(collected)).damaged] == [None]


async def test_another_piece_stands_in_for_one_that_is_bad(collected: Replicated) -> None:
    """A large file went twice, say, and one of the two copies of a piece is gone."""
    backup = (await stored(collected))["b/large.bin"]
    config, clock = collected.world.config, collected.world.clock
    async with open_replica(config, clock) as store, collected.world.collector() as collector:
        replica = await ReplicaBackups.read(store, collector.audit, config.vault_path, Keyring())
        (good,) = replica.pieces_of(backup.path)
        bad = replace(good, key=good.key + ".gone")
        for pieces in ([bad, good], [good, bad]):
            both = ReplicaBackups(
                store, config.vault_path, {backup.path: pieces}, replica.seq, Keyring()
            )
            async with both.held(backup) as held:
                held.seek(0)
                assert held.read() == ORPHANS["b/large.bin"]
        none = ReplicaBackups(store, config.vault_path, {backup.path: [bad]}, 0, Keyring())
        with pytest.raises(BackupDamaged, match="is missing in the replica"):
            async with none.held(backup):
                pass


async def test_what_is_damaged_or_gone_is_put_back(collected: Replicated) -> None:
    vault = collected.world.config.vault_path
    files, shipped = backups(vault), await in_replica(collected)
    sealed = modes(vault)
    assert (await repaired(collected)).outcome == "done"
    await damage(collected, "a/2.txt")
    (large,) = [path for path in files if path.endswith(".bin")]
    (vault / large).unlink()
    done = await repaired(collected)
    assert (done.outcome, done.checked) == ("done", 3)
    assert {one.key: one.still for one in done.damaged} == {"a/2.txt": None, "b/large.bin": None}
    assert (backups(vault), modes(vault)) == (files, sealed)
    assert await in_replica(collected) == shipped
    told = [one for one in await records(collected, "repaired") if isinstance(one, Repaired)]
    assert {(one.key, one.path) for one in told} == {
        (key, backup.path) for key, backup in (await stored(collected)).items() if key != "a/1.txt"
    }
    assert (await records(collected, "verified"))[-1] == Verified(3, 0)

    # The whole pack, its index and its end with it.
    [pack] = vault.glob("backups/*/*.tar")
    pack.unlink()
    assert {one.key for one in (await repaired(collected)).damaged} == {"a/1.txt", "a/2.txt"}
    assert (backups(vault), modes(vault)) == (files, sealed)

    # A sample mends the whole file of what it finds.
    await damage(collected, "a/1.txt", "a/2.txt")
    async with collected.world.collector() as collector:
        [drawn] = [one async for one in _samples(collector)]
        assert len(drawn.damaged) == 1
        assert await collector.audit.verify()
    assert backups(vault) == files


async def _samples(collector: Collector) -> AsyncIterator[RepairSummary]:
    """The first sample of one that finds something."""
    for seed in range(20):
        done = await collector.repair_backups(sample=1, seed=seed)
        assert done.checked == 1
        if done.damaged:
            yield done
            return


async def test_a_damaged_replica_puts_nothing_in_place(collected: Replicated) -> None:
    vault = collected.world.config.vault_path
    await damage(collected, "a/1.txt", "b/large.bin")
    files = backups(vault)
    async with Bucket.open(collected.other, SystemClock()) as bucket:
        for name, data in (await in_replica(collected)).items():
            await replace_object(bucket, PREFIX + name, data[:-1] + bytes([data[-1] ^ 1]))
    done = await repaired(collected)
    assert done.outcome == "partial"
    assert {one.key for one in done.damaged} == {"a/1.txt", "b/large.bin"}
    assert all("holds other bytes" in (one.still or "") for one in done.damaged)
    assert backups(vault) == files
    assert await records(collected, "repaired") == []
    assert (await records(collected, "verified"))[-1] == Verified(3, 2)

    restored = await collected.world.restore(*ORPHANS)
    assert restored.counts == {"restored": 1, "failed": 2}
    told = [one for one in await records(collected, "restored") if isinstance(one, Restored)]
    both = {one.key for one in told if "and in the replica: " in one.reason}
    assert both == {"a/1.txt", "b/large.bin"}


async def test_what_mends_one_and_costs_another_is_refused(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces that are what their head says, and yet not what was recorded; and missing ones."""
    monkeypatch.setattr(planning, "PIECE_BYTES", 1000)
    replicated.track("replica")
    await replicated.fill({key: ORPHANS[key] for key in ("a/1.txt", "a/2.txt")})
    await replicated.world.collect()
    config, found = replicated.world.config, await stored(replicated)
    first, second = found["a/1.txt"], found["a/2.txt"]
    files = backups(config.vault_path)
    await damage(replicated, "a/1.txt")
    broken = backups(config.vault_path)
    data = bytearray(files[first.path])
    data[second.offset or 0] ^= 1
    bad = Piece(first.path, 0, len(data), sha256_of(bytes(data)), "backups/bad")
    async with (
        replicated.world.collector() as collector,
        open_replica(config, SystemClock()) as store,
    ):
        real = await ReplicaBackups.read(store, collector.audit, config.vault_path, Keyring())
        await store.put(bad.key, bytes(data))
        for pieces in ([bad], []):
            lying = ReplicaBackups(store, config.vault_path, {first.path: pieces}, 1, Keyring())
            [left] = await repair_file(lying, config.vault_path, first.path, [second], [first])
            assert left is not None
            with pytest.raises(BackupDamaged):
                await lying.proven(second)
            assert backups(config.vault_path) == broken
        # Only the first one's piece was shipped: what else is in the pack stays.
        end = (first.offset or 0) + first.stored_size
        own = [piece for piece in real.pieces_of(first.path) if piece.start < end]
        assert own != real.pieces_of(first.path)
        some = ReplicaBackups(store, config.vault_path, {first.path: own}, 1, Keyring())
        assert await repair_file(some, config.vault_path, first.path, [second], [first]) == [None]
    assert backups(config.vault_path) == files


async def test_a_restore_takes_from_the_replica_what_the_vault_has_no_more(
    collected: Replicated, tmp_path: Path
) -> None:
    world = collected.world
    await damage(collected, "a/2.txt")
    vault = world.config.vault_path
    [large] = [path for path in backups(vault) if path.endswith(".bin")]
    (vault / large).unlink()
    files = backups(vault)
    folder = tmp_path / "restored"
    async with world.collector() as collector:
        page = [one async for p in collector.foresee(Selection(prefix="")) for one in p]
        assert {one.key: one.outcome.value for one in page} == dict.fromkeys(ORPHANS, "restored")
        assert {one.key for one in page if "the replica is asked" in one.reason} == {"b/large.bin"}
        out = await collector.restore_to_folder(Selection(prefix=""), folder)
    assert (out.outcome, out.counts, out.from_replica) == ("done", {"exported": 3}, 2)
    assert {key: (folder / key).read_bytes() for key in ORPHANS} == ORPHANS

    done = await world.restore(*ORPHANS)
    assert (done.outcome, done.counts, done.from_replica) == ("done", {"restored": 3}, 2)
    assert {key: (await world.contents(key))[0] for key in ORPHANS} == ORPHANS
    told = [one for one in await records(collected, "restored") if isinstance(one, Restored)]
    from_there = {one.key for one in told if "taken from the replica" in one.reason}
    assert (len(told), from_there) == (6, {"a/2.txt", "b/large.bin"})
    # A restore mends nothing in the vault.
    assert backups(vault) == files
    for key in ORPHANS:
        await world.remove(key)
    elsewhere = ReplicaConfig("no-such-bucket", endpoint_url=collected.other.endpoint_url)
    for replica in (elsewhere, None):
        world.change(replica=replica)
        done = await world.restore(*ORPHANS)
        assert done.counts["failed"] == 2
        assert await world.keys() == {"used", "a/1.txt"}
    with pytest.raises(NoReplica):
        await repaired(collected)
