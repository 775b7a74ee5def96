"""Encrypted backups through everything that makes, reads, copies and removes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from s3gc_core.actions.doctor_encryption import encryption_check
from s3gc_core.config import Heal
from s3gc_core.errors import IdentityMissing, IdentityWrong, KeyUnproven, PlanDrifted
from s3gc_core.vault import BackupFiles, Intent, KeyProven, Keyring, Verified, generate
from tests.core.collection.test_compact import LOSSY, planned
from tests.core.collection.test_compact import OBJECTS as PICTURES
from tests.core.vault.builders import noise, prose
from tests.core.vault.photos import EXACT
from tests.stories.staging import (
    USED,
    Picture,
    backup_files,
    go_on,
    picture,
    rows,
    upload,
    upload_bodies,
)
from tests.world import PLAIN, World

OBJECTS = {
    "t/text.txt": prose(20_000),
    "t/again.txt": prose(20_000),
    "t/empty": b"",
    "t/noise": noise(200_000),
    "t/noise-again": noise(200_000),
    "t/large.csv": prose(3 << 20),
    "t/large": noise((2 << 20) + 7),
    "p/photo.jpg": EXACT["colour"],
}
FEW = ("t/text.txt", "t/again.txt", "t/empty", "t/noise", "t/noise-again")


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    generate(tmp_path / "identity")
    return tmp_path / "identity"


async def staged(
    world: World,
    identity: Path,
    *,
    key_here: bool,
    objects: Mapping[str, bytes] = MappingProxyType(OBJECTS),
) -> Picture:
    await upload_bodies(world, {key: (body, PLAIN) for key, body in objects.items()})
    await upload(world, [USED])
    await rows(world, "files", [USED])
    track(world, identity, key_here=key_here)
    world.days(30)
    return await picture(world)


def track(world: World, identity: Path, *, key_here: bool, on: bool = True) -> None:
    world.track(
        {"files": ["k"]},
        jpegxl=True,
        encryption="age" if on else "none",
        encryption_recipients=sorted(Keyring.public_keys(identity)),
        encryption_identity_file=str(identity) if key_here else "",
    )


async def prove(world: World, identity: Path) -> None:
    async with world.collector() as collector:
        (test,) = await collector.test_keys(identity)
    assert (test.current, test.opened_by) == (True, test.recipients)


async def intents(world: World, operation_id: str) -> dict[str, Intent]:
    async with world.collector() as collector:
        return {
            entry.record.key: entry.record
            async for page in collector.audit.entries(operation_id=operation_id)
            for entry in page
            if isinstance(entry.record, Intent)
        }


async def test_without_the_key_here_they_go_and_with_it_they_come_back(
    sqlite_world: World, identity: Path, tmp_path: Path
) -> None:
    world = sqlite_world
    before = await staged(world, identity, key_here=False)
    await prove(world, identity)
    done = await world.collect()
    assert done.counts == {"deleted": len(OBJECTS)}
    made = await intents(world, done.operation_id)
    assert all(intent.backup.sealed for intent in made.values())
    assert sum(intent.backup.reused for intent in made.values()) == 2
    stored = backup_files(world)
    assert not any(prose(500) in one or noise(500) in one for one in stored.values())

    # Without the key nothing is restored, compared or exported, and nothing is called damaged.
    async with world.collector() as collector:
        closed: list[str] = []
        looked = collector.verify_backups(unopened=closed.append)
        assert {one async for one in looked} == {(key, None) for key in OBJECTS}
        assert sorted(closed) == sorted(OBJECTS)
        last = await collector.audit.last(Verified)
        assert last is not None
        assert last.record.unopened == len(OBJECTS)
        with pytest.raises(IdentityMissing):
            await collector.drill(sample=3, to=str(tmp_path), seed=1)
        with pytest.raises(IdentityMissing):
            await collector.export(tmp_path / "all", operation_id=None, prefix="")
    assert not (tmp_path / "all").exists()
    with pytest.raises(IdentityMissing) as missing:
        await world.restore(operation_id=done.operation_id)
    assert "encryption_identity_file" in missing.value.next_step
    assert await world.keys() == {USED}
    # What is damaged is told without it, too.
    (one,) = [intent.backup for key, intent in made.items() if key == "t/large"]
    with damaged(world.config.vault_path / one.path):
        async with world.collector() as collector:
            found = {key async for key, wrong in collector.verify_backups() if wrong is not None}
    assert found == {"t/large"}
    # A purge takes nothing because it cannot be read.
    world.days(400)
    async with world.collector() as collector:
        gone = await collector.purge(older_than_days=1, dry_run=False)
    assert (gone.purged, gone.sole_copies) == (0, len(OBJECTS))
    assert backup_files(world) == stored

    # Another one's key is told from damage, too.
    other = tmp_path / "other"
    generate(other)
    world.change(encryption_identity_file=str(other))
    with pytest.raises(IdentityWrong):
        await world.restore(operation_id=done.operation_id)
    assert await world.keys() == {USED}

    track(world, identity, key_here=True)
    async with world.collector() as collector:
        assert [p async for _, p in collector.verify_backups()] == [None] * len(OBJECTS)
        drilled = await collector.drill(sample=len(OBJECTS), to=str(tmp_path), seed=1)
        assert (drilled.checked, drilled.differing) == (len(OBJECTS), 0)
        await collector.export(tmp_path / "all", operation_id=None, prefix="t/")
    exported = {path.read_bytes() for path in (tmp_path / "all").glob("objects/*/*")}
    assert exported == {body for key, body in OBJECTS.items() if key.startswith("t/")}
    back = await world.restore(operation_id=done.operation_id)
    assert back.counts == {"restored": len(OBJECTS)}
    assert await picture(world) == before


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """A bit in the middle flipped, for a while."""
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    yield
    path.write_bytes(good)


async def test_nothing_is_deleted_before_a_key_was_proven(
    sqlite_world: World, identity: Path, tmp_path: Path
) -> None:
    world = sqlite_world
    before = await staged(world, identity, key_here=False)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    with pytest.raises(KeyUnproven) as refused:
        await world.execute(plan_id)
    assert refused.value.exit_code == 3
    # A key that opens nothing of it proves nothing.
    other = tmp_path / "other"
    generate(other)
    async with world.collector() as collector:
        with pytest.raises(IdentityWrong):
            await collector.test_keys(other)
        with pytest.raises(IdentityMissing):
            await collector.test_keys()
        assert await collector.audit.last(KeyProven) is None
    assert await picture(world) == before
    assert backup_files(world) == {}
    await prove(world, identity)
    assert (await go_on(world, plan_id)).counts == {"deleted": len(OBJECTS)}
    # Other recipients are proven by themselves.
    world.change(encryption_recipients=tuple(Keyring.public_keys(other)))
    await world.put("t/new", b"new")
    world.days(30)
    with pytest.raises(KeyUnproven):
        await world.collect()
    assert await world.keys() == {USED, "t/new"}


async def test_a_key_that_is_here_has_to_be_the_right_one(
    sqlite_world: World, identity: Path, tmp_path: Path
) -> None:
    world = sqlite_world
    before = await staged(world, identity, key_here=True)
    other = tmp_path / "other"
    generate(other)
    world.change(encryption_identity_file=str(other))
    with pytest.raises(IdentityWrong):
        await world.collect()
    other.unlink()
    with pytest.raises(IdentityMissing):
        await world.collect()
    assert await picture(world) == before
    world.change(encryption_identity_file=str(identity))
    assert (await world.collect()).counts == {"deleted": len(OBJECTS)}
    async with world.collector() as collector:
        assert await collector.audit.last(KeyProven) is not None


async def test_the_doctor_tells_what_nobody_could_open(
    sqlite_world: World, identity: Path, tmp_path: Path
) -> None:
    world, other = sqlite_world, tmp_path / "other"
    generate(other)

    async def look(file: Path | None, *, on: bool = True) -> bool:
        track(world, identity, key_here=False, on=on)
        world.change(encryption_identity_file=str(file or ""))
        check = await encryption_check(world.config)
        assert bool(check.fix) is not check.ok
        return check.ok

    assert [await look(file) for file in (None, identity, other)] == [False, True, False]
    # To look is to prove nothing.
    assert not await look(None)
    assert [await look(file, on=False) for file in (other, tmp_path / "none")] == [True, False]
    track(world, identity, key_here=False)
    await prove(world, identity)
    assert [await look(file) for file in (None, identity, other)] == [True, True, False]
    # What heals has to decrypt.
    track(world, identity, key_here=False)
    world.change(heal=Heal.RESTORE)
    assert not (await encryption_check(world.config)).ok
    world.change(encryption_identity_file=str(identity))
    assert (await encryption_check(world.config)).ok


async def test_encryption_binds_the_plan(sqlite_world: World, identity: Path) -> None:
    world = sqlite_world
    before = await staged(world, identity, key_here=True)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    track(world, identity, key_here=True, on=False)
    with pytest.raises(PlanDrifted, match="encryption"):
        await world.execute(plan_id)
    assert await picture(world) == before


@pytest.mark.parametrize("key_here", [True, False])
async def test_before_and_after_the_switch(
    sqlite_world: World, identity: Path, *, key_here: bool
) -> None:
    """An old copy stands for a new one only where it can be proven, and is encrypted alike."""
    world, objects = sqlite_world, {key: OBJECTS[key] for key in FEW}
    await staged(world, identity, key_here=key_here, objects=objects)
    if not key_here:
        await prove(world, identity)
    operations: list[str] = []
    for on in (False, True, True):
        if operations:
            await upload_bodies(world, {key: (body, PLAIN) for key, body in objects.items()})
            world.days(30)
        track(world, identity, key_here=key_here, on=on)
        operations.append((await world.collect()).operation_id)
    plain, first, second = [await intents(world, one) for one in operations]
    assert {bool(i.backup.sealed) for i in plain.values()} == {False}
    assert {bool(i.backup.sealed) for i in [*first.values(), *second.values()]} == {True}
    # Within each operation two are twins.
    assert [sum(i.backup.reused for i in of.values()) for of in (plain, first)] == [2, 2]
    assert sum(i.backup.reused for i in second.values()) == (len(objects) if key_here else 2)
    track(world, identity, key_here=True)
    async with world.collector() as collector:
        assert [p async for _, p in collector.verify_backups()] == [None] * 3 * len(objects)
    back = await world.restore(operation_id=operations[2])
    assert back.counts == {"restored": len(objects)}
    assert {key: (await world.contents(key))[0] for key in objects} == objects


async def test_pictures_stored_lossy_are_encrypted_as_all_else(
    sqlite_world: World, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is not here when they go: what proves them is the operation's own."""
    world, ended = sqlite_world, list[str]()
    end = BackupFiles.end_operation

    def ending(files: BackupFiles, operation_id: str) -> None:
        end(files, operation_id)
        ended.append(operation_id)

    monkeypatch.setattr(BackupFiles, "end_operation", ending)
    recipients = sorted(Keyring.public_keys(identity))
    encrypted = {"encryption": "age", "encryption_recipients": recipients}
    plan_id = await planned(world, **encrypted)
    await prove(world, identity)
    done = await world.execute(plan_id)
    assert (done.counts, done.lossy) == ({"deleted": len(PICTURES)}, len(LOSSY))
    assert ended == [done.operation_id]
    made = await intents(world, done.operation_id)
    assert {key for key, one in made.items() if one.backup.codec == "compact"} == set(LOSSY)
    assert all(one.backup.sealed for one in made.values())
    assert not any(b"WEBP" in one for one in backup_files(world).values())

    world.change(encryption_identity_file=str(identity))
    async with world.collector() as collector:
        assert [wrong async for _, wrong in collector.verify_backups()] == [None] * len(PICTURES)
    back = await world.restore(operation_id=done.operation_id, accept_lossy=True)
    assert back.counts == {"restored": len(PICTURES)}
    for key, intent in made.items():
        body = (await world.contents(key))[0]
        assert hashlib.sha256(body).hexdigest() == intent.backup.given_sha256
        assert (body == PICTURES[key]) == (key not in LOSSY)
