"""A sample of `python -m tests.identity`: what is collected comes back as it was, ETag and all."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.identity.collecting import (
    NotIdentical,
    collect_and_restore,
    difference,
    not_restored,
    tracked,
)
from tests.identity.objects import odd_keys, pictures, sized, with_headers
from tests.identity.store import MIB, Seen, Store
from tests.servers.app_database import AppDatabase
from tests.servers.seaweed import S3Server
from tests.world import World

SIZES = (0, 1, 511, 512, 513, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, MIB + 1)


@pytest.mark.parametrize("server", ["seaweed", "ministack"])
async def test_everything_comes_back_as_it_was(
    server: str, servers: dict[str, S3Server], make_bucket: MakeBucket, tmp_path: Path
) -> None:
    """Only ministack knows all odd keys; SeaweedFS is the one with real parts."""
    running = servers[server]
    config = await make_bucket(running)
    store = Store(running.endpoint, config.bucket, running.access_key, running.secret_key)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    world = await tracked(World(config, database))
    uploads = {
        **with_headers(),
        **odd_keys(wild=server == "ministack"),
        **pictures(),
        **sized(*SIZES),
        **sized(5 * MIB + 1, 1, part_size=5 * MIB),
    }
    if server == "seaweed":  # see `test_a_key_that_is_a_folder_to_the_store`
        del uploads["a"], uploads["a/b"]
    try:
        before = await collect_and_restore(world, store, uploads)
    finally:
        await database.close()
    assert len(before) == len(uploads) > 60
    assert before["sizes/parts of 5242880/5242881"].headers["etag"].endswith('-2"')


async def test_a_key_that_is_a_folder_to_the_store(sqlite_world: World) -> None:
    """SeaweedFS refuses `a` with If-None-Match once `a/b` was there: told as a failure."""
    world = sqlite_world
    await world.put("a", b"an orphan")
    await tracked(world)
    world.days(30)
    await world.collect()
    await world.put("a/b", b"written meanwhile")
    refused = await world.restore("a")
    assert refused.counts == {"failed": 1}
    [told] = await not_restored(world, refused.operation_id)
    assert told.endswith("and shows no object there")


def test_the_comparison_sees_each_difference() -> None:
    """The negative control."""
    seen = Seen(3, "s", {"etag": '"e"', "expires": "0"}, {"a": "b"})
    assert difference("k", seen, Seen(3, "s", dict(seen.headers), {"a": "b"})) == ""
    for other in (
        Seen(3, "t", seen.headers, seen.tags),
        Seen(2, "s", seen.headers, seen.tags),
        Seen(3, "s", {"etag": '"e"'}, seen.tags),
        Seen(3, "s", {**seen.headers, "etag": '"f"'}, seen.tags),
        Seen(3, "s", seen.headers, {}),
    ):
        assert difference("k", seen, other) != ""
    assert issubclass(NotIdentical, AssertionError)
