"""Shipping: in order, once, whatever instant it died at; alarms where the replica was touched."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from s3gc_core.bucket import Bucket, immutable
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config, ReplicaConfig
from s3gc_core.errors import AuditBroken, ReplicaAltered, ReplicaUnsafe, VaultBusy
from s3gc_core.replica import ReplicaStore, Shipped, open_replica, open_shipper, planning, shipping
from s3gc_core.replica import store as store_of_replica
from s3gc_core.replica.contents import Head, decode_rows
from s3gc_core.replica.note import FILE as NOTE
from s3gc_core.vault import (
    AuditLog,
    BackupDamaged,
    BackupFiles,
    Entry,
    Intent,
    Outcome,
    Purged,
    Result,
)
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.core.vault.builders import LATER, NOON, OPERATION, SteppingClock, intent, noise
from tests.core.vault.test_packs import settled
from tests.servers.seaweed import S3Server

PREFIX = "v/"
BODIES = {"a": noise(700), "b": b"", "c": noise(5_000, 2)}
MORE = {"d": noise(900, 3), "large": noise(300_000, 4)}


@dataclass(slots=True)
class Shop:
    """A vault, and its replica in a bucket of its own."""

    config: Config
    audit: AuditLog
    files: BackupFiles
    other: Bucket

    @property
    def vault(self) -> Path:
        return self.config.vault_path

    async def back_up(self, bodies: dict[str, bytes], operation_id: str = OPERATION) -> list[str]:
        """One batch, recorded; the places of its backups."""
        await self.files.create_operation(operation_id)
        backups = await settled(self.files, bodies, operation_id)
        records = [msgspec.structs.replace(intent(k), backup=b) for k, b in backups.items()]
        await self.audit.append(operation_id, records)
        return [backup.path for backup in backups.values()]

    async def ship(self, *, strict: bool = False) -> Shipped:
        async with (
            Bucket.open(self.config, SystemClock()) as source,
            open_shipper(self.config, source, self.audit, SteppingClock()) as shipper,
        ):
            return await shipper.ship(strict=strict)

    async def names(self) -> set[str]:
        pages = [page async for page in self.other.list_pages()]
        return {entry.key.removeprefix(PREFIX) for page in pages for entry in page}

    async def heads(self) -> list[Head]:
        async with open_replica(self.config, SystemClock()) as store:
            newest = await store.newest(0)
            return [(await store.head(number))[0] for number in range(1, newest + 1)]

    async def check_whole(self) -> None:
        """What the heads name is all there is, each byte and each row of it once."""
        heads = await self.heads()
        named = {"vault.json", *(f"heads/{head.number:012}.json" for head in heads)}
        named |= {head.segment.key for head in heads}
        named |= {piece.key for head in heads for piece in head.pieces}
        assert await self.names() == named
        rows = []
        async with open_replica(self.config, SystemClock()) as store:
            for head in heads:
                rows += decode_rows(await store.get(head.segment), head.segment.key)
            files: dict[str, bytes] = {}
            for piece in (piece for head in heads for piece in head.pieces):
                assert len(files.setdefault(piece.path, b"")) == piece.start
                files[piece.path] += await store.get(piece)
        seq, _ = await self.audit.head()
        assert rows == await self.audit.rows(0, seq + 1)
        for path, content in files.items():
            assert (self.vault / path).read_bytes().startswith(content)
        assert set(files) == {
            str(path.relative_to(self.vault)) for path in (self.vault / "backups").glob("*/*")
        }


@pytest.fixture(params=["seaweed", "ministack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Not async: only so can another async fixture be asked for by name."""
    found: S3Server = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def opened(make_bucket: MakeBucket, server: S3Server) -> AsyncIterator[Shop]:
    config, other = await make_bucket(server), await make_bucket(server)
    replica = ReplicaConfig(other.bucket, endpoint_url=other.endpoint_url, prefix=PREFIX)
    config = replace(config, replica=replica)
    async with Bucket.open(other, SystemClock()) as bucket:
        audit = await AuditLog.open(config.vault_path, SteppingClock())
        shop = Shop(config, audit, BackupFiles(config.vault_path), bucket)
        try:
            yield shop
        finally:
            await shop.audit.close()


