"""Why an object stays or may go: every reference down to its row, and what became of the last."""

from __future__ import annotations

from tests.stories.staging import upload
from tests.world import World


async def furnished(world: World) -> None:
    await world.app.execute(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, avatar VARCHAR(200), page VARCHAR(200))"
    )
    await world.app.executemany(
        "INSERT INTO users VALUES (?, ?, ?)",
        [
            (1, "p/a.jpg", None),
            (2, "p/b.jpg", "https://cdn.example.org/p/a.jpg?w=200"),
            (3, None, "o'brien"),
        ],
    )
    await upload(world, {"p/a.jpg", "p/b.jpg", "P/B.JPG", "lost.jpg"})
    world.track(
        {"users": ["avatar", {"column": "page", "codec": "url"}]},
        cdn_bases=["https://cdn.example.org/"],
    )
    world.days(8)


async def test_every_reference_with_codec_times_and_query(world: World) -> None:
    await furnished(world)
    await world.scan()
    first = world.clock.now()
    world.days(1)
    await world.scan()
    async with world.collector() as collector:
        found = await collector.why("p/a.jpg")
    assert {(r.table, r.column, r.row, r.codec, r.seen_by) for r in found.references} == {
        ("users", "avatar", 1, "auto", "registry"),
        ("users", "avatar", 1, "auto", "database"),
        ("users", "page", 2, "url", "registry"),
        ("users", "page", 2, "url", "database"),
    }
    for reference in found.references:
        if reference.seen_by == "registry":
            assert reference.first_seen is not None
            assert reference.last_seen is not None
            assert reference.first_seen < first < reference.last_seen
        # The query can be pasted as it is, and shows that row.
        [row] = await world.app.execute(reference.query)
        assert any("p/a.jpg" in str(value) for value in row)
    assert found.last_reference is None
    assert found.near == []
    assert found.searched == ["main:users.avatar", "main:users.page"]


async def test_when_the_last_reference_went_away_and_which_row_held_it(world: World) -> None:
    await furnished(world)
    await world.scan()
    await world.app.execute("DELETE FROM users WHERE id = 1")
    await world.scan()
    async with world.collector() as collector:
        assert (await collector.why("p/a.jpg")).last_reference is None  # row 2 holds it still
    await world.app.execute("UPDATE users SET page = NULL WHERE id = 2")
    world.days(2)
    before = world.clock.now()
    await world.scan()
    async with world.collector() as collector:
        found = await collector.why("p/a.jpg")
    assert found.references == []
    last = found.last_reference
    assert last is not None
    assert (last.source, last.row) == ("main:users.page", 2)
    assert before <= last.at <= world.clock.now()
    assert found.judged is not None
    assert found.judged.verdict == "keep"  # less than the retention time ago
    world.days(8)
    async with world.collector() as collector:
        # A reference that comes back is one again, and nothing is left of its going.
        await world.app.execute("UPDATE users SET avatar = 'p/a.jpg' WHERE id = 3")
        await collector.scan()
        found = await collector.why("p/a.jpg")
    assert {(r.column, r.row) for r in found.references} == {("avatar", 3)}
    assert found.last_reference is None


async def test_a_near_miss_with_both_spellings(world: World) -> None:
    await furnished(world)
    await world.scan()
    async with world.collector() as collector:
        found = await collector.why("P/B.JPG")
    assert found.references == []
    assert {(r.table, r.column, r.row, r.spelling) for r in found.near} == {
        ("users", "avatar", 2, "p/b.jpg")
    }
    assert found.judged is not None
    assert found.judged.verdict == "held"
    assert "main:users.avatar row 2 (p/b.jpg)" in found.judged.reason
    assert found.tried == ["P/B.JPG", "p/b.jpg", "b.jpg"]
