"""The registry by itself: what it says of edges, releases and near misses."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import Edge, Registry, Released, SourceStats, key_hash
from s3gc_core.references.derivation import Derived
from s3gc_core.references.loading import FreshChunk
from tests.core.references.readings import (
    Reading,
    day,
    edges,
    load,
    load_chunks,
    released,
    stored,
)


def stats(name: str, keyed: int, keys: int, last: float = 0) -> SourceStats:
    """Of a source whose rows all hold keys."""
    return SourceStats(name, keyed, keys, keyed, day(0), day(last))


async def spellings_near(registry: Registry, folded: str) -> list[tuple[Edge, str | None]]:
    return [(edge, edge.spelling) for edge in await registry.edges_near(folded)]


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
    assert await registry.stats() == [stats("s", 2, 3), stats("t", 1, 1)]
    assert await registry.valid_at() == day(0)
    assert await released(registry, "a", "b", "c") == {}


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


@pytest.mark.parametrize("others", [set(), {(7, "other")}], ids=["alone", "with others"])
async def test_a_key_that_is_referenced_again_is_released_again_later(
    registry: Registry, others: set[tuple[RowId, str]]
) -> None:
    await load(registry, {"s": {(1, "a"), *others}}, day(0))
    await load(registry, {"s": others}, day(1))
    await load(registry, {"s": {(1, "a"), *others}}, day(2))
    assert await edges(registry, "a") == {"a": [Edge("s", 1)]}
    assert await released(registry, "a") == {}
    await load(registry, {"s": others}, day(3))
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
    assert await registry.stats() == [stats("s", 2, 2, last=1)]
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
    found = [
        FreshChunk(b"exact", Derived([1], ["?"], [h], [], [1])),
        FreshChunk(b"near", Derived([], [], [], [(2, 7, h, "?")], [2])),
    ]
    await load_chunks(registry, {"s": found}, day(0))
    neighbours = [n for n in (h - 1, h, h + 1) if -(1 << 63) <= n < 1 << 63]
    assert await registry.referenced(neighbours) == {h}
    assert await registry.near(neighbours) == {h}
    await load_chunks(registry, {"s": found[1:]}, day(0))
    assert await registry.referenced(neighbours) == set()
    assert await registry.near(neighbours) == {h}
    await load_chunks(registry, {"s": []}, day(1))
    assert await registry.near(neighbours) == set()
    assert await registry.released(neighbours) == {h: day(0)}


async def test_near_misses(registry: Registry) -> None:
    written: Reading = {"s": {(1, "U/Photo.JPG"), (2, "plain.jpg"), (3, "u/photo.jpg")}}
    await load(registry, written, day(0))
    folded = key_hash("u/photo.jpg")
    assert await registry.near([folded, key_hash("other")]) == {folded}
    assert await spellings_near(registry, "u/photo.jpg") == [
        (Edge("s", 3), "u/photo.jpg"),
        (Edge("s", 1), "U/Photo.JPG"),
    ]
    # A reference written in its folded form is itself near.
    assert await registry.near([key_hash("plain.jpg")]) == {key_hash("plain.jpg")}
    assert await spellings_near(registry, "plain.jpg") == [(Edge("s", 2), "plain.jpg")]
    await load(registry, {"s": {(2, "plain.jpg"), (1, "u//Photo.jpg")}}, day(1))
    assert await spellings_near(registry, "u/photo.jpg") == [(Edge("s", 1), "u//Photo.jpg")]
    await load(registry, {"s": {(2, "plain.jpg")}}, day(1))
    assert await registry.near([folded]) == set()
    assert await registry.edges_near("u/photo.jpg") == []


async def test_what_is_near_follows_the_rules_of_today(registry: Registry) -> None:
    """An edge stays, and with new code its folded form may be another, or none."""
    one, other, h = key_hash("one"), key_hash("other"), key_hash("Key")
    forms: list[tuple[bytes, list[tuple[RowId, int, int, str]]]] = [
        (b"first", [(1, h, one, "Key")]),
        (b"second", [(1, h, other, "KEY")]),
        (b"third", []),
        (b"fourth", [(1, h, one, "Key")]),
    ]
    for number, (digest, near) in enumerate(forms):
        exact: list[int] = [] if near else [h]
        found = Derived([1] * len(exact), ["Key"] * len(exact), exact, near, [1])
        await load_chunks(registry, {"s": [FreshChunk(digest, found)]}, day(number))
        assert await registry.near([one, other]) == {form for _, _, form, _ in near}
        assert await edges(registry, "Key") == {"Key": [Edge("s", 1)]}
        assert [edge.first_seen for edge in await registry.edges_of("Key")] == [day(0)]


async def test_since_when_an_edge_is_known(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a"), (2, "a")}}, day(0))
    await load(registry, {"s": {(1, "a"), (2, "a"), (3, "a")}}, day(1))
    await load(registry, {"s": {(1, "a"), (2, "b"), (3, "a")}}, day(2))
    await load(registry, {"s": {(1, "a"), (2, "a"), (3, "a")}}, day(3))
    await load(registry, {"s": {(1, "a"), (2, "a"), (3, "a")}}, day(4), trust=False)
    assert [(edge.row, edge.first_seen) for edge in await registry.edges_of("a")] == [
        (1, day(0)),
        (2, day(3)),
        (3, day(1)),
    ]


async def test_which_row_held_the_last_reference(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a"), (2, "b")}, "t": {("x", "a"), ("y", "c")}}, day(0))
    await load(registry, {"s": {(2, "b")}, "t": {("x", "a"), ("y", "c")}}, day(1))
    await load(registry, {"s": set(), "t": {("y", "c")}}, day(2))
    await load(registry, {"s": set()}, day(3))
    found = await registry.last_holders([key_hash(key) for key in "abcd"])
    assert found == {
        key_hash("a"): Released(day(2), "t", "x"),
        key_hash("b"): Released(day(2), "s", 2),
        key_hash("c"): Released(day(3), "t", "y"),
    }


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
