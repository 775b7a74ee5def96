"""Photographs backed up as JPEG XL, through everything that reads a backup."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from s3gc_core.errors import CodecMissing
from s3gc_core.vault import Intent
from tests.core.vault.builders import prose
from tests.core.vault.photos import EXACT, OTHERWISE, jpeg
from tests.stories.staging import USED, go_on, rows, upload, upload_bodies
from tests.world import PLAIN, World

PHOTOS = {f"p/{kind.replace(' ', '-')}.jpg": body for kind, body in EXACT.items()}
PHOTOS["p/large.jpg"] = jpeg(size=(1400, 1000))
ODD = {f"o/{kind.replace(' ', '-')}.jpg": body for kind, body in OTHERWISE.items()}
FEW = {"p/colour.jpg": EXACT["colour"]}
OBJECTS = PHOTOS | ODD | {"t/text.txt": prose(20_000)}


async def planned(world: World, objects: dict[str, bytes]) -> str:
    await upload_bodies(world, {key: (body, PLAIN) for key, body in objects.items()})
    await upload(world, [USED])
    await rows(world, "files", [USED])
    world.track({"files": ["k"]}, jpegxl=True)
    world.days(30)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    return plan_id


def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)


async def test_photographs_go_and_come_back_byte_for_byte(
    sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    done = await world.execute(await planned(world, OBJECTS))
    assert done.counts == {"deleted": len(OBJECTS)}
    assert done.encodings["jxl"] == len(PHOTOS)
    assert sum(done.encodings.values()) == len(OBJECTS)
    async with world.collector() as collector:
        intents = [
            entry.record
            async for page in collector.audit.entries(operation_id=done.operation_id)
            for entry in page
            if isinstance(entry.record, Intent)
        ]
        assert {i.key for i in intents if i.backup.codec == "jxl"} == set(PHOTOS)
        checked = [problem async for _, problem in collector.verify_backups()]
        assert checked == [None] * len(OBJECTS)
        drilled = await collector.drill(sample=len(OBJECTS), to=str(tmp_path), seed=1)
        assert (drilled.checked, drilled.differing) == (len(OBJECTS), 0)
        await collector.export(tmp_path / "all", operation_id=None, prefix="p/")
        exported = {path.read_bytes() for path in (tmp_path / "all").glob("objects/*/*")}
        assert exported == set(PHOTOS.values())
        # Without the decoder nothing is restored, and nothing is called damaged.
        with monkeypatch.context() as patched:
            missing(patched)
            with pytest.raises(CodecMissing):
                _ = [problem async for _, problem in collector.verify_backups()]
    with monkeypatch.context() as patched:
        missing(patched)
        with pytest.raises(CodecMissing):
            await world.restore(*PHOTOS)
    assert await world.keys() == {USED}
    back = await world.restore(operation_id=done.operation_id)
    assert back.counts == {"restored": len(OBJECTS)}
    assert {key: (await world.contents(key))[0] for key in OBJECTS} == OBJECTS


async def test_nothing_is_deleted_where_the_encoder_is_missing(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await planned(world, FEW)
    with monkeypatch.context() as patched:
        missing(patched)
        with pytest.raises(CodecMissing):
            await world.execute(plan_id)
    assert await world.keys() == {*FEW, USED}
    assert (await go_on(world, plan_id)).counts == {"deleted": len(FEW)}
