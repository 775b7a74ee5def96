"""The photo app: uploads, a changed avatar, a deleted account; forty days of s3gc beside it."""

from __future__ import annotations

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.errors import DryRunRefused
from s3gc_core.judgement import Judged
from tests.stories.staging import picture, upload_bodies
from tests.world import World

ANNA_OLD, ANNA_NEW = "avatars/1/beach.jpg", "avatars/1/snow.jpg"
BEN, CLARA = "avatars/2/cat.jpg", "avatars/3/me.png"
ABANDONED = "avatars/9/upload-never-finished.jpg"
RELEASED = {ANNA_OLD, BEN}
ORPHANS = RELEASED | {ABANDONED}
IN_USE = {ANNA_NEW, CLARA}


def photo(key: str, content_type: str = "image/jpeg") -> tuple[bytes, ObjectHeaders]:
    headers = ObjectHeaders(
        content_type=content_type,
        cache_control="public, max-age=31536000",
        content_disposition=f'inline; filename="{key.rpartition("/")[2]}"',
        metadata={"uploaded-by": key.split("/")[1], "app": "photos 2.1"},
        tags={"kind": "avatar", "user": key.split("/")[1]},
    )
    return b"\xff\xd8\xff" + key.encode() * 50, headers


async def people_and_their_photos(world: World) -> None:
    await world.app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar VARCHAR(200))")
    await upload_bodies(
        world,
        {
            **{key: photo(key) for key in (ANNA_OLD, BEN, ABANDONED)},
            CLARA: photo(CLARA, "image/png"),
        },
    )
    await world.app.executemany(
        "INSERT INTO users VALUES (?, ?)", [(1, ANNA_OLD), (2, BEN), (3, CLARA)]
    )


async def a_changed_avatar_and_a_deleted_account(world: World) -> None:
    await upload_bodies(world, {ANNA_NEW: photo(ANNA_NEW)})
    await world.app.execute("UPDATE users SET avatar = ? WHERE id = 1", ANNA_NEW)
    await world.app.execute("DELETE FROM users WHERE id = 2")


def verdicts(judged: dict[str, Judged]) -> dict[str, str]:
    return {key: of.verdict.value for key, of in judged.items()}


def registry_says(judged: dict[str, Judged]) -> dict[str, str]:
    return {key: of.layers.registry.verdict.value for key, of in judged.items()}


def retention_says(judged: dict[str, Judged]) -> dict[str, str]:
    return {key: of.layers.retention.verdict.value for key, of in judged.items()}


async def test_the_photo_app(world: World) -> None:
    await people_and_their_photos(world)
    world.track({"users": ["avatar"]}, mode="dry_run")

    # Day 0: everything is in use but the upload nobody finished, which is too young.
    summary = await world.scan()
    assert (summary.listed, summary.referenced, summary.plan_id) == (4, 3, None)
    assert await world.verdicts() == {ABANDONED: "keep"}

    # Day 1: the last references of two photos go away; a scan sees it.
    world.days(1)
    await a_changed_avatar_and_a_deleted_account(world)
    everything = await picture(world)
    assert set(everything) == ORPHANS | IN_USE
    assert (await world.scan()).blocked == []
    assert await world.verdicts() == dict.fromkeys(ORPHANS, "keep")

    # Day 3: too young, and too recently released.
    world.days(2)
    summary = await world.scan()
    assert (summary.listed, summary.referenced, summary.orphans) == (5, 2, 0)
    assert (summary.kept, summary.held, summary.plan_id, summary.blocked) == (3, 0, None, [])
    judged = await world.judged()
    assert verdicts(judged) == dict.fromkeys(ORPHANS, "keep")
    assert registry_says(judged) == {**dict.fromkeys(RELEASED, "keep"), ABANDONED: "pass"}
    assert retention_says(judged) == dict.fromkeys(ORPHANS, "keep")

    # Day 7.5: old enough, but the two were in use until day 1.
    world.days(4.5)
    summary = await world.scan()
    judged = await world.judged()
    assert verdicts(judged) == {**dict.fromkeys(RELEASED, "keep"), ABANDONED: "orphan"}
    assert registry_says(judged) == {**dict.fromkeys(RELEASED, "keep"), ABANDONED: "pass"}
    assert retention_says(judged) == dict.fromkeys(ORPHANS, "pass")
    assert summary.plan_id is not None
    with pytest.raises(DryRunRefused):
        await world.execute(summary.plan_id)
    assert await picture(world) == everything

    # Day 10: all three may go, are approved, and go.
    world.days(2.5)
    world.track({"users": ["avatar"]}, mode="execute")
    executed = await world.collect()
    assert executed.outcome == "done"
    assert executed.counts == {"deleted": 3}
    assert executed.bytes == sum(len(everything[key][0]) for key in ORPHANS)
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(ORPHANS, "deleted")
    assert await picture(world) == {key: everything[key] for key in IN_USE}

    # Day 15: the account comes back, then all the rest; bytes and headers as they were.
    world.days(5)
    await world.app.execute("INSERT INTO users VALUES (2, ?)", BEN)
    restored = await world.restore(BEN)
    assert (restored.outcome, restored.counts) == ("done", {"restored": 1})
    assert await picture(world) == {key: everything[key] for key in IN_USE | {BEN}}
    restored = await world.restore(operation_id=executed.operation_id)
    assert (restored.outcome, restored.counts) == ("done", {"restored": 2, "already-there": 1})
    assert await picture(world) == everything

    # Day 40: the row is back, so its photo stays; the other two are orphans again.
    world.days(25)
    await world.scan()
    assert await world.verdicts() == dict.fromkeys(ORPHANS - {BEN}, "orphan")
