"""Every way in which a predecessor lost or damaged data, replayed: objects and backups.

One test for each row of the predecessors' table of damage. Images are in
`test_predecessor_pictures`, databases that go away in `test_predecessor_lost_database`, stores that
refuse, two cycles at once and the audit trail in `test_predecessor_trouble`.
"""

from __future__ import annotations

import gzip
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import Selection
from s3gc_core.errors import GuardBlocked
from s3gc_core.vault import Intent
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.stories.staging import (
    SENT,
    USED,
    backup_files,
    before_reading,
    collected,
    comes_back_exactly,
    file_of,
    flip_bit,
    picture,
    rows,
    stored_backups,
    upload,
    upload_bodies,
)
from tests.world import World


async def intents(world: World, operation: str) -> dict[str, Intent]:
    async with world.collector() as collector:
        return {
            entry.record.key: entry.record
            async for page in collector.audit.entries(operation, kinds=["intent"])
            for entry in page
            if isinstance(entry.record, Intent)
        }


# Bytes and headers


async def test_plain_objects(sqlite_world: World) -> None:
    chance = random.Random(3)
    objects = {f"p/{n}.bin": (chance.randbytes(n * 4_096), SENT) for n in range(9)}
    objects["p/text.bin"] = (b"text that compresses well\n" * 4_096, SENT)
    await comes_back_exactly(sqlite_world, objects)


async def test_headers_metadata_tags_and_storage_class(aws_world: World) -> None:
    single = {
        "content_type": "application/json; charset=utf-8",
        "cache_control": "no-cache, max-age=0",
        "content_disposition": "attachment; filename=\"a b.json\"; filename*=UTF-8''%C3%BC.json",
        "content_encoding": "gzip",
        "content_language": "de, en",
        "expires": "0",
        "website_redirect": "/elsewhere.html",
        "metadata": {"owner": "anna", "empty": "", "json": '{"a": 1}'},
        "tags": {"project": "x/y z", "empty": "", "ü": "ö+&="},
        "storage_class": "STANDARD_IA",
    }
    body = gzip.compress(b'{"gzip": "encoded"}', mtime=0)
    every = ObjectHeaders(**single)  # type: ignore[arg-type]
    objects = {
        "h/every.json": (body, every),
        "h/none": (body, ObjectHeaders(content_type="binary/octet-stream")),
        **{
            f"h/{name}": (body, ObjectHeaders(**{"content_type": "text/x", name: value}))  # type: ignore[arg-type]
            for name, value in single.items()
        },
    }
    await comes_back_exactly(aws_world, objects)


async def test_keys_that_one_file_name_could_mean(aws_world: World) -> None:
    keys = ["col/x_y", "col_x/y", "col/x:y", "col/x y", "col\\x_y", "COL/x_y", "col/x_y/"]
    objects = {key: (f"only of {key}".encode(), SENT) for key in keys}
    operation = await collected(aws_world, objects)
    assert len(stored_backups(aws_world)) == len(keys)
    assert (await aws_world.restore("col/x_y")).counts == {"restored": 1}
    assert await picture(aws_world) == {
        "col/x_y": objects["col/x_y"],
        USED: (b"in use", SENT),
    }
    restored = await aws_world.restore(operation_id=operation)
    assert restored.counts == {"restored": len(keys) - 1, "already-there": 1}
    assert await picture(aws_world) == {**objects, USED: (b"in use", SENT)}


async def test_key_too_long_for_a_file_name(aws_world: World) -> None:
    # SeaweedFS caps one segment at 255 bytes, ministack takes the key as it is.
    key = "い" * 100 + ".jpg"
    assert len(key) < 200 < 255 < len(key.encode())
    await comes_back_exactly(aws_world, {key: (b"a long name", SENT)})


# Backups


