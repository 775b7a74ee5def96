"""A vault that was lost comes back from its replica, and everything comes back from that."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from s3gc_core.actions.doctor import examine
from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.collector import Collector
from s3gc_core.errors import AuditBroken, NoReplica, ReplicaAltered, VaultNotEmpty
from s3gc_core.replica import RebuiltVault, planning, shipping
from s3gc_core.replica.contents import Head
from s3gc_core.vault import generate, shipping_bytes
from s3gc_core.vault.packs import SEALED_MODE
from tests.core.replica.conftest import PREFIX, Replicated
from tests.core.vault.builders import noise

# Two that share a pack, and one that is a file of its own, in two pieces where those are small.
ORPHANS = {"a/1.txt": b"one\n" * 50, "a/2.txt": b"", "b/large.bin": noise(200_000)}


async def rebuilt(replicated: Replicated) -> RebuiltVault:
    return await Collector.rebuild_vault(replicated.world.config, clock=replicated.world.clock)


def remove_vault(replicated: Replicated) -> None:
    shutil.rmtree(replicated.world.config.vault_path)


def backups(vault: Path) -> dict[str, bytes]:
    """Every file of the backups, by its path; manifests are made again when they are missed."""
    files = (p for p in (vault / "backups").rglob("*") if p.is_file())
    return {str(p.relative_to(vault)): p.read_bytes() for p in files if p.name != "manifest.jsonl"}


async def test_everything_comes_back(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "PIECE_BYTES", 100_000)
    world = replicated.world
    replicated.track("replica")
    await replicated.fill(ORPHANS)
    were = {key: await world.contents(key) for key in ORPHANS}
    done = await world.collect()
    assert await world.keys() == {"used"}
    # Shipped when the operation had ended, its last record too.
    assert await replicated.behind() == 0
    files, records = backups(world.config.vault_path), await head(replicated)
    remove_vault(replicated)

    back = await rebuilt(replicated)
    assert (back.records, back.fetched, back.lost) == (records, len(files), ())
    assert backups(world.config.vault_path) == files
    async with world.collector() as collector:
        assert await collector.audit.verify() == records
        assert await collector.check_replica() == records
        assert [found async for found in collector.verify_backups()] == [
            (key, None) for key in sorted(ORPHANS)
        ]
        assert sorted([found async for found in collector.verify_replica()]) == [
            (key, None) for key in sorted(ORPHANS)
        ]
    restored = await world.restore(operation_id=done.operation_id)
    assert restored.counts == {"restored": len(ORPHANS)}
    assert {key: await world.contents(key) for key in ORPHANS} == were
    assert await world.keys() == {"used", *ORPHANS}
    # It goes on as the same vault, to the same replica.
    assert await replicated.behind() == 0


async def test_an_encrypted_vault_comes_back_encrypted(
    replicated: Replicated, tmp_path: Path
) -> None:
    """The replica has the same bytes, and no key is needed but to read them."""
    world, key = replicated.world, tmp_path / "identity"
    recipient = generate(key)
    encrypted = {"encryption": "age", "encryption_recipients": [recipient]}
    replicated.track("replica", **encrypted)
    await replicated.fill(ORPHANS)
    were = {one: await world.contents(one) for one in ORPHANS}
    async with world.collector() as collector:
        await collector.test_keys(key)
    done = await world.collect()
    files = backups(world.config.vault_path)
    remove_vault(replicated)
    assert (await rebuilt(replicated)).lost == ()
    assert backups(world.config.vault_path) == files
    assert b"one\n" * 50 not in b"".join(files.values())
    async with world.collector() as collector:
        closed: list[str] = []
        looked = collector.verify_replica(unopened=closed.append)
        assert sorted([found async for found in looked]) == [(one, None) for one in sorted(ORPHANS)]
        assert sorted(closed) == sorted(ORPHANS)
    # A host without the key mends what is encrypted.
    [gone] = [path for path in files if path.endswith(".age") and "b-large" in path]
    (world.config.vault_path / gone).unlink()
    async with world.collector() as collector:
        mended = await collector.repair_backups()
    assert (mended.outcome, mended.unopened) == ("done", len(ORPHANS))
    assert {one.key: one.still for one in mended.damaged} == {"b/large.bin": None}
    assert backups(world.config.vault_path) == files
    replicated.track("replica", **encrypted, encryption_identity_file=str(key))
    async with world.collector() as collector:
        assert sorted([found async for found in collector.verify_replica()]) == [
            (one, None) for one in sorted(ORPHANS)
        ]
    restored = await world.restore(operation_id=done.operation_id)
    assert restored.counts == {"restored": len(ORPHANS)}
    assert {one: await world.contents(one) for one in ORPHANS} == were


async def head(replicated: Replicated) -> int:
    async with replicated.world.collector() as collector:
        seq, _ = await collector.audit.head()
    return seq


async def test_what_is_there_and_right_is_not_fetched_again(replicated: Replicated) -> None:
    replicated.track("local")
    await replicated.fill(ORPHANS)
    await replicated.world.collect()
    vault = replicated.world.config.vault_path
    files = backups(vault)
    with pytest.raises(VaultNotEmpty):
        await rebuilt(replicated)
    for name in ("audit.db", "audit.db-wal", "audit.db-shm"):
        (vault / name).unlink(missing_ok=True)
    [damaged] = [path for path in files if path.endswith(".bin")]
    (vault / damaged).write_bytes(files[damaged] + b"more")
    # As the earlier try left it, when it died.
    (vault / "audit.db.rebuilding").write_bytes(b"half of a log")
    assert (await rebuilt(replicated)).fetched == 1
    assert backups(vault) == files
    assert not (vault / "audit.db.rebuilding").exists()

    # What is not what was shipped is lost, and what lies beside it is not.
    [gone] = [n for n in await replicated.names() if n.startswith("backups/") and "pack" in n]
    remove_vault(replicated)
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        kept = await bucket.fetch(PREFIX + gone)
        assert kept is not None
        await replace_object(bucket, PREFIX + gone, kept[:-1] + b"x")
        done = await rebuilt(replicated)
        assert {one.key for one in done.lost} == {"a/1.txt", "a/2.txt"}
        assert {one.path for one in done.lost} == {gone.rpartition("/")[0]}
        assert backups(vault) == {damaged: files[damaged]}
        await replace_object(bucket, PREFIX + gone, kept)
    # It comes as everything does that is damaged in a vault.
    async with replicated.world.collector() as collector:
        assert (await collector.repair_backups()).outcome == "done"
    assert backups(vault) == files


async def test_a_backup_that_the_replica_lost_costs_no_other(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece of a pack is gone, one of a large file altered, another file unknown to any head."""
    monkeypatch.setattr(planning, "PIECE_BYTES", 60_000)
    small = {f"a/{n}.txt": noise(60_000 + n) for n in range(3)}
    orphans = small | {"b/large.bin": noise(200_000), "c/large.bin": noise(200_001)}
    replicated.track("local")
    await replicated.fill(orphans)
    world = replicated.world
    await world.collect()
    vault = world.config.vault_path
    files = backups(vault)
    names = sorted(name for name in await replicated.names() if name.startswith("backups/"))
    packed = [name for name in names if ".tar/" in name]
    assert len(packed) == 3
    altered = next(name for name in names if "b-large" in name)
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        await remove_object(bucket, PREFIX + packed[1])
        await replace_object(bucket, PREFIX + altered, b"other bytes")
    remove_vault(replicated)
    done = await rebuilt(replicated)
    assert {one.key for one in done.lost} == {"a/1.txt", "b/large.bin"}
    assert set(done.doubtful) == {one.path for one in done.lost}
    assert done.files == done.fetched == 2
    [pack] = [path for path in files if path.endswith(".tar")]
    whole = {path: data for path, data in files.items() if "c-large" in path}
    assert backups(vault).keys() == {pack, *whole}
    assert whole.items() <= backups(vault).items()
    async with world.collector() as collector:
        found = dict([one async for one in collector.verify_backups()])
    assert {key for key, wrong in found.items() if wrong is None} == {
        "a/0.txt",
        "a/2.txt",
        "c/large.bin",
    }

    # What the vault still has of it is not given up, and is not lost.
    forget_log(vault)
    (vault / pack).chmod(0o600)
    last = files[pack].index(small["a/2.txt"][:1_000])
    (vault / pack).write_bytes(files[pack][:last] + b"?" + files[pack][last + 1 :])
    (vault / pack).chmod(SEALED_MODE)
    again = await rebuilt(replicated)
    assert {one.key for one in again.lost} == {"b/large.bin"}

    # Without all of the log there is no vault.
    forget_log(vault)
    segment = min(name for name in await replicated.names() if name.startswith("audit/"))
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        await replace_object(bucket, PREFIX + segment, b"other bytes")
    with pytest.raises(ReplicaAltered, match="holds other bytes") as refused:
        await rebuilt(replicated)
    assert "change nothing in the replica" in refused.value.next_step
    assert not (vault / "audit.db").exists()


