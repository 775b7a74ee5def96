"""The reverse match, against a listing in a real catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import MatchCount, Registry, key_hash, match_counts
from tests.core.references.readings import Reading, day, load


def write_listing(path: Path, keys: Iterable[str]) -> Path:
    """A catalogue that holds nothing but a listing."""
    with closing(sqlite3.connect(path / "catalogue.db")) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE listing (id INTEGER PRIMARY KEY, h INTEGER NOT NULL)")
        file.executemany("INSERT INTO listing (h) VALUES (?)", [(key_hash(key),) for key in keys])
        file.execute("CREATE INDEX listing_h ON listing (h)")
        file.commit()
    return path / "catalogue.db"


async def test_what_matches(registry: Registry, tmp_path: Path) -> None:
    reading: Reading = {
        "s": {(1, "a"), (2, "a"), (2, "gone"), (3, "gone"), (3, "lost"), ("3", "gone"), (10, "b")},
        "t": {("x", "gone")},
        "empty": set(),
    }
    await load(registry, reading, day(0))
    # A store may list a key twice, and lists keys that nobody refers to.
    listing = write_listing(tmp_path, ["a", "a", "b", "other"])
    assert await match_counts(registry, listing) == [
        MatchCount("empty", 0, 0),
        MatchCount("s", 5, 3),
        MatchCount("t", 1, 0),
    ]


async def test_an_empty_listing_and_an_empty_registry(registry: Registry, tmp_path: Path) -> None:
    listing = write_listing(tmp_path, [])
    assert await match_counts(registry, listing) == []
    await load(registry, {"s": {(1, "a")}}, day(0))
    assert await match_counts(registry, listing) == [MatchCount("s", 1, 0)]


async def test_a_listing_that_cannot_be_looked_up_in_is_refused(
    registry: Registry, tmp_path: Path
) -> None:
    await load(registry, {"s": {(1, "a")}}, day(0))
    listing = write_listing(tmp_path, ["a"])
    with closing(sqlite3.connect(listing)) as file:
        file.execute("DROP INDEX listing_h")
    with pytest.raises(sqlite3.OperationalError, match="no such index"):
        await match_counts(registry, listing)


KEYS = st.sampled_from("abcdef")
PAIRS = st.sets(st.tuples(st.sampled_from([1, 2, 3, "1", "x"]), KEYS), max_size=8)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(reading=st.dictionaries(st.sampled_from("st"), PAIRS), listed=st.lists(KEYS))
async def test_against_sets(
    reading: dict[str, set[tuple[RowId, str]]],
    listed: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("matching")
    registry = await Registry.open(folder)
    await load(registry, reading, day(0))
    counts = await match_counts(registry, write_listing(folder, listed))
    rows = {
        name: {row: {k for r, k in pairs if r == row} for row, _ in pairs}
        for name, pairs in reading.items()
    }
    assert counts == [
        MatchCount(name, len(of), sum(not keys.isdisjoint(listed) for keys in of.values()))
        for name, of in sorted(rows.items())
    ]
    await registry.close()