async def test_backups_stored_as_they_are_and_compressed(sqlite_world: World) -> None:
    objects = {
        "p/raw.bin": (os.urandom(50_000), SENT),
        "p/squeezed.txt": (b"again and " * 5_000 + b"again", SENT),
        "p/is-zstd-itself.zst": (bytes.fromhex("28b52ffd") + os.urandom(500), SENT),
        "p/empty": (b"", SENT),
    }
    operation = await collected(sqlite_world, objects)
    recorded = await intents(sqlite_world, operation)
    assert {key: intent.backup.codec for key, intent in recorded.items()} == {
        "p/raw.bin": "raw",
        "p/squeezed.txt": "zstd",
        "p/is-zstd-itself.zst": "raw",
        "p/empty": recorded["p/empty"].backup.codec,
    }
    restored = await sqlite_world.restore(operation_id=operation)
    assert restored.counts == {"restored": 4}
    assert await picture(sqlite_world) == {**objects, USED: (b"in use", SENT)}


async def test_one_bit_flipped_in_a_backup(sqlite_world: World) -> None:
    world = sqlite_world
    objects = {
        "p/raw.bin": (os.urandom(5_000), SENT),
        "p/zstd.txt": (b"again and " * 500, SENT),
        "p/whole.txt": (b"nobody touched this one " * 500, SENT),
    }
    operation = await collected(world, objects)
    for key in ("p/raw.bin", "p/zstd.txt"):
        await flip_bit(world, operation, key)
    async with world.collector() as collector:
        damaged = {key async for key, why in collector.verify_backups() if why is not None}
    assert damaged == {"p/raw.bin", "p/zstd.txt"}
    restored = await world.restore(operation_id=operation)
    assert restored.outcome == "partial"
    assert await world.outcomes(restored.operation_id) == {
        "p/raw.bin": "failed",
        "p/zstd.txt": "failed",
        "p/whole.txt": "restored",
    }
    # What cannot be proven is not written at all.
    assert await picture(world) == {
        "p/whole.txt": objects["p/whole.txt"],
        USED: (b"in use", SENT),
    }