@pytest.fixture
async def shop(make_bucket: MakeBucket, seaweed: SeaweedServer) -> AsyncIterator[Shop]:
    async with opened(make_bucket, seaweed) as made:
        yield made


async def test_what_is_recorded_is_shipped_once(
    make_bucket: MakeBucket, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs by ranges as they grow, large files in parts, and again: nothing."""
    monkeypatch.setattr(planning, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(shipping, "SEGMENT_ROWS", 4)
    async with opened(make_bucket, server) as shop:
        assert await shop.ship() == Shipped()
        await shop.back_up(BODIES)
        assert (await shop.ship(strict=True)).records == 3
        await shop.check_whole()
        await shop.back_up(MORE)
        await shop.back_up(BODIES, LATER)
        shipped = await shop.ship(strict=True)
        assert (shipped.records, shipped.lost) == (5, ())
        await shop.check_whole()
        assert [head.seq for head in await shop.heads()] == [3, 7, 8]
        names = await shop.names()
        assert await shop.ship(strict=True) == Shipped()
        # Also for who has forgotten everything.
        (shop.vault / NOTE).unlink()
        assert await shop.ship(strict=True) == Shipped()
        assert await shop.names() == names


class _Died(Exception):
    pass


async def test_whatever_instant_it_dies_at_nothing_is_double_and_nothing_lost(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every object that a shipment writes is an instant to die at."""
    monkeypatch.setattr(shipping, "AT_ONCE", 1)
    await shop.back_up(BODIES)
    await shop.back_up(MORE)
    put, calls, deaths = ReplicaStore.put, 0, 0

    async def dying(self: ReplicaStore, name: str, data: bytes) -> None:
        nonlocal calls
        calls += 1
        await put(self, name, data)
        if calls == deaths + 1:
            raise _Died

    monkeypatch.setattr(ReplicaStore, "put", dying)
    ended = False
    while not ended and deaths < 20:
        calls = 0
        try:
            await shop.ship(strict=True)
            ended = True
        except _Died:
            deaths += 1
            # More is recorded meanwhile: what was begun is finished as it was begun.
            await shop.audit.append(OPERATION, [Result(f"r{deaths}", Outcome.KEPT)])
    assert ended
    assert deaths >= 4, "the shipment never died: nothing was tested"
    await shop.check_whole()


async def test_a_damaged_backup_holds_up_a_delete_and_nothing_else(shop: Shop) -> None:
    await shop.back_up(BODIES)
    [_, large] = await shop.back_up(MORE)
    (shop.vault / large).write_bytes(noise(300_000, 5))
    with pytest.raises(BackupDamaged, match="other bytes than recorded"):
        await shop.ship(strict=True)
    assert await shop.heads() == []
    assert (await shop.ship()).lost == (large,)
    [head] = await shop.heads()
    assert (head.seq, head.lost) == (5, [large])
    assert large not in {piece.path for piece in head.pieces}
    # What was purged before it was shipped is not missed.
    [gone] = await shop.back_up({"x": noise(300_000, 6)}, LATER)
    await shop.audit.append(LATER, [Purged("x", LATER, gone, "a test")])
    (shop.vault / gone).unlink()
    assert (await shop.ship(strict=True)).lost == ()


async def test_a_replica_that_was_touched_is_told(shop: Shop) -> None:
    await shop.back_up(BODIES)
    await shop.ship()
    [head] = await shop.heads()
    note = shop.vault / NOTE
    before = note.read_bytes()

    # Its head is gone, which this vault knows; and without that knowledge it meets other bytes.
    await remove(shop, f"heads/{1:012}.json")
    with pytest.raises(ReplicaAltered, match="was acknowledged, and is gone"):
        await shop.ship()
    note.unlink()
    [piece] = head.pieces
    await remove(shop, piece.key)
    await shop.other.put_once(PREFIX + piece.key, b"somebody else's")
    with pytest.raises(ReplicaAltered, match="holds other bytes than were shipped"):
        await shop.ship()
    assert before != b""

    # It is another vault's.
    await remove(shop, "vault.json")
    await shop.other.put_once(PREFIX + "vault.json", b'{"vault":"00","format":1}')
    with pytest.raises(ReplicaAltered, match="of another vault"):
        await shop.ship()


async def remove(shop: Shop, name: str) -> None:
    state = await shop.other.head(PREFIX + name)
    assert state is not None
    await shop.other.delete_batch([(state.key, state.etag)])


async def test_a_log_that_lacks_what_the_replica_saw_is_told(shop: Shop) -> None:
    """The vault was put back to an older state: nothing may be shipped from there."""
    await shop.back_up({"a": b"a"})
    before = {name: (shop.vault / name).read_bytes() for name in ("audit.db", "audit.db-wal")}
    await shop.back_up({"b": b"b"}, LATER)
    await shop.ship()
    await shop.audit.close()
    (shop.vault / "audit.db-shm").unlink(missing_ok=True)
    for name, content in before.items():
        (shop.vault / name).write_bytes(content)
    shop.audit = await AuditLog.open(shop.vault, SteppingClock())
    with pytest.raises(AuditBroken, match="record 2 is missing, but the replica saw it"):
        await shop.ship()
    await shop.back_up({"c": b"c"}, LATER[:-1] + "C")
    with pytest.raises(AuditBroken, match="record 2 is not the one that the replica saw"):
        await shop.ship()


async def test_a_place_that_can_hold_no_replica_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.back_up(BODIES)
    here = shop.config
    # By another name of the store than the configuration knows it by.
    inside = ReplicaConfig(
        here.bucket, endpoint_url=here.endpoint_url.replace("127.0.0.1", "localhost")
    )
    shop.config = replace(here, replica=inside)
    with pytest.raises(ReplicaUnsafe, match="in the bucket that is kept clean"):
        await shop.ship()

    async def overwrites(self: Bucket, key: str, data: bytes) -> bool:
        return True

    shop.config = here
    monkeypatch.setattr(Bucket, "put_once", overwrites)
    with pytest.raises(ReplicaUnsafe, match="ignores If-None-Match"):
        await shop.ship()


async def test_one_process_ships_at_a_time(shop: Shop) -> None:
    async with (
        Bucket.open(shop.config, SystemClock()) as source,
        open_shipper(shop.config, source, shop.audit, SteppingClock()),
    ):
        with pytest.raises(VaultBusy, match="replicate"):
            await shop.ship()


def test_a_member_recorded_late_is_shipped_whole() -> None:
    """Batches may be recorded in another order than their packs were written in."""

    def member(key: str, offset: int) -> Intent:
        backup = msgspec.structs.replace(
            intent(key).backup, path=f"backups/{OPERATION}/pack-000001.tar", offset=offset
        )
        return msgspec.structs.replace(intent(key), backup=backup)

    def entry(seq: int, record: Intent) -> Entry:
        return Entry(seq, NOON, OPERATION, record, b"")

    later, early = entry(1, member("b", 4096)), entry(2, member("a", 1024))
    ends = planning.pack_ends([later])
    [first] = planning.wanted_of([later], {})
    [second] = planning.wanted_of([early], ends)
    assert (first.start, first.end) == (0, 4096 + 512)
    assert (second.start, second.end) == (512, 1024 + 512)
    assert [want.backups[0].offset for want in (first, second)] == [4096, 1024]
    assert planning.wanted_of([entry(3, member("c", 8192))], ends)[0].start == 4096 + 512


async def test_what_takes_long_is_done_beside_the_event_loop(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes of pieces and compressed rows: a heartbeat, and a key press, would wait for them."""
    ours, seen = threading.current_thread(), []

    def watch(module: ModuleType, name: str) -> None:
        whole = getattr(module, name)

        def watched(*given: object) -> object:
            assert threading.current_thread() is not ours, name
            seen.append(name)
            return whole(*given)

        monkeypatch.setattr(module, name, watched)

    watch(immutable, "_sums")
    watch(shipping, "encode_rows")
    watch(store_of_replica, "sha256_of")
    await shop.back_up(MORE)
    await shop.ship()
    for head in await shop.heads():
        async with open_replica(shop.config, SystemClock()) as store:
            await store.get(head.segment)
    assert set(seen) == {"_sums", "encode_rows", "sha256_of"}
