"""A load of a new source that is interrupted: what was written stays, and the next one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.references import Edge, Registry
from s3gc_core.references import loading as loadings
from tests.core.references.readings import (
    LostError,
    Pairs,
    chunk,
    day,
    edges,
    load,
    load_chunks,
    released,
    stored,
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few edges are enough to be kept."""
    monkeypatch.setattr(loadings, "KEPT_EDGES", 20)


def part(first: int, old: str = "") -> Pairs:
    """Ten rows, each with a key; one of them is nearly the same as its folded form."""
    return {(n, f"{old}{'K' if n % 10 == 0 else 'k'}{n}") for n in range(first, first + 10)}


async def cut_short(registry: Registry, *parts: Pairs, lasting: bool = True) -> None:
    """A load of "s" that does not come to its end."""
    async with registry.load(day(1), None, keep=None, lasting=lasting) as load:
        await load.begin_source("s")
        for one in parts:
            await load.add([chunk(one)])
        raise LostError


async def test_it_goes_on_where_it_was(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(LostError):
        await cut_short(registry, part(0), part(10), part(20))
    # Two parts came to twenty edges, and were kept; nothing is true by it.
    assert await edges(registry, "k11", "k21") == {"k11": [Edge("s", 11)], "k21": []}
    assert await registry.valid_at() is None
    async with registry.load(day(2), None, keep=None, lasting=True) as load:
        known = await load.begin_source("s")
        assert known == {chunk(part(0)).digest: 10, chunk(part(10)).digest: 10}
        # The first part was changed meanwhile, and the last one is new.
        await load.add([chunk(part(0, "new ")), chunk(part(20))])
        seen = {chunk(one).digest for one in (part(0, "new "), part(10), part(20))}
        await load.end_source(30, 30, seen)
    whole = [chunk(one) for one in (part(0, "new "), part(10), part(20))]
    found = {name: stored(tmp_path)[name] for name in ("edge", "chunk", "source")}
    another = tmp_path / "another"
    another.mkdir()
    fresh = await Registry.open(another)
    await load_chunks(fresh, {"s": whole}, day(2))
    await fresh.close()
    expected = {name: stored(another)[name] for name in ("edge", "chunk", "source")}
    assert [row[:3] for row in found["edge"]] == [row[:3] for row in expected["edge"]]
    assert [row[4:] for row in found["edge"]] == [row[4:] for row in expected["edge"]]
    assert [row[1:4] for row in found["chunk"]] == [row[1:4] for row in expected["chunk"]]
    assert [row[:5] for row in found["source"]] == [row[:5] for row in expected["source"]]
    assert (await registry.edges_of("k11"))[0].first_seen == day(1)
    assert (await registry.edges_of("k21"))[0].first_seen == day(2)


async def test_it_ends_with_nothing_more_to_add(registry: Registry) -> None:
    with pytest.raises(LostError):
        await cut_short(registry, part(0), part(10))
    parts = [chunk(part(0)), chunk(part(10))]
    assert await load_chunks(registry, {"s": parts}, day(2)) == 0
    [stats] = await registry.stats()
    assert (stats.rows, stats.keys, stats.keyed) == (20, 20, 20)
    assert await registry.edges_near("k10") == [Edge("s", 10)]


async def test_what_came_back_is_released_no_more(registry: Registry) -> None:
    await load(registry, {"t": part(0)}, day(0))
    await load(registry, {"t": set()}, day(1))
    assert set(await released(registry, "k1", "k5")) == {"k1", "k5"}
    with pytest.raises(LostError):
        await cut_short(registry, part(0), part(10))
    parts = [chunk(part(0)), chunk(part(10))]
    await load_chunks(registry, {"s": parts}, day(2))
    assert await released(registry, "k1", "k5") == {}


@pytest.mark.parametrize("lasting", [True, False])
async def test_a_source_that_had_edges_is_left_as_it_was(
    registry: Registry, tmp_path: Path, lasting: bool
) -> None:
    """Of these some may be gone, which only a whole reading tells."""
    name = "s" if lasting else "other"
    await load(registry, {name: {(1, "a")}}, day(0))
    before = stored(tmp_path)
    with pytest.raises(LostError):
        await cut_short(registry, part(0), part(10), part(20), lasting=lasting)
    assert stored(tmp_path) == before
