"""The registry by itself: loading by difference, releases, near misses, and what went wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import Edge, Registry, SourceStats, fold, key_hash

START = datetime(2026, 1, 1, tzinfo=UTC)
# What a reading finds: source -> (row, key) pairs.
Reading = Mapping[str, set[tuple[RowId, str]]]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    opened = await Registry.open(tmp_path)
    yield opened
    await opened.close()


async def load(registry: Registry, reading: Reading, at: datetime) -> None:
    """One complete reading, staged one source a page."""
    numbers = await registry.begin(list(reading))
    for source, pairs in reading.items():
        number = numbers[source]
        near = [(number, row, key_hash(fold(key))) for row, key in pairs if fold(key) not in (key,)]
        await registry.stage([(number, row, key_hash(key)) for row, key in pairs], near)
    rows = {numbers[source]: len({row for row, _ in pairs}) for source, pairs in reading.items()}
    await registry.complete(rows, valid_at=at, positions={"main": at.isoformat()})


async def edges(registry: Registry, *keys: str) -> dict[str, list[Edge]]:
    return {key: await registry.edges_of(key) for key in keys}


async def released(registry: Registry, *keys: str) -> dict[str, datetime]:
    found = await registry.released([key_hash(key) for key in keys])
    return {key: found[key_hash(key)] for key in keys if key_hash(key) in found}


def stored(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the file, and where in it: a row that is written anew changes its place."""
    with closing(sqlite3.connect(path / "registry.db")) as file:
        tables = ("source", "edge", "near", "released")
        return {t: sorted(file.execute(f"SELECT * FROM {t}"), key=repr) for t in tables}


async def test_an_empty_registry_knows_nothing(registry: Registry) -> None:
    assert await registry.valid_at() is None
    assert await registry.stats() == []
    assert await registry.referenced([key_hash("a")]) == set()
    assert await registry.near([key_hash("a")]) == set()
    assert await released(registry, "a") == {}
    assert await registry.edges_of("a") == []
    assert await registry.edges_near("a") == []


