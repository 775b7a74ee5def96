"""Two buckets in two regions, one application, one vault for each bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3gc_core.collection import Selection
from s3gc_core.errors import GuardBlocked
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.stories.staging import backup_files, picture, upload_bodies
from tests.world import PLAIN, World

SHARED = "avatars/same-name.jpg"


async def test_several_buckets_in_different_regions(
    sqlite_world: World, make_bucket: MakeBucket, seaweed: SeaweedServer, tmp_path: Path
) -> None:
    us = sqlite_world
    eu_vault = tmp_path / "vault-eu"
    eu_vault.mkdir(mode=0o700)
    eu = World(replace(await make_bucket(seaweed), vault_path=eu_vault), us.app, us.clock)
    await us.app.execute("CREATE TABLE us_photos (id INTEGER PRIMARY KEY, k VARCHAR(200))")
    await us.app.execute("CREATE TABLE eu_photos (id INTEGER PRIMARY KEY, k VARCHAR(200))")
    await us.app.execute("INSERT INTO us_photos VALUES (1, 'avatars/us.jpg')")
    await us.app.execute("INSERT INTO eu_photos VALUES (1, 'avatars/eu.jpg'), (2, ?)", SHARED)
    for world, where in ((us, "us"), (eu, "eu")):
        await upload_bodies(
            world,
            {
                key: (f"{where}: {key}".encode(), PLAIN)
                for key in (SHARED, f"avatars/{where}.jpg", f"avatars/{where}-orphan.jpg")
            },
        )
    us.track({"us_photos": ["k"]}, region="us-east-1")
    eu.track({"eu_photos": ["k"]}, region="eu-central-1")
    us_before, eu_before = await picture(us), await picture(eu)
    async with us.collector() as collector:
        await collector.clear_columns("eu_photos", reason="keys of the European bucket")

    # The same key is an orphan in one bucket and in use in the other.
    us.days(10)
    us_done, eu_done = await us.collect(), await eu.collect()
    assert await us.outcomes(us_done.operation_id) == {
        SHARED: "deleted",
        "avatars/us-orphan.jpg": "deleted",
    }
    assert await eu.outcomes(eu_done.operation_id) == {"avatars/eu-orphan.jpg": "deleted"}
    assert set(await picture(us)) == {"avatars/us.jpg"}
    eu_after = {key: eu_before[key] for key in (SHARED, "avatars/eu.jpg")}
    assert await picture(eu) == eu_after

    # The European vault knows nothing of the American object; each restores its own.
    async with eu.collector() as collector:
        pages = [page async for page in collector.restorable(Selection(prefix=""))]
    assert [backup.intent.key for page in pages for backup in page] == ["avatars/eu-orphan.jpg"]
    assert (await us.restore(SHARED)).counts == {"restored": 1}
    restored = {key: us_before[key] for key in (SHARED, "avatars/us.jpg")}
    assert await picture(us) == restored
    assert await picture(eu) == eu_after

    # The American vault with the European bucket is refused, whatever is asked for.
    wrong = World(replace(eu.config, vault_path=us.config.vault_path), us.app, us.clock)
    files = backup_files(us)
    with pytest.raises(GuardBlocked) as scanning:
        await wrong.scan()
    assert scanning.value.guards == ("identity:bucket",)
    with pytest.raises(GuardBlocked) as accepting:
        await wrong.scan(accept=["identity:bucket"])
    assert accepting.value.guards == ("identity:bucket",)
    with pytest.raises(GuardBlocked) as restoring:
        await wrong.restore("avatars/us-orphan.jpg")
    assert restoring.value.guards == ("identity:bucket",)
    assert await picture(us) == restored
    assert await picture(eu) == eu_after
    assert backup_files(us) == files

    # A plan of the one bucket is not executed on the other.
    us.days(10)
    summary = await us.scan()
    assert summary.plan_id is not None
    with pytest.raises(GuardBlocked) as executing:
        await wrong.execute(summary.plan_id)
    assert executing.value.guards == ("identity:bucket",)
    assert await picture(eu) == eu_after

    # Neither is the same bucket's name in another region the same bucket.
    moved = World(replace(us.config, region="ap-south-1"), us.app, us.clock)
    with pytest.raises(GuardBlocked) as moving:
        await moved.scan()
    assert moving.value.guards == ("identity:bucket",)
    assert (await us.execute(summary.plan_id)).counts == {"deleted": 1}
    assert set(await picture(us)) == {"avatars/us.jpg"}
