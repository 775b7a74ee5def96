"""The share of a source's rows whose object exists: a broken codec blocks; what dangles is told."""

from __future__ import annotations

import pytest

from s3gc_core.errors import NoListing
from tests.stories.staging import picture, upload
from tests.world import World

CREATE = "CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(200))"
KEYS = {n: f"files/{n}.bin" for n in range(1, 21)}


async def furnished(world: World, form: str = "{}") -> None:
    await world.app.execute(CREATE)
    await world.app.executemany(
        "INSERT INTO files VALUES (?, ?)", [(n, form.format(key)) for n, key in KEYS.items()]
    )
    await upload(world, {*KEYS.values(), "lost.bin"})
    world.track({"files": ["path"]}, cdn_bases=["https://cdn.example.org/"])
    world.days(8)


async def test_a_healthy_column(world: World) -> None:
    await furnished(world, "https://cdn.example.org/{}")
    summary = await world.scan()
    assert (summary.blocked, summary.orphans) == ([], 1)
    assert summary.matches == {"main:files.path": (20, 20)}


async def test_a_codec_that_reads_the_wrong_thing_blocks(world: World) -> None:
    """All keys are written so that no codec knows them: all objects look like orphans."""
    await furnished(world)
    await world.app.executemany(
        "UPDATE files SET path = ? WHERE id = ?", [(f"x{n}y", n) for n in KEYS]
    )
    before = await picture(world)
    summary = await world.scan()
    assert [trip.guard for trip in summary.blocked] == ["reverse-match"]
    assert summary.matches == {"main:files.path": (20, 0)}
    assert summary.plan_id is None
    assert await picture(world) == before


async def test_a_share_that_falls_blocks_until_it_is_accepted(world: World) -> None:
    await furnished(world)
    assert (await world.scan()).blocked == []
    await world.remove("files/1.bin")
    await world.remove("files/2.bin")
    summary = await world.scan()
    [trip] = summary.blocked
    assert trip.label == "reverse-match:main:files.path"
    assert "fell from 100.0% to 90.0%" in trip.reason
    async with world.collector() as collector:
        summary = await collector.scan([trip.label], "they were removed by hand")
    assert (summary.blocked, summary.orphans) == ([], 1)
    # What was accepted is what the next scan compares with.
    assert (await world.scan()).blocked == []


async def test_the_history_that_operators_see(sqlite_world: World) -> None:
    world = sqlite_world
    await furnished(world)

    async def histories() -> dict[str, tuple[list[tuple[int, int]], str | None]]:
        async with world.collector() as collector:
            found = await collector.match_history()
        assert all(list(one.history) == sorted(one.history, key=lambda m: m.at) for one in found)
        return {
            one.source: (
                [(m.rows, m.existing) for m in one.history],
                one.tripped.label if one.tripped else None,
            )
            for one in found
        }

    # Tracked, and never read.
    assert await histories() == {"main:files.path": ([], None)}
    await world.scan()
    await world.scan()
    assert await histories() == {"main:files.path": ([(20, 20), (20, 20)], None)}
    await world.remove("files/1.bin")
    await world.remove("files/2.bin")
    # A scan that is blocked is the last one told, and never what the next one is compared with.
    label = "reverse-match:main:files.path"
    for _ in range(2):
        assert [trip.label for trip in (await world.scan()).blocked] == [label]
        whole = [(20, 20), (20, 20), (20, 18)]
        assert await histories() == {"main:files.path": (whole, label)}
    async with world.collector() as collector:
        await collector.scan([label], "they were removed by hand")
    assert (await histories())["main:files.path"][0] == whole
    # What is tracked no longer goes with the next scan; what is new comes at once.
    await world.app.execute("CREATE TABLE more (id INTEGER PRIMARY KEY, path VARCHAR(200))")
    world.track({"more": [{"column": "path", "may_be_empty": True}], "files": ["path"]})
    assert list(await histories()) == ["main:more.path", "main:files.path"]
    assert (await histories())["main:more.path"] == ([], None)
    world.track({"more": [{"column": "path", "may_be_empty": True}]})
    assert list(await histories()) == ["main:more.path", "main:files.path"]
    assert (await world.scan()).matches == {"main:more.path": (0, 0)}
    assert list(await histories()) == ["main:more.path"]


async def test_dangling_references(world: World) -> None:
    await furnished(world)
    async with world.collector() as collector:
        with pytest.raises(NoListing):
            [page async for page in collector.dangling()]
    await world.app.execute("DELETE FROM files WHERE id = 3")
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {
        "lost.bin": "deleted",
        "files/3.bin": "deleted",
    }
    await world.remove("files/1.bin")
    # Its object is in the vault, and the row comes back; another one was never uploaded.
    await world.app.execute("INSERT INTO files VALUES (3, 'files/3.bin'), (30, 'files/30.bin')")
    await world.app.execute("INSERT INTO files VALUES (31, 'files/31.bin'), (32, NULL), (33, '')")
    await world.scan()
    # This one comes after the listing: it is not missing.
    await world.put("files/31.bin")
    async with world.collector() as collector:
        found = [one async for page in collector.dangling() for one in page]
    assert {(one.source, one.row, one.keys, one.in_vault) for one in found} == {
        ("main:files.path", 1, ("files/1.bin",), ()),
        ("main:files.path", 3, ("files/3.bin",), ("files/3.bin",)),
        ("main:files.path", 30, ("files/30.bin",), ()),
    }