async def test_the_first_reading(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a"), (2, "a"), (2, "b")}, "t": {("x", "a")}}, day(0))
    assert await edges(registry, "a", "b", "c") == {
        "a": [Edge("s", 1), Edge("s", 2), Edge("t", "x")],
        "b": [Edge("s", 2)],
        "c": [],
    }
    hashes = {key: key_hash(key) for key in "abc"}
    assert await registry.referenced(hashes.values()) == {hashes["a"], hashes["b"]}
    assert await registry.stats() == [SourceStats("s", 2, 3), SourceStats("t", 1, 1)]
    assert await registry.valid_at() == day(0)
    assert await released(registry, "a", "b", "c") == {}


async def test_nothing_is_visible_before_a_reading_is_complete(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    numbers = await registry.begin(["s"])
    await registry.stage([(numbers["s"], 2, key_hash("b"))], [(numbers["s"], 2, key_hash("B"))])
    assert await edges(registry, "a", "b") == {"a": [Edge("s", 1)], "b": []}
    assert await registry.referenced([key_hash("b")]) == set()
    assert await registry.near([key_hash("B")]) == set()
    assert await registry.valid_at() == day(0)
    await registry.complete({numbers["s"]: 1}, valid_at=day(1), positions={})
    assert await edges(registry, "a", "b") == {"a": [], "b": [Edge("s", 2)]}


async def test_an_interrupted_reading_leaves_no_trace_in_the_next(
    registry: Registry, tmp_path: Path
) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    before = stored(tmp_path)
    numbers = await registry.begin(["s"])
    await registry.stage([(numbers["s"], 2, key_hash("ghost"))], [])
    assert stored(tmp_path) == before
    await load(registry, {"s": {(1, "a"), (3, "c")}}, day(1))
    assert await edges(registry, "a", "ghost", "c") == {
        "a": [Edge("s", 1)],
        "ghost": [],
        "c": [Edge("s", 3)],
    }
    assert await released(registry, "ghost") == {}


async def test_replaying_a_reading_changes_nothing_but_its_time(
    registry: Registry, tmp_path: Path
) -> None:
    reading: Reading = {"s": {(1, "a"), (2, "b")}, "t": {("x", "A")}}
    await load(registry, reading, day(0))
    before = stored(tmp_path)
    for n in (1, 2):
        await load(registry, reading, day(n))
        assert stored(tmp_path) == before
        assert await registry.valid_at() == day(n)


async def test_staging_a_page_twice_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    before = stored(tmp_path)
    numbers = await registry.begin(["s"])
    for _ in range(3):
        await registry.stage([(numbers["s"], 1, key_hash("a"))], [])
    await registry.complete({numbers["s"]: 1}, valid_at=day(1), positions={})
    assert stored(tmp_path) == before


async def test_a_row_that_did_not_change_is_not_written(registry: Registry, tmp_path: Path) -> None:
    """A trigger sees every row that is written or deleted."""
    await load(registry, {"s": {(1, "a"), (2, "b"), (3, "c")}}, day(0))
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute("CREATE TABLE touched (what TEXT, row)")
        for what, row in (("INSERT", "new"), ("DELETE", "old"), ("UPDATE", "new")):
            file.execute(
                f"CREATE TRIGGER on_{what} AFTER {what} ON edge BEGIN"
                f" INSERT INTO touched VALUES ('{what}', {row}.row); END"
            )
        file.commit()
        await load(registry, {"s": {(1, "a"), (2, "moved"), (4, "d")}}, day(1))
        touched = set(file.execute("SELECT * FROM touched"))
    assert touched == {("DELETE", 2), ("DELETE", 3), ("INSERT", 2), ("INSERT", 4)}


async def test_a_key_is_released_when_its_last_edge_goes(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a"), (2, "a"), (3, "b")}}, day(0))
    await load(registry, {"s": {(2, "a"), (3, "b")}}, day(1))
    assert await released(registry, "a", "b") == {}
    await load(registry, {"s": {(3, "b")}}, day(2))
    assert await released(registry, "a", "b") == {"a": day(2)}
    # It stays the first moment at which the reference was seen to be gone.
    await load(registry, {"s": {(3, "b")}}, day(3))
    assert await released(registry, "a", "b") == {"a": day(2)}


async def test_a_key_that_moves_to_another_row_or_source_is_not_released(
    registry: Registry,
) -> None:
    await load(registry, {"s": {(1, "a")}, "t": set()}, day(0))
    await load(registry, {"s": {(2, "a")}, "t": set()}, day(1))
    assert await edges(registry, "a") == {"a": [Edge("s", 2)]}
    await load(registry, {"s": set(), "t": {("2", "a")}}, day(2))
    assert await edges(registry, "a") == {"a": [Edge("t", "2")]}
    assert await released(registry, "a") == {}


async def test_a_key_that_is_referenced_again_is_released_again_later(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    await load(registry, {"s": set()}, day(1))
    await load(registry, {"s": {(1, "a")}}, day(2))
    assert await edges(registry, "a") == {"a": [Edge("s", 1)]}
    assert await released(registry, "a") == {}
    await load(registry, {"s": set()}, day(3))
    assert await released(registry, "a") == {"a": day(3)}


async def test_a_source_that_is_no_longer_configured_goes_with_its_edges(
    registry: Registry, tmp_path: Path
) -> None:
    await load(registry, {"s": {(1, "a"), (2, "both")}, "t": {(1, "b"), (2, "both")}}, day(0))
    await load(registry, {"s": {(1, "a"), (2, "both")}}, day(1))
    assert await edges(registry, "a", "b", "both") == {
        "a": [Edge("s", 1)],
        "b": [],
        "both": [Edge("s", 2)],
    }
    assert await registry.stats() == [SourceStats("s", 2, 2)]
    assert await released(registry, "a", "b", "both") == {"b": day(1)}
    assert len(stored(tmp_path)["edge"]) == 2


async def test_a_source_that_comes_back_is_counted_afresh(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a")}, "t": {(1, "b")}}, day(0))
    await load(registry, {"t": {(1, "b")}}, day(1))
    await load(registry, {"s": {(1, "a")}, "t": {(1, "b")}}, day(2))
    assert await edges(registry, "a", "b") == {"a": [Edge("s", 1)], "b": [Edge("t", 1)]}
    assert await released(registry, "a", "b") == {}


async def test_no_source_at_all(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    await load(registry, {}, day(1))
    assert await registry.stats() == []
    assert await edges(registry, "a") == {"a": []}
    assert await released(registry, "a") == {"a": day(1)}


async def test_an_integer_and_a_text_are_different_rows(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a"), ("1", "a"), ("01", "a")}}, day(0))
    assert await edges(registry, "a") == {"a": [Edge("s", 1), Edge("s", "01"), Edge("s", "1")]}
    await load(registry, {"s": {("1", "a")}}, day(1))
    [edge] = await registry.edges_of("a")
    assert edge == Edge("s", "1")
    assert isinstance(edge.row, str)


@pytest.mark.parametrize(
    "row",
    [0, -1, (1 << 63) - 1, -(1 << 63) + 1, "", "1e3", '["a",1]', "\u00e9", "' OR 1", "a\x00b"],
)
async def test_every_row_identity_comes_back_as_it_is(registry: Registry, row: RowId) -> None:
    await load(registry, {"s": {(row, "a")}}, day(0))
    assert await edges(registry, "a") == {"a": [Edge("s", row)]}
    assert type((await registry.edges_of("a"))[0].row) is type(row)


@pytest.mark.parametrize("h", [0, 1, -1, (1 << 63) - 1, -(1 << 63), 1 << 53, (1 << 53) + 1])
async def test_every_hash_is_kept_exactly(registry: Registry, h: int) -> None:
    numbers = await registry.begin(["s"])
    await registry.stage([(numbers["s"], 1, h)], [(numbers["s"], 1, h)])
    await registry.complete({numbers["s"]: 1}, valid_at=day(0), positions={})
    neighbours = [n for n in (h - 1, h, h + 1) if -(1 << 63) <= n < 1 << 63]
    assert await registry.referenced(neighbours) == {h}
    assert await registry.near(neighbours) == {h}
    numbers = await registry.begin(["s"])
    await registry.complete({numbers["s"]: 0}, valid_at=day(1), positions={})
    assert await registry.released(neighbours) == {h: day(1)}


async def test_near_misses(registry: Registry) -> None:
    await load(registry, {"s": {(1, "U/Photo.JPG"), (2, "plain.jpg")}}, day(0))
    folded = key_hash("u/photo.jpg")
    assert await registry.near([folded, key_hash("other")]) == {folded}
    assert await registry.edges_near("u/photo.jpg") == [Edge("s", 1)]
    # A reference written in its folded form is itself near.
    assert await registry.near([key_hash("plain.jpg")]) == {key_hash("plain.jpg")}
    assert await registry.edges_near("plain.jpg") == [Edge("s", 2)]
    await load(registry, {"s": {(2, "plain.jpg")}}, day(1))
    assert await registry.near([folded]) == set()


async def test_times_are_kept_in_utc(registry: Registry) -> None:
    at = datetime.fromisoformat("2026-01-02T03:04:05.678901+05:30")
    await load(registry, {"s": {(1, "a")}}, at)
    await load(registry, {"s": set()}, at + timedelta(seconds=1))
    assert await registry.valid_at() == at + timedelta(seconds=1)
    [moment] = (await released(registry, "a")).values()
    assert moment == at + timedelta(seconds=1)
    assert moment.utcoffset() == timedelta()


async def test_a_registry_survives_being_closed(tmp_path: Path) -> None:
    first = await Registry.open(tmp_path)
    await load(first, {"s": {(1, "a")}}, day(0))
    await load(first, {"s": {(1, "b")}}, day(1))
    await first.close()
    again = await Registry.open(tmp_path)
    assert await edges(again, "a", "b") == {"a": [], "b": [Edge("s", 1)]}
    assert await released(again, "a", "b") == {"a": day(1)}
    assert await again.valid_at() == day(1)
    await again.close()


READINGS = st.lists(
    st.dictionaries(
        st.sampled_from(["s", "t"]),
        st.sets(
            st.tuples(
                st.sampled_from([1, 2, "1", "x"]), st.sampled_from(["a", "b", "A", "c/d", "C/D"])
            ),
            max_size=8,
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(readings=READINGS)
async def test_any_sequence_of_readings(
    readings: list[Reading], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a model of sets: edges are the last reading's, releases the last loss of each key."""
    keys = ("a", "b", "A", "c/d", "C/D")
    registry = await Registry.open(tmp_path_factory.mktemp("registry"))
    gone: dict[str, datetime] = {}
    before: set[str] = set()
    for number, reading in enumerate(readings):
        await load(registry, reading, day(number))
        now = {key for pairs in reading.values() for _, key in pairs}
        gone |= dict.fromkeys(before - now, day(number))
        gone = {key: at for key, at in gone.items() if key not in now}
        before = now
        assert await released(registry, *keys) == gone
        assert {key: set(found) for key, found in (await edges(registry, *keys)).items()} == {
            key: {Edge(s, row) for s, pairs in reading.items() for row, k in pairs if k == key}
            for key in keys
        }
        near = await registry.near([key_hash(key) for key in keys])
        assert near == {key_hash(form) for key in now for form in (key, fold(key))}
        assert await registry.stats() == [
            SourceStats(s, len({row for row, _ in pairs}), len(pairs))
            for s, pairs in sorted(reading.items())
        ]
    await registry.close()