async def test_backups_of_objects_that_were_not_restored_outlive_every_clean_up(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    objects = {f"p/{n}.jpg": (f"photo {n}".encode(), SENT) for n in range(3)}
    operation = await collected(world, objects)
    files = backup_files(world)
    world.days(3_650)
    async with world.collector() as collector:
        summary = await collector.purge(older_than_days=1, dry_run=False)
    assert (summary.purged, summary.sole_copies) == (0, 3)
    assert backup_files(world) == files
    assert (await world.restore(operation_id=operation)).counts == {"restored": 3}
    assert await picture(world) == {**objects, USED: (b"in use", SENT)}


async def test_restore_dry_run_with_the_backup_files_gone(sqlite_world: World) -> None:
    world = sqlite_world
    # The first is too large for a pack.
    objects = {"p/0.jpg": (os.urandom(200_000), SENT), "p/1.jpg": (b"photo 1", SENT)}
    operation = await collected(world, objects)
    (await file_of(world, operation, "p/0.jpg")).unlink()
    async with world.collector() as collector:
        selection = Selection(operation_id=operation)
        offered = {
            backup.intent.key async for page in collector.restorable(selection) for backup in page
        }
    assert offered == {"p/1.jpg"}
    # The real restore says the same.
    restored = await world.restore(operation_id=operation)
    assert restored.outcome == "partial"
    assert await world.outcomes(restored.operation_id) == {
        "p/0.jpg": "failed",
        "p/1.jpg": "restored",
    }


# Newer objects, other buckets, other times


async def test_object_overwritten_between_backup_and_delete(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await upload(world, {"p/a.jpg", "p/b.jpg", USED})
    await rows(world, "files", [USED])
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    assert summary.plan_id is not None
    new = (b"a new photo under the old name", ObjectHeaders(content_type="image/jpeg"))

    async def overwrite() -> None:
        assert len(stored_backups(world)) == 2
        await world.put("p/a.jpg", *new)

    with monkeypatch.context() as patched:
        before_reading(patched, overwrite)
        executed = await world.execute(summary.plan_id)
    assert executed.outcome == "partial"
    assert await world.outcomes(executed.operation_id) == {
        "p/a.jpg": "changed",
        "p/b.jpg": "deleted",
    }
    assert await picture(world) == {"p/a.jpg": new, USED: before[USED]}
    # Restoring the operation brings back what it deleted, and leaves alone what it did not.
    assert (await world.restore(operation_id=executed.operation_id)).counts == {"restored": 1}
    assert await picture(world) == {
        "p/a.jpg": new,
        "p/b.jpg": before["p/b.jpg"],
        USED: before[USED],
    }


async def test_restore_of_a_key_where_a_newer_object_lives(sqlite_world: World) -> None:
    world = sqlite_world
    old = (b"the old photo", ObjectHeaders(content_type="image/png", metadata={"v": "1"}))
    await collected(world, {"p/a.png": old})
    new = (b"the new photo", ObjectHeaders(content_type="image/jpeg", metadata={"v": "2"}))
    await upload_bodies(world, {"p/a.png": new})
    restored = await world.restore("p/a.png")
    assert (restored.outcome, restored.counts) == ("partial", {"newer-kept": 1})
    assert await world.contents("p/a.png") == new
    # Only when asked for; and what is overwritten is what was looked at.
    restored = await world.restore("p/a.png", overwrite=True)
    assert (restored.outcome, restored.counts) == ("done", {"restored": 1})
    assert await world.contents("p/a.png") == old


async def test_two_buckets_and_one_vault(
    sqlite_world: World, make_bucket: MakeBucket, seaweed: SeaweedServer
) -> None:
    first = sqlite_world
    key = "same/key.jpg"
    operation = await collected(first, {key: (b"of the first bucket", SENT)})
    second_config = await make_bucket(seaweed)
    assert second_config.vault_path == first.config.vault_path
    second = World(replace(first.config, bucket=second_config.bucket), first.app, first.clock)
    await upload_bodies(second, {key: (b"of the second bucket", SENT), USED: (b"", SENT)})
    there = await picture(second)
    for refused in (second.scan(), second.restore(key), second.restore(operation_id=operation)):
        with pytest.raises(GuardBlocked) as error:
            await refused
        assert error.value.guards == ("identity:bucket",)
    assert await picture(second) == there
    assert (await first.restore(key)).counts == {"restored": 1}
    assert await first.contents(key) == (b"of the first bucket", SENT)


async def test_a_key_deleted_twice_comes_back_as_of_either_time(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    key = "p/a.jpg"
    first = await collected(world, {key: (b"version 1", SENT)})
    world.days(30)
    await upload_bodies(world, {key: (b"version 2", SENT)})
    world.days(30)
    second = (await world.collect()).operation_id
    assert (await world.restore(operation_id=second)).counts == {"restored": 1}
    assert (await world.contents(key))[0] == b"version 2"
    # The first is as restorable as before: by operation, and as of a time.
    restored = await world.restore(operation_id=first)
    assert restored.counts == {"newer-kept": 1}
    restored = await world.restore(operation_id=first, overwrite=True)
    assert restored.counts == {"restored": 1}
    assert (await world.contents(key))[0] == b"version 1"
    restored = await world.restore(operation_id=second, overwrite=True)
    assert restored.counts == {"restored": 1}
    assert (await world.contents(key))[0] == b"version 2"
    # The store's own stamps are not shifted: a second lies between the two, not a month.
    at = (await intents(world, first))[key].last_modified
    assert at < (await intents(world, second))[key].last_modified
    async with world.collector() as collector:
        chosen = [
            backup.operation_id
            async for page in collector.restorable(Selection(keys=(key,), as_of=at))
            for backup in page
        ]
        assert chosen == [first]
        exported = await collector.restore_to_folder(
            Selection(keys=(key,), as_of=at), tmp_path / "out"
        )
    assert exported.counts == {"exported": 1}
    assert (tmp_path / "out" / key).read_bytes() == b"version 1"