async def test_a_large_file_is_what_the_log_says_not_what_its_pieces_are(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is as its head has it, but one was read otherwise than it was recorded."""
    monkeypatch.setattr(planning, "PIECE_BYTES", 100_000)
    read = shipping_bytes.read_range

    def otherwise(vault: Path, path: str, start: int, end: int) -> bytes:
        data = read(vault, path, start, end)
        return data if "b-large" not in path or not start else b"?" + data[1:]

    monkeypatch.setattr(shipping, "read_range", otherwise)
    replicated.track("local")
    await replicated.fill(ORPHANS)
    world = replicated.world
    await world.collect()
    assert await replicated.behind() == 0
    async with world.collector() as collector:
        found = dict([one async for one in collector.verify_replica()])
    assert {key for key, wrong in found.items() if wrong is not None} == {"b/large.bin"}

    vault = world.config.vault_path
    files = backups(vault)
    [large] = [path for path in files if "b-large" in path]
    # Beside a vault that has it so: what is there already is no better.
    forget_log(vault)
    (vault / large).write_bytes(files[large][:100_000] + b"?" + files[large][100_001:])
    assert {one.key for one in (await rebuilt(replicated)).lost} == {"b/large.bin"}
    remove_vault(replicated)
    done = await rebuilt(replicated)
    assert {one.key for one in done.lost} == {"b/large.bin"}
    assert backups(vault) == {path: data for path, data in files.items() if path != large}


def forget_log(vault: Path) -> None:
    for name in ("audit.db", "audit.db-wal", "audit.db-shm"):
        (vault / name).unlink(missing_ok=True)


async def remove_object(bucket: Bucket, key: str) -> None:
    state = await bucket.head(key)
    assert state is not None
    await bucket.delete_batch([(key, state.etag)])


async def replace_object(bucket: Bucket, key: str, data: bytes) -> None:
    state = await bucket.head(key)
    assert state is not None
    await bucket.delete_batch([(key, state.etag)])
    assert await bucket.put_once(key, data)


async def test_an_anchor_outside_that_saw_more_stops_it(
    replicated: Replicated, tmp_path: Path
) -> None:
    anchors = tmp_path / "anchors.jsonl"
    replicated.track("local", audit_anchor_file=str(anchors))
    await replicated.fill({})
    await replicated.world.scan()
    seen = anchors.read_text()
    anchors.write_text(seen.replace('"seq":', '"seq":1'))
    remove_vault(replicated)
    with pytest.raises(AuditBroken, match="an anchor saw record"):
        await rebuilt(replicated)
    anchors.write_text(seen)
    await rebuilt(replicated)


async def test_what_the_replica_never_heard_of_is_set_aside(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is lost, the replica ends amid an operation: its other backups are only copies."""
    monkeypatch.setattr(shipping, "SEGMENT_ROWS", 4)
    orphans = ORPHANS | {f"c/{n}.bin": noise(200_000 + n) for n in range(3)}
    replicated.track("local")
    await replicated.fill(orphans)
    await replicated.world.collect()
    vault = replicated.world.config.vault_path
    before = {path: data for path, data in all_files(vault).items() if "manifest" not in path}
    await forget_the_end(replicated)
    for name in ("audit.db", "audit.db-wal", "audit.db-shm"):
        (vault / name).unlink(missing_ok=True)
    [pack] = [path for path in before if path.endswith(".tar")]
    (vault / pack).chmod(0o600)  # as it is while its operation runs
    with pytest.raises(AuditBroken, match="an anchor saw record"):
        await rebuilt(replicated)
    assert not (vault / "audit.db").exists()
    (vault / "anchors.jsonl").unlink()
    done = await rebuilt(replicated)
    assert done.set_aside
    after = all_files(vault)
    assert set(before.values()) <= set(after.values())
    assert set(done.set_aside) == {path for path in after if path.startswith("found-by-rebuild/")}


def all_files(vault: Path) -> dict[str, bytes]:
    return {
        path.relative_to(vault).as_posix(): path.read_bytes()
        for folder in ("backups", "found-by-rebuild")
        for path in (vault / folder).rglob("*")
        if path.is_file()
    }


async def forget_the_end(replicated: Replicated) -> None:
    """The replica as it was when it had the first intents of the operation, and no more."""
    heads = sorted(name for name in await replicated.names() if name.startswith("heads"))
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        upto = 0
        for name in heads:
            data = await bucket.fetch(PREFIX + name)
            assert data is not None
            found = msgspec.json.decode(data, type=Head)
            if found.pieces:
                upto = found.number
                break
        assert 0 < upto < len(heads)
        for name in heads[upto:]:
            state = await bucket.head(PREFIX + name)
            assert state is not None
            await bucket.delete_batch([(PREFIX + name, state.etag)])


async def test_a_replica_that_lost_something_is_no_replica(replicated: Replicated) -> None:
    """What a lifecycle rule takes first: its oldest objects. Nothing of it counts as all of it."""
    replicated.track("local")
    await replicated.fill(ORPHANS)
    world = replicated.world
    await world.collect()
    assert await replicated.behind() == 0
    heads = sorted(name for name in await replicated.names() if name.startswith("heads"))
    async with Bucket.open(replicated.other, SystemClock()) as bucket:
        data = await bucket.fetch(PREFIX + heads[0])
        assert data is not None
        for gone in ([heads[0]], heads):
            for name in gone:
                if (state := await bucket.head(PREFIX + name)) is not None:
                    await bucket.delete_batch([(PREFIX + name, state.etag)])
            async with world.collector() as collector:
                with pytest.raises(ReplicaAltered):
                    _ = [found async for found in collector.verify_replica()]
                # Nobody who only looks at the newest takes it for whole.
                with pytest.raises(ReplicaAltered):
                    await collector.check_replica()
                with pytest.raises(ReplicaAltered):
                    await collector.replicate()
            assert not await doctor_is_content(replicated)
        await bucket.put_once(PREFIX + heads[0], data)
        async with world.collector() as collector:
            with pytest.raises(ReplicaAltered, match="was shipped, and the replica ends at"):
                _ = [found async for found in collector.verify_replica()]


async def doctor_is_content(replicated: Replicated) -> bool:
    checks = [check async for check in examine(replicated.world.config, write_probe=False)]
    [replica] = [check for check in checks if check.name == "replica"]
    return replica.ok


async def test_without_a_replica_there_is_nothing_to_rebuild(replicated: Replicated) -> None:
    replicated.track("local")
    with pytest.raises(NoReplica):
        await rebuilt(replicated)
    replicated.world.track({"t": ["k"]})
    with pytest.raises(NoReplica):
        await rebuilt(replicated)
