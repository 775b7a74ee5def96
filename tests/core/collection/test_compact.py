"""Pictures stored LOSSY, through everything that reads a backup: it is said everywhere, and nothing
of them comes back unasked.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import Selection, recover
from s3gc_core.config import IMAGES_SENTENCE, Images
from s3gc_core.errors import CodecMissing, PlanDrifted
from s3gc_core.vault import (
    BackupDamaged,
    BackupFiles,
    Intent,
    Restored,
    RestoreIntent,
    compact,
)
from tests.core.vault.builders import prose
from tests.core.vault.photos import jpeg, png
from tests.stories.staging import USED, go_on, rows, upload, upload_bodies
from tests.world import World

HEADERS = ObjectHeaders(
    content_type="image/x-odd", cache_control="max-age=5", metadata={"who": "me"}, tags={"a": "b"}
)
MIDDLE = (480, 360)
LOSSY = {
    "p/photo.jpg": jpeg(size=MIDDLE, quality=97),
    "p/large": jpeg(size=(2100, 500), quality=97),
    "p/screen.png": png(size=MIDDLE),
}
EXACT = {"p/alpha.png": png("RGBA", MIDDLE), "p/small.jpg": jpeg(), "t/text.txt": prose(30_000)}
OBJECTS = LOSSY | EXACT
ON = {"images": "compact", "images_acknowledged": IMAGES_SENTENCE}


async def planned(world: World, **settings: object) -> str:
    await upload_bodies(world, {key: (body, HEADERS) for key, body in OBJECTS.items()})
    await upload(world, [USED])
    await rows(world, "files", [USED])
    world.track({"files": ["k"]}, **{**ON, **settings})
    world.days(30)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    return plan_id


async def records(world: World, operation_id: str) -> AsyncIterator[object]:
    async with world.collector() as collector:
        async for page in collector.audit.entries(operation_id=operation_id):
            for entry in page:
                yield entry.record


async def copies(world: World, operation_id: str) -> dict[str, Intent]:
    """The intents of what was stored LOSSY."""
    found = [r async for r in records(world, operation_id) if isinstance(r, Intent)]
    return {intent.key: intent for intent in found if intent.backup.fidelity == "lossy"}


async def restored(world: World, operation_id: str) -> dict[str, Restored]:
    found = [r async for r in records(world, operation_id) if isinstance(r, Restored)]
    return {one.key: one for one in found}


async def bodies(world: World, keys: object) -> dict[str, bytes]:
    return {key: (await world.contents(key))[0] for key in dict.fromkeys(keys)}  # type: ignore[call-overload]


async def test_lossy_ones_come_back_only_where_that_is_accepted(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    done = await world.execute(await planned(world))
    assert done.counts == {"deleted": len(OBJECTS)}
    assert (done.lossy, done.encodings["compact"]) == (len(LOSSY), len(LOSSY))
    made = await copies(world, done.operation_id)
    assert set(made) == set(LOSSY)
    for key, intent in made.items():
        backup = intent.backup
        assert (backup.codec, backup.raw_size) == ("compact", len(OBJECTS[key]))
        assert backup.stored_size <= backup.raw_size * 0.7
        assert max(backup.width, backup.height) <= 2048
    manifest = (
        world.config.vault_path / "backups" / done.operation_id / "manifest.jsonl"
    ).read_text()
    lines = [json.loads(line) for line in manifest.splitlines()]
    assert {line["key"] for line in lines if line["fidelity"] == "lossy"} == set(LOSSY)

    async with world.collector() as collector:
        stats = await collector.vault_stats()
        assert (stats.lossy, stats.codecs["compact"].backups) == (len(LOSSY), len(LOSSY))
        assert sum(of.backups for of in stats.codecs.values()) == len(OBJECTS)
        assert sum(of.stored_bytes for of in stats.codecs.values()) == stats.stored_bytes
        # The stored copies are what is compared.
        assert [why async for _, why in collector.verify_backups()] == [None] * len(OBJECTS)
        drilled = await collector.drill(sample=len(OBJECTS), to=str(tmp_path), seed=1)
        assert (drilled.checked, drilled.differing) == (len(OBJECTS), 0)
        drilled = await collector.drill(
            sample=len(OBJECTS), to=collector.config.drill_prefix, seed=2
        )
        assert (drilled.checked, drilled.differing) == (len(OBJECTS), 0)
        exported = await collector.export(tmp_path / "all", operation_id=None, prefix="")
        assert (exported.exported, exported.lossy, exported.damaged) == (
            len(OBJECTS), len(LOSSY), [],
        )  # fmt: skip

        # A folder gets the exact ones, too, and the others only when asked for.
        selection = Selection(operation_id=done.operation_id)
        summary = await collector.restore_to_folder(selection, tmp_path / "some")
        assert summary.outcome == "partial"
        assert summary.counts == {"exported": len(EXACT), "lossy-refused": len(LOSSY)}
        summary = await collector.restore_to_folder(selection, tmp_path / "some", accept_lossy=True)
        assert (summary.outcome, summary.lossy) == ("done", len(LOSSY))
        assert summary.counts == {"already-there": len(EXACT), "exported": len(LOSSY)}

    some = await world.restore(operation_id=done.operation_id)
    assert (some.outcome, some.lossy) == ("partial", 0)
    assert some.counts == {"restored": len(EXACT), "lossy-refused": len(LOSSY)}
    assert await world.keys() == {USED, *EXACT}
    assert await bodies(world, EXACT) == EXACT
    told = await restored(world, some.operation_id)
    assert {key for key, one in told.items() if one.outcome == "lossy-refused"} == set(LOSSY)
    assert all("--accept-lossy" in told[key].reason for key in LOSSY)

    rest = await world.restore(operation_id=done.operation_id, accept_lossy=True)
    assert (rest.outcome, rest.lossy) == ("done", len(LOSSY))
    assert rest.counts == {"restored": len(LOSSY), "already-there": len(EXACT)}
    told = await restored(world, rest.operation_id)
    assert {key for key, one in told.items() if one.lossy} == set(LOSSY)
    assert all(told[key].reason.startswith("LOSSY") for key in LOSSY)
    assert await bodies(world, EXACT) == EXACT
    for key, intent in made.items():
        data, headers = await world.contents(key)
        assert len(data) == intent.backup.stored_size
        assert headers == HEADERS
        with Image.open(io.BytesIO(data)) as seen:
            assert seen.size == (intent.backup.width, intent.backup.height)

    # Once more: each is there, as good as it will ever be, and no `--accept-lossy` is needed.
    again = await world.restore(operation_id=done.operation_id)
    assert again.counts == {"already-there": len(OBJECTS)}
    assert again.lossy == len(LOSSY)
    # And the object itself, uploaded again, is better than its copy.
    await world.put("p/photo.jpg", OBJECTS["p/photo.jpg"], HEADERS)
    again = await world.restore("p/photo.jpg", overwrite=True, accept_lossy=True)
    assert again.lossy == 0
    assert await bodies(world, ["p/photo.jpg"]) == {"p/photo.jpg": OBJECTS["p/photo.jpg"]}


async def test_before_anything_lossy_is_deleted(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was approved as such, can be decoded here, and was decoded once more from the disk."""
    world = sqlite_world
    plan_id = await planned(world, images="exact")
    world.change(images=Images.COMPACT)
    with pytest.raises(PlanDrifted, match="images"):
        await world.execute(plan_id)
    plan_id = (await world.scan()).plan_id or ""
    with monkeypatch.context() as patched:
        patched.setattr(compact, "find_spec", lambda _: None)
        with pytest.raises(CodecMissing, match="Pillow"):
            await world.execute(plan_id)
    assert await world.keys() == {USED, *OBJECTS}
    looked: list[tuple[int, int]] = []

    def unlike(copy: bytes, width: int, height: int) -> None:
        looked.append((width, height))
        compact.refuse_unlike(copy, width + (len(looked) == 2), height)

    with monkeypatch.context() as patched:
        patched.setattr("s3gc_core.vault.files.refuse_unlike", unlike)
        done = await go_on(world, plan_id)
    assert done.counts == {"deleted": len(OBJECTS) - 1, "failed": 1}
    assert len(looked) == len(LOSSY)
    (left,) = set(LOSSY) & await world.keys()
    assert await bodies(world, [left]) == {left: OBJECTS[left]}


