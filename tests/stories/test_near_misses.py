"""A row that writes a key almost like an object's holds the object, with both spellings shown."""

from __future__ import annotations

import pytest

from tests.stories.staging import picture, upload
from tests.world import World

# The object's key, and how the row writes it.
NEAR = {
    "case": ("photos/IMG_1.JPG", "Photos/img_1.jpg"),
    "the base name only": ("photos/2024/harbour.jpg", "harbour.jpg"),
    "a path below a missing folder": ("media/photos/2024/bay.jpg", "photos/2024/bay.jpg"),
    "an absolute path before it": ("photos/2024/cliff.jpg", "/srv/app/data/photos/2024/cliff.jpg"),
    "another host's path before it": ("photos/dune.jpg", "https://h.example/v1/photos/dune.jpg"),
    "a step up before it": ("blog/images/beach.jpg", "../images/beach.jpg"),
    "a step up, in Markdown": ("blog/images/surf.jpg", "![x](posts/../../images/surf.jpg)"),
    "full-width letters": ("photos/abc.jpg", "photos/\uff41\uff42\uff43.jpg"),
}
# Alike, and still another object's.
FAR = {
    "an equal base name below another folder": ("x/cover.jpg", "y/cover.jpg"),
    "a longer name": ("images/a.jpg", "images2/a.jpg"),
    "a part of the name": ("photos/a.jpg", "photos/aa.jpg"),
    "a step up to another folder": ("blog/images/b.jpg", "../pictures/b.jpg"),
    "a bare word": ("photos/draft", "draft"),
    "another ending": ("photos/e.jpg", "photos/e.jpeg"),
}


@pytest.mark.parametrize("case", [*NEAR, *FAR])
async def test_one_row(sqlite_world: World, case: str) -> None:
    world = sqlite_world
    key, written = (NEAR | FAR)[case]
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k VARCHAR(300))")
    await world.app.execute("INSERT INTO files VALUES (7, ?), (8, 'used.jpg')", written)
    await upload(world, {key, "used.jpg"})
    world.track({"files": ["k"]})
    world.days(30)
    summary = await world.scan()
    judged = await world.judged()
    assert judged.keys() == {key}
    if case in FAR:
        assert (judged[key].verdict, summary.orphans) == ("orphan", 1)
        return
    if key in written:
        # It stands there, whatever comes before it: the search of all text finds it.
        assert (judged[key].verdict, summary.orphans, summary.held) == ("keep", 0, 0)
        assert judged[key].reason.startswith("found in main:main.files.k row 7 (")
        assert written in judged[key].reason
        return
    assert (judged[key].verdict, summary.orphans, summary.held) == ("held", 0, 1)
    assert judged[key].reason.startswith("main:files.k row 7 (")
    # Its own spelling is the key; the row's is in brackets.
    shown = judged[key].reason.partition("(")[2].partition(")")[0]
    assert shown != key
    assert shown in written


async def test_a_codec_declared_wrongly_still_holds_what_is_nearly_the_same(
    sqlite_world: World,
) -> None:
    """`key` reads no JSON; the databases are asked more broadly, and so are near misses."""
    world = sqlite_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k VARCHAR(300))")
    await world.app.execute(
        "INSERT INTO files VALUES (7, ?), (8, 'used.jpg')", '{"src": "f/My-Cat.jpg"}'
    )
    # As a base name alone, what was only found by looking broadly says nothing.
    await upload(world, {"f%2FMy-Cat.jpg", "F/my-cat.jpg", "my-cat.jpg", "used.jpg"})
    world.track({"files": [{"column": "k", "codec": "key"}]})
    world.days(30)
    await world.scan()
    assert await world.verdicts() == {
        "f%2FMy-Cat.jpg": "held",
        "F/my-cat.jpg": "held",
        "my-cat.jpg": "orphan",
    }


async def test_a_near_miss_that_comes_after_the_plan_keeps_the_object(world: World) -> None:
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k VARCHAR(300))")
    await world.app.execute("INSERT INTO files VALUES (8, 'used.jpg')")
    await upload(world, {"photos/a.jpg", "photos/b.jpg", "used.jpg"})
    world.track({"files": ["k"]})
    world.days(30)
    before = await picture(world)
    summary = await world.scan()
    assert summary.orphans == 2
    assert summary.plan_id is not None
    await world.app.execute("INSERT INTO files VALUES (9, '/srv/www/photos/A.JPG')")
    executed = await world.execute(summary.plan_id)
    outcomes = await world.outcomes(executed.operation_id)
    assert outcomes == {"photos/a.jpg": "kept", "photos/b.jpg": "deleted"}
    assert await picture(world) == {key: before[key] for key in ("photos/a.jpg", "used.jpg")}
