"""Discovery finds the columns that hold keys, and only those, without being told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from s3gc_core.actions import discovering
from s3gc_core.collector import Collector
from s3gc_core.errors import NothingTracked, OperationCancelled
from s3gc_core.references import Finding, examine
from s3gc_core.references.examining import TableSample
from s3gc_tui.demo.world import small_world
from tests.stories.staging import picture, upload
from tests.world import World

ROWS = range(1, 31)
URL = "https://cdn.example.org"


def found(findings: Sequence[Finding]) -> dict[str, str]:
    """Column by column how it is to be read."""
    return {f"{f.table}.{f.id.column}": " ".join(f.templates) or str(f.codec) for f in findings}


async def furnished(world: World) -> None:
    """Keys in many forms, and columns that only look as if they held any."""
    execute = world.app.execute
    await execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(100), face VARCHAR(200),"
        " page VARCHAR(300), about TEXT, raw VARCHAR(300), other VARCHAR(300))"
    )
    await execute("CREATE TABLE blobs (hash VARCHAR(64) PRIMARY KEY, label VARCHAR(50))")
    await execute("CREATE TABLE albums (id INTEGER PRIMARY KEY, title VARCHAR(100))")
    await execute("CREATE TABLE empty_one (id INTEGER PRIMARY KEY, path VARCHAR(100))")
    await execute("CREATE TABLE numbers_only (id INTEGER PRIMARY KEY, count_of INTEGER)")
    await world.app.executemany(
        "INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                n,
                f"person {n}",
                f"faces/{n}.jpg" if n % 3 else None,
                f"{URL}/pages/{n}.html?v={n}",
                f'<p>Look: <img src="/about/{n}.png"> and so on, {n} times.</p>',
                f'{{"a": [{{"src": "raw\\/{n}.bin"}}], "n": {n}}}',
                f"https://elsewhere.s3.amazonaws.com/faces/{n}.jpg",
            )
            for n in ROWS
        ],
    )
    hashes = {n: f"{n * 7919:08x}{n:08x}cafe" for n in ROWS}
    await world.app.executemany(
        "INSERT INTO blobs VALUES (?, ?)", [(h, f"label {n}") for n, h in hashes.items()]
    )
    await world.app.executemany(
        "INSERT INTO albums VALUES (?, ?)", [(n, f"album {n}") for n in range(501, 521)]
    )
    keys = {f"faces/{n}.jpg" for n in ROWS if n % 3}
    keys |= {f"pages/{n}.html" for n in ROWS} | {f"about/{n}.png" for n in ROWS}
    keys |= {f"raw/{n}.bin" for n in ROWS} | {f"store/{h[:2]}/{h}" for h in hashes.values()}
    keys |= {f"covers/{n}_{size}.webp" for n in range(501, 521) for size in (200, 400)}
    await upload(world, keys | {"nobody/knows.bin"})
    world.track({}, cdn_bases=[URL])


# Keys that a column spells out.
PLAIN = ("faces/", "pages/", "about/", "raw/")
EXPECTED = {
    "people.face": "key",
    "people.page": "url",
    "people.about": "text",
    "people.raw": "json",
    "blobs.hash": "store/{hash[0:2]}/{hash}",
    "albums.id": "covers/{id}_{200,400}.webp",
}


async def test_every_column_that_holds_keys_and_no_other(world: World) -> None:
    await furnished(world)
    before = await picture(world)
    async with world.collector() as collector:
        discovery = await collector.discover()
    assert found(discovery.ranked) == EXPECTED
    assert discovery.unreadable == []
    assert discovery.objects == len(before)
    by_name = {f.id.column: f for f in discovery.ranked}
    assert (by_name["face"].values, by_name["face"].resolved) == (20, 20)
    assert by_name["face"].explained == pytest.approx(20 / len(before))
    assert by_name["hash"].objects == 30
    assert by_name["id"].objects == 40
    # It looked, and that was all.
    assert await picture(world) == before


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the values of each table were looked up."""
    counted: Counter[str] = Counter()

    async def counting(sample: TableSample, *args: Any, **kwargs: Any) -> object:
        counted[sample.table.table] += 1
        return await examine(sample, *args, **kwargs)

    monkeypatch.setattr(discovering, "examine", counting)
    return counted


async def test_what_was_looked_at_is_not_asked_again(
    sqlite_world: World, looked_at: Counter[str]
) -> None:
    await furnished(sqlite_world)
    tables = {"albums", "blobs", "empty_one", "people"}

    async def interrupted_at(last: str, number: int) -> None:
        def cancel(phase: str, done: int, total: int | None = None) -> None:
            if (phase, done) == (last, number):
                raise OperationCancelled("enough")

        with pytest.raises(OperationCancelled):
            async with Collector.open(
                sqlite_world.config, clock=sqlite_world.clock, progress=cancel
            ) as collector:
                await collector.discover()

    await interrupted_at("sample tables", 3)
    assert looked_at == Counter({"albums": 1, "blobs": 1, "empty_one": 1})
    await interrupted_at("sample tables", 1)
    assert looked_at == Counter(tables)
    objects = len(await sqlite_world.keys())
    left = objects - sum(1 for key in await sqlite_world.keys() if key.startswith(PLAIN))
    await interrupted_at("guess templates", left)
    async with sqlite_world.collector() as collector:
        assert found((await collector.discover()).ranked) == EXPECTED
        assert looked_at == Counter(tables)
        assert found((await collector.discover()).ranked) == EXPECTED
        assert looked_at == Counter(tables)
        await collector.discover(fresh=True)
        assert looked_at.total() == 2 * len(tables)
        # A larger sample is another question.
        await collector.discover(rows=5_000)
        assert looked_at.total() == 3 * len(tables)


async def test_without_a_database(sqlite_world: World) -> None:
    sqlite_world.change(databases=())
    async with sqlite_world.collector() as collector:
        with pytest.raises(NothingTracked):
            await collector.discover()


async def test_the_demo_world() -> None:
    async with small_world() as demo:
        config = replace(demo.config, sources=())
        async with Collector.open(config, clock=demo.clock) as collector:
            discovery = await collector.discover()
    assert found(discovery.ranked) == {
        "users.avatar_url": "url",
        "users.cover_photo": "key",
        "posts.body": "text",
        "post_images.image_key": "key",
        "documents.files": "json",
    }


async def test_a_column_that_cannot_be_read_hides_no_other(postgres_world: World) -> None:
    world = postgres_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, raws bytea[], k TEXT)")
    await world.app.execute("INSERT INTO t VALUES (1, ARRAY['x'::bytea], 'a/1.jpg')")
    await upload(world, {"a/1.jpg"})
    world.track({})
    async with world.collector() as collector:
        discovery = await collector.discover()
    assert found(discovery.ranked) == {"t.k": "key"}
    assert [f.id.column for f in discovery.unreadable] == ["raws"]
    assert "bytea[]" in discovery.unreadable[0].problem
