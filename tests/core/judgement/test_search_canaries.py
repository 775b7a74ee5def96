"""Keys that the search must find, and one that it must not: in every pass, of every source."""

from __future__ import annotations

import pytest

from s3gc_core.databases import open_database
from s3gc_core.judgement.canaries import DEAD
from s3gc_core.judgement.search_canaries import SearchCanaries, search_canaries, stands_in
from s3gc_core.references import (
    BucketNames,
    ColumnId,
    Mention,
    MentionKind,
    key_hashes,
    tracked_columns,
)
from tests.core.judgement.controlled import put, rows
from tests.world import World

COLUMN, OTHER = ColumnId("main", "main.t", "k"), ColumnId("main", "main.u", "k")


def canaries() -> SearchCanaries:
    return SearchCanaries(
        {DEAD: ["dead"], "t": ["a", "b"], "u": ["c"]}, {"t": [COLUMN], "u": [OTHER]}
    )


def mentioned(*keys: str) -> list[Mention]:
    return [Mention(h, MentionKind.WHOLE, "main:main.t.k", 1, "text") for h in key_hashes(keys)]


def missed(*passes: tuple[str, ...], unread: tuple[str, ...] = ()) -> set[str]:
    """Sources that were missed in passes that found these keys."""
    tried = canaries()
    for found in passes:
        assert tried.begin_pass(["x"]) == ["x", "dead", "a", "b", "c"]
        tried.see(mentioned(*found))
        tried.end_pass(unread)
    return set(tried.missed)


def test_one_of_each_source_is_enough_and_the_dead_one_is_nowhere() -> None:
    assert missed(("a", "c", "x")) == missed(("b", "c")) == set()
    assert missed(("a", "b")) == {"u"}
    assert missed(()) == {"t", "u"}
    assert missed(("a", "c", "dead")) == {DEAD}


def test_each_pass_counts() -> None:
    assert missed(("a", "c"), ("b",)) == missed(("a",), ("b", "c")) == {"u"}


def test_what_could_not_be_read_is_another_guards() -> None:
    assert missed(("a",), unread=(str(OTHER),)) == set()
    assert missed(("a",), unread=(str(COLUMN),)) == {"u"}


def test_only_what_is_found_of_candidates_goes_on_to_the_judge() -> None:
    tried = canaries()
    assert tried.begin_pass(["a", "x"]) == ["a", "x", "dead", "b", "c"]
    found = mentioned("a", "b", "c", "x")
    assert tried.see(found) == [found[0], found[3]]


async def test_they_stand_in_tracked_columns_letter_by_letter(world: World) -> None:
    await rows(world, "a/one.jpg", "a%2Fthree.jpg")
    await world.app.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO u VALUES (7, 'x')")
    world.track({"t": [{"column": "k", "codec": "key"}], "u": [{"template": "avatars/{id}.png"}]})
    config = world.config
    databases = [open_database(one) for one in config.databases]
    names = BucketNames.of(config)
    columns = await tracked_columns(databases, config.sources)
    found = await search_canaries(databases, config.sources, names, columns)
    none = await search_canaries(databases, config.sources, names, set())
    [dead] = found.by_source[DEAD]
    assert dead.startswith("s3gc-canary-")
    assert {source for source in found.by_source if source} == {"main:t.k"}
    assert {"a/one.jpg", "a%2Fthree.jpg"} <= set(found.by_source["main:t.k"])
    assert "a/three.jpg" not in found.by_source["main:t.k"]
    for url in ("https://other.s3.amazonaws.com/", "https:\\/\\/other.s3.amazonaws.com\\/"):
        assert not stands_in("two.jpg", [f"{url}two.jpg"], names)
    assert stands_in("two.jpg", [None, f"https://{config.bucket}.s3.amazonaws.com/two.jpg"], names)
    assert stands_in("two.jpg", [b"\xfftwo.jpg\x00"], names)
    assert set(none.by_source) == {DEAD}


@pytest.mark.parametrize("where", ["everything", "tracked"])
async def test_a_healthy_search_trips_nothing(world: World, where: str) -> None:
    await rows(world, "a/one.jpg", "ä ö/two & three.jpg", "four%20five.jpg")
    world.track({"t": ["k"]}, database_search=where)
    await put(world, "a/one.jpg", "ä ö/two & three.jpg", "four five.jpg", "a/orphan.jpg")
    world.days(10)
    summary = await world.scan()
    assert (summary.blocked, summary.orphans) == ([], 1)