async def test_nothing_passes_for_what_it_is_not(
    sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world = sqlite_world
    done = await world.execute(await planned(world, heal="restore"))
    made = await copies(world, done.operation_id)
    await overwrites_nothing_unaccepted(world, done.operation_id)
    await says_so_where_a_restore_died(world, made["p/large"], done.operation_id)
    # A record of two words, edited or not: the worse one counts.
    files = BackupFiles(world.config.vault_path)
    for changes in ({"fidelity": "exact"}, {"codec": "raw"}):
        odd = msgspec.structs.replace(made["p/large"].backup, **changes)
        assert odd.is_lossy
        with pytest.raises(BackupDamaged, match="is not"):
            await files.verify(odd)
    # What heals itself.
    keys = ["p/screen.png", "p/small.jpg"]
    await world.app.executemany("INSERT INTO files VALUES (?, ?)", enumerate(keys, start=10))
    await world.scan()
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    alarms = [line for line in lines if line["event"] == "reference_returned"]
    assert {line["key"]: line.get("lossy") for line in alarms} == {
        "p/screen.png": True, "p/small.jpg": None,
    }  # fmt: skip
    assert [line["objects"] for line in lines if line["event"] == "healed_lossy"] == [1]
    assert await world.keys() == {USED, "p/photo.jpg", "p/large", *keys}
    (screen,) = (await bodies(world, keys[:1])).values()
    assert len(screen) == made["p/screen.png"].backup.stored_size


async def overwrites_nothing_unaccepted(world: World, operation_id: str) -> None:
    await world.put("p/photo.jpg", b"newer", HEADERS)
    assert (await world.restore("p/photo.jpg")).counts == {"newer-kept": 1}
    assert (await world.restore("p/photo.jpg", overwrite=True)).counts == {"lossy-refused": 1}
    assert await bodies(world, ["p/photo.jpg"]) == {"p/photo.jpg": b"newer"}
    foreseen: dict[bool, dict[str, str]] = {}
    async with world.collector() as collector:
        for accepted in (False, True):
            selection = Selection(operation_id=operation_id)
            pages = collector.foresee(selection, accept_lossy=accepted)
            foreseen[accepted] = {one.key: one.outcome.value async for p in pages for one in p}
    newer = {"p/photo.jpg": "newer-kept"}
    assert foreseen[False] == {
        **dict.fromkeys(EXACT, "restored"), **dict.fromkeys(LOSSY, "lossy-refused"), **newer,
    }  # fmt: skip
    assert foreseen[True] == {**dict.fromkeys(OBJECTS, "restored"), **newer}


async def says_so_where_a_restore_died(world: World, intent: Intent, operation_id: str) -> None:
    async with world.collector() as collector:
        parts = collector._parts
        chunks = parts.files.read(intent.backup)
        await parts.bucket.put(intent.key, chunks, size=intent.backup.stored_size, headers=HEADERS)
        died = "01K0000000000000000000000Z"
        await parts.audit.append(died, [RestoreIntent(intent.key, operation_id)])
        await recover(parts.bucket, parts.audit, parts.files)
    told = (await restored(world, died))[intent.key]
    assert (told.outcome, told.lossy, told.inferred) == ("restored", True, True)
    assert "LOSSY" in told.reason
