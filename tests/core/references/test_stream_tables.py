"""What the registry knows of change streams: how far they came, and for when it is true."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3gc_core.databases import Beat
from s3gc_core.errors import StreamLost
from s3gc_core.references import Edge, Registry, key_hash, rereads
from s3gc_core.references import stream_tables as tables
from s3gc_core.references.stream_tables import FollowedSource, Shortfall, StreamState
from tests.core.references.readings import chunks, day, edges, load, stored


def state(database: str = "main", *, counter: int = 5, position: str = "10") -> StreamState:
    token = f"token {counter}"
    return StreamState(database, "name", "history", position, "09", counter, token, anchored=True)


def source(name: str, *, complete_at: int | None = 3, table: str = "t") -> FollowedSource:
    return FollowedSource(name, table, b"definition", "fingerprint", complete_at)


async def begin(registry: Registry, database: str) -> None:
    """A stream of which five beats came."""
    await registry.begin_stream(state(database))
    beats = [Beat(n, f"token {n}", f"token {n - 1}") for n in range(1, 6)]
    with closing(sqlite3.connect(registry.path)) as file, file:
        tables.advance(file, state(database), beats)


async def follow(registry: Registry, database: str, *sources: FollowedSource) -> None:
    """As a load of these sources does; each row 1 of them holds the key `k`."""
    async with registry.load(day(0), None, trust=False, keep=None) as loading:
        for one in sources:
            await loading.begin_source(one.source)
            await loading.add(chunks({(1, "k")}))
            await loading.end_source(1, 1, {c.digest for c in chunks({(1, "k")})})
        await loading.follow(database, sources)


def write(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path / "registry.db")) as file, file:
        file.execute(statement, values)


def queue(path: Path, name: str, row: int, queued: int, after: int | None = None) -> None:
    query = "INSERT INTO reread SELECT id, ?, ?, 1, ? FROM source WHERE name = ?"
    write(path, query, row, queued, after, name)


@pytest.fixture
async def followed(registry: Registry) -> Registry:
    """One stream, which beat 5 of was applied, with two sources that are true from beat 3 on."""
    await begin(registry, "main")
    await follow(registry, "main", source("a"), source("b", table="u"))
    return registry


NOTHING = Shortfall(behind=False, incomplete=(), dirty=(), rereads=0)


async def test_nothing_is_lacking(followed: Registry) -> None:
    assert await followed.shortfall("main", 5) == NOTHING
    assert await followed.shortfall("main", 3) == NOTHING
    assert NOTHING.is_none
    assert await followed.confirm("main", 5, day(2), "token 5") == NOTHING
    assert await followed.valid_at() == day(2)
    assert (await followed.streams())["main"].valid_at == day(2)


async def test_a_stream_that_is_behind(followed: Registry) -> None:
    lacking = await followed.confirm("main", 6, day(2), "token 6")
    assert lacking == Shortfall(True, (), (), 0)
    assert not lacking.is_none
    assert await followed.valid_at() is None


async def test_a_stream_that_is_not_there_is_behind(registry: Registry) -> None:
    assert await registry.shortfall("main", 0) == Shortfall(True, (), (), 0)


@pytest.mark.parametrize("complete_at", [None, 6])
async def test_a_source_that_is_not_read_to_its_end(
    followed: Registry, complete_at: int | None
) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await follow(followed, "main", source("b", complete_at=complete_at))
    lacking = await followed.confirm("main", 5, day(3), "token 5")
    assert lacking == Shortfall(False, ("b",), (), 0)
    assert not lacking.is_none
    assert await followed.valid_at() is None


async def test_a_beat_from_before_a_source_was_read(followed: Registry) -> None:
    assert await followed.shortfall("main", 2) == Shortfall(False, ("a", "b"), (), 0)


async def test_a_source_that_was_read_anew_has_to_be_confirmed_anew(followed: Registry) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await follow(followed, "main", source("b", complete_at=5))
    assert await followed.valid_at() is None
    await followed.confirm("main", 5, day(3), "token 5")
    assert await followed.valid_at() == day(3)


async def test_a_dirty_table(followed: Registry) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await followed.soil_tables("main", {"u": "altered", "other": "no matter"})
    lacking = await followed.confirm("main", 5, day(3), "token 5")
    assert lacking == Shortfall(False, (), ("b",), 0)
    assert not lacking.is_none
    assert await followed.valid_at() is None


async def test_rows_to_be_read(followed: Registry, tmp_path: Path) -> None:
    """Since before the beat; also those that were read, until the stream has come to there."""
    queue(tmp_path, "a", 1, queued=4)
    queue(tmp_path, "a", 2, queued=5)
    queue(tmp_path, "b", 1, queued=3, after=7)
    lacking = await followed.shortfall("main", 5)
    assert lacking == Shortfall(False, (), (), 2)
    assert not lacking.is_none
    assert await followed.shortfall("main", 4) == Shortfall(False, (), (), 1)
    assert (await followed.shortfall("main", 3)).is_none
    assert await followed.rereads("main", 1, 10) == {"a": [1, 2]}
    assert await followed.rereads("main", 1, 1) == {"a": [1]}
    assert await followed.rereads("main", 0, 10) == {}


async def test_rows_of_another_database_are_its_own(followed: Registry, tmp_path: Path) -> None:
    await begin(followed, "other")
    await follow(followed, "other", source("o"))
    queue(tmp_path, "o", 1, queued=1)
    assert (await followed.shortfall("main", 5)).is_none
    assert await followed.shortfall("other", 5) == Shortfall(False, (), (), 1)
    assert await followed.rereads("main", 1, 10) == {}
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        assert [rereads.unread(file, name) for name in ("main", "other", "no")] == [0, 1, 0]


async def test_confirming_never_goes_back(followed: Registry) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await followed.confirm("main", 4, day(1), "token 4")
    assert await followed.valid_at() == day(2)
    await followed.confirm("main", 5, day(3), "token 5")
    assert await followed.valid_at() == day(3)


async def test_what_was_never_confirmed_is_true_for_no_moment(followed: Registry) -> None:
    assert await followed.valid_at() is None


async def test_a_lost_stream_is_true_for_no_moment(followed: Registry) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await followed.lose_stream("main", "name", "slot-gone", "the server forgot it")
    await followed.lose_stream("main", "name", "again", "the first reason stays")
    await followed.confirm("main", 5, day(3), "token 5")
    assert await followed.valid_at() is None
    lost = (await followed.streams())["main"]
    assert (lost.lost, lost.why, lost.valid_at) == ("slot-gone", "the server forgot it", day(2))


async def test_of_several_databases_the_earliest_counts(followed: Registry) -> None:
    await begin(followed, "other")
    await follow(followed, "other", source("o"))
    await followed.confirm("main", 5, day(2), "token 5")
    assert await followed.valid_at() is None
    await followed.confirm("other", 5, day(1), "token 5")
    assert await followed.valid_at() == day(1)
    await followed.confirm("other", 5, day(4), "token 5")
    assert await followed.valid_at() == day(2)


async def test_a_source_that_is_read_as_a_whole_counts_with_its_reading(
    followed: Registry,
) -> None:
    await followed.confirm("main", 5, day(3), "token 5")
    whole = chunks({(1, "w")})
    for at, valid_at in [(day(2), day(2)), (day(4), day(3))]:
        async with followed.load(at, {}, keep=["a", "b"]) as loading:
            known = await loading.begin_source("whole")
            await loading.add([one for one in whole if one.digest not in known])
            await loading.end_source(1, 1, {one.digest for one in whole})
        assert await followed.valid_at() == valid_at
    assert await edges(followed, "k", "w") == {
        "k": [Edge("a", 1), Edge("b", 1)],
        "w": [Edge("whole", 1)],
    }


async def test_a_source_that_was_never_read_as_a_whole_is_true_for_no_moment(
    followed: Registry,
) -> None:
    await followed.confirm("main", 5, day(3), "token 5")
    await followed.unfollow(["b"])
    assert await followed.valid_at() is None


async def test_a_load_keeps_only_what_it_is_told_to_keep(
    followed: Registry, tmp_path: Path
) -> None:
    queue(tmp_path, "a", 1, queued=4)
    queue(tmp_path, "b", 1, queued=4)
    async with followed.load(day(1), {}, keep=["a"]) as loading:
        pass
    assert loading.changes == {"b": (0, 1)}
    assert await edges(followed, "k") == {"k": [Edge("a", 1)]}
    assert len(stored(tmp_path)["reread"]) == 1
    async with followed.load(day(1), None, keep=None) as loading:
        pass
    assert await edges(followed, "k") == {"k": [Edge("a", 1)]}
    async with followed.load(day(1), {}):
        pass
    assert await edges(followed, "k") == {"k": []}
    assert await followed.released([key_hash("k")]) == {key_hash("k"): day(1)}


async def test_without_positions_a_load_says_nothing_for_when(registry: Registry) -> None:
    async with registry.load(day(1), None, keep=None):
        pass
    assert await registry.valid_at() is None


async def test_a_followed_source_is_compared_as_a_whole_when_it_is_read_again(
    registry: Registry, tmp_path: Path
) -> None:
    """The stream changed its edges, so no chunk says any more what they are."""
    await load(registry, {"a": {(1, "k"), (2, "m")}}, day(0))
    await registry.begin_stream(state())
    async with registry.load(day(1), None, keep=None) as loading:
        await loading.follow("main", [source("a")])
    assert stored(tmp_path)["chunk"] == []
    # What the stream did.
    write(tmp_path, "DELETE FROM edge WHERE row = 1")
    await registry.forget_stream("main")
    await load(registry, {"a": {(1, "k"), (2, "m")}}, day(2))
    assert await edges(registry, "k", "m") == {"k": [Edge("a", 1)], "m": [Edge("a", 2)]}


async def test_following_anew_forgets_what_was_to_be_done(
    followed: Registry, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        queue(tmp_path, name, 1, queued=4)
        query = "INSERT INTO leaving SELECT id, 1, 2, 9 FROM source WHERE name = ?"
        write(tmp_path, query, name)
    await followed.soil_tables("main", "all of them")
    await follow(followed, "main", source("a", complete_at=4))
    assert await followed.followed("main") == {
        "a": source("a", complete_at=4),
        "b": FollowedSource("b", "u", b"definition", "fingerprint", 3, "all of them"),
    }
    assert [len(stored(tmp_path)[name]) for name in ("reread", "leaving")] == [1, 1]


async def test_the_first_reason_for_reading_again_stays(followed: Registry) -> None:
    await begin(followed, "other")
    await follow(followed, "other", source("o"))
    await followed.soil_tables("main", {"t": "altered"})
    await followed.soil_tables("main", "all of them")
    dirty = {name: one.dirty for name, one in (await followed.followed("main")).items()}
    assert dirty == {"a": "altered", "b": "all of them"}
    assert (await followed.followed("other"))["o"].dirty is None


async def test_a_stream_that_begins_anew_knows_nothing_of_the_one_before(
    followed: Registry, tmp_path: Path
) -> None:
    await followed.confirm("main", 5, day(2), "token 5")
    await followed.lose_stream("main", "name", "lost", "why")
    queue(tmp_path, "a", 1, queued=4)
    await followed.begin_stream(state(counter=0, position="20"))
    assert await followed.streams() == {"main": state(counter=0, position="20")}
    assert await followed.followed("main") == {}
    assert stored(tmp_path)["reread"] == []
    assert await followed.valid_at() is None
    # Its edges stay until its sources are read.
    assert await edges(followed, "k") == {"k": [Edge("a", 1), Edge("b", 1)]}


async def test_a_forgotten_stream_leaves_others_alone(followed: Registry, tmp_path: Path) -> None:
    await begin(followed, "other")
    await follow(followed, "other", source("o"))
    queue(tmp_path, "o", 1, queued=4)
    await followed.forget_stream("main")
    assert set(await followed.streams()) == {"other"}
    assert await followed.followed("main") == {}
    assert set(await followed.followed("other")) == {"o"}
    assert len(stored(tmp_path)["reread"]) == 1


async def test_only_the_stream_that_there_is_advances(followed: Registry, tmp_path: Path) -> None:
    later = state(counter=6, position="11")
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file, file:
        tables.advance(file, later)
    assert (await followed.streams())["main"] == later
    anew = StreamState("main", "another", "history", "1", "1", 0, "", anchored=False)
    await followed.begin_stream(anew)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        with pytest.raises(StreamLost) as lost:
            tables.advance(file, later)
        assert lost.value.state == "replaced"
        tables.lose_stream(file, "main", "another", "lost", "why")
        with pytest.raises(StreamLost):
            tables.advance(file, anew)


async def test_when_it_was_told_is_kept(followed: Registry, tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = StreamState("main", "name", "history", "11", "09", 5, "token 5", True, told_at=at)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file, file:
        tables.advance(file, told)
    assert (await followed.streams())["main"] == told


async def test_the_very_beat_has_to_have_come(followed: Registry) -> None:
    """Of a heartbeat that was set back, another beat had the number that waits."""
    write(followed.path.parent, "DELETE FROM beat WHERE counter = 3")
    assert (await followed.confirm("main", 5, day(2), "another")).behind
    assert (await followed.confirm("main", 3, day(2), "token 3")).behind
    assert await followed.valid_at() is None
    assert await followed.confirm("main", 5, day(2), "token 5") == NOTHING
    assert await followed.valid_at() == day(2)


async def test_a_stream_of_another_name_is_not_lost(followed: Registry) -> None:
    name = (await followed.streams())["main"].name
    await followed.lose_stream("main", f"not-{name}", "replaced", "somebody began one")
    assert (await followed.streams())["main"].lost is None
    await followed.lose_stream("main", name, "replaced", "somebody began one")
    assert (await followed.streams())["main"].lost == "replaced"
