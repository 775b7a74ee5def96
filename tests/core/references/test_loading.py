"""One reading on its way into the registry: by difference, as a whole, and once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s3gc_core.databases.protocol import RowId
from s3gc_core.references import Edge, Registry, fold, key_hash
from s3gc_core.references.loading import FreshChunk
from tests.core.references.readings import (
    LostError,
    Reading,
    chunk,
    day,
    edges,
    load,
    load_chunks,
    released,
    stored,
)


async def lost_at_the_end(registry: Registry) -> None:
    async with registry.load(day(1), {}) as loading:
        await loading.begin_source("s")
        await loading.add([chunk({(n, f"ghost{n}") for n in range(9_000)})])
        await loading.end_source(9_000, 9_000, set())
        raise LostError


# Writes far more than it may keep in memory, so that it has to be on the disk before the end.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from s3gc_core.references import Registry, own_connection
from tests.core.references.readings import chunk, day

async def main():
    own_connection._CACHE = 512
    registry = await Registry.open(Path(sys.argv[1]))
    async with registry.load(day(1), {}) as loading:
        await loading.begin_source("s")
        await loading.add([chunk([(n, f"ghost{n}") for n in range(150_000)])])
        await loading.end_source(150_000, 150_000, set())
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_nothing_is_visible_before_a_reading_is_complete(registry: Registry) -> None:
    await load(registry, {"s": {(1, "a")}, "t": {(1, "t")}}, day(0))
    async with registry.load(day(1), {}) as loading:
        # "s" has edges and changes, "t" goes, "u" is new: no step may show.
        await loading.begin_source("s")
        await loading.add([chunk({(2, "b"), (2, "C")})])
        await loading.end_source(1, 1, {chunk({(2, "b"), (2, "C")}).digest})
        await loading.begin_source("u")
        await loading.add([chunk({(n, f"u{n}") for n in range(9_000)})])
        assert await edges(registry, "a", "b", "t", "u1") == {
            "a": [Edge("s", 1)],
            "b": [],
            "t": [Edge("t", 1)],
            "u1": [],
        }
        assert await registry.referenced([key_hash("b"), key_hash("u1")]) == set()
        assert await registry.near([key_hash("c")]) == set()
        assert await registry.valid_at() == day(0)
        assert [one.name for one in await registry.stats()] == ["s", "t"]
        await loading.end_source(9_000, 9_000, set())
    assert await edges(registry, "a", "b", "t", "u1") == {
        "a": [],
        "b": [Edge("s", 2)],
        "t": [],
        "u1": [Edge("u", 1)],
    }
    assert await registry.valid_at() == day(1)


@pytest.mark.parametrize("filled", [False, True], ids=["first load", "later reading"])
async def test_an_interrupted_reading_leaves_no_trace(
    registry: Registry, tmp_path: Path, filled: bool
) -> None:
    if filled:
        await load(registry, {"s": {(1, "a")}}, day(0))
    before = stored(tmp_path)
    with pytest.raises(LostError):
        await lost_at_the_end(registry)
    assert stored(tmp_path) == before
    await load(registry, {"s": {(1, "a"), (3, "c")}}, day(2))
    assert await edges(registry, "a", "ghost1", "c") == {
        "a": [Edge("s", 1)],
        "ghost1": [],
        "c": [Edge("s", 3)],
    }
    assert await released(registry, "a", "ghost1") == {}


async def test_a_killed_reading_leaves_no_trace(registry: Registry, tmp_path: Path) -> None:
    """The process dies with everything written and nothing committed."""
    await load(registry, {"s": {(1, "a")}}, day(0))
    before = stored(tmp_path)
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(tmp_path))
    assert await killed.wait() == -signal.SIGKILL
    assert (tmp_path / "registry.db-wal").stat().st_size > 1_000_000  # it had begun to write
    assert stored(tmp_path) == before
    await load(registry, {"s": {(1, "a"), (2, "b")}}, day(1))
    assert await edges(registry, "a", "b", "ghost1") == {
        "a": [Edge("s", 1)],
        "b": [Edge("s", 2)],
        "ghost1": [],
    }


async def test_what_a_source_without_edges_brings_is_released_no_more(
    registry: Registry, tmp_path: Path
) -> None:
    """Whatever the registry says of how many keys it has."""
    await load(registry, {"s": {(1, "a"), (2, "b")}}, day(0))
    await load(registry, {"s": set()}, day(1))
    assert set(await released(registry, "a", "b")) == {"a", "b"}
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file, file:
        file.execute("UPDATE source SET keys = 2")
    await load(registry, {"s": {(1, "a")}}, day(2))
    assert set(await released(registry, "a", "b")) == {"b"}


async def test_replaying_a_reading_changes_nothing_but_its_time(
    registry: Registry, tmp_path: Path
) -> None:
    reading: Reading = {"s": {(1, "a"), (2, "b")}, "t": {("x", "A")}}
    assert await load(registry, reading, day(0)) > 0
    before = stored(tmp_path, "source", "state")
    for n in (1, 2, 3):
        # Recognised, and without trust compared edge by edge.
        unknown = await load(registry, reading, day(n), trust=n < 3)
        assert (unknown == 0) is (n < 3)
        assert stored(tmp_path, "source", "state") == before
        assert await registry.valid_at() == day(n)
        assert [(s.first_read, s.last_read) for s in await registry.stats()] == [
            (day(0), day(n))
        ] * 2


@pytest.mark.parametrize("before", [set(), {(1, "a"), (2, "b")}], ids=["empty", "filled"])
async def test_a_chunk_that_comes_twice_counts_once(
    registry: Registry, before: set[tuple[RowId, str]]
) -> None:
    await load(registry, {"s": before}, day(0))
    for n in (1, 2):
        async with registry.load(day(n), {}, trust=n == 1) as loading:
            await loading.begin_source("s")
            for _ in range(3):
                await loading.add([chunk({(1, "a"), (1, "A")}), chunk({(1, "a")})])
            await loading.end_source(1, 1, {chunk({(1, "a"), (1, "A")}).digest})
        assert await edges(registry, "a", "A", "b") == {
            "a": [Edge("s", 1)],
            "A": [Edge("s", 1)],
            "b": [],
        }
        assert [one.keys for one in await registry.stats()] == [2]


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


async def test_two_rows_of_one_identity(registry: Registry, tmp_path: Path) -> None:
    """A table may call two rows the same (no key, odd keys): a chunk that is not read anew may
    hold the other one. Its edges stay, and the next reading tells what is left.
    """
    twin: list[FreshChunk] = [chunk({(1, "a"), (1, "b")}), chunk({(1, "b"), (2, "c")})]
    await load_chunks(registry, {"s": twin}, day(0))
    # The first chunk goes: of row 1 only "b" is left, and the chunk that holds it is known.
    await load_chunks(registry, {"s": twin[1:]}, day(1))
    assert (await edges(registry, "b", "c")) == {"b": [Edge("s", 1)], "c": [Edge("s", 2)]}
    assert await load_chunks(registry, {"s": twin[1:]}, day(2)) == 1
    assert await edges(registry, "a", "b", "c") == {
        "a": [],
        "b": [Edge("s", 1)],
        "c": [Edge("s", 2)],
    }
    assert await load_chunks(registry, {"s": twin[1:]}, day(3)) == 0


async def test_edges_that_are_all_gone_are_not_taken_for_known(
    registry: Registry, tmp_path: Path
) -> None:
    """The chunks are still there: somebody emptied the table of edges."""
    await load(registry, {"s": {(1, "a"), (2, "b")}}, day(0))
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute("DELETE FROM edge")
        file.commit()
    await load(registry, {"s": {(1, "a"), (2, "b")}}, day(1))
    assert await edges(registry, "a", "b") == {"a": [Edge("s", 1)], "b": [Edge("s", 2)]}


CHUNKS = st.lists(
    st.sets(
        st.tuples(
            st.sampled_from([1, 2, 300, "1", "x"]),
            st.sampled_from(["a", "b", "A", "c/d", "C/D"]),
        ),
        max_size=4,
    ),
    max_size=4,
)
# By source, its chunks.
Chunks = Mapping[str, list[set[tuple[RowId, str]]]]
READINGS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["s", "t"]), CHUNKS), st.booleans()),
    min_size=1,
    max_size=6,
)


def shares(reading: Chunks) -> bool:
    """Whether a row's identity is in two chunks of one source."""
    rows = [[{row for row, _ in part} for part in parts] for parts in reading.values()]
    return any(len(set().union(*parts)) < sum(map(len, parts)) for parts in rows)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(
    readings=[
        ({"s": [{(1, "a")}, {(1, "b"), (2, "a")}]}, False),
        ({"s": [{(1, "b"), (2, "a")}]}, True),
    ]
)
@given(readings=READINGS)
async def test_any_sequence_of_readings(
    readings: list[tuple[Chunks, bool]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Against a model of sets: edges are the last reading's, releases the last loss of each key.

    Each reading is done until it settles, three times at most: until then, where two rows share an
    identity, there may be more edges than rows, and never fewer.
    """
    keys = ("a", "b", "A", "c/d", "C/D")
    registry = await Registry.open(tmp_path_factory.mktemp("registry"))
    gone: dict[str, datetime] = {}
    before: set[str] = set()
    number = 0
    last: Chunks = {}
    for reading, trust in readings:
        sources = {name: [chunk(part) for part in parts] for name, parts in reading.items()}
        model = {
            key: {
                Edge(name, row)
                for name, parts in reading.items()
                for part in parts
                for row, k in part
                if k == key
            }
            for key in keys
        }
        now = {key for key in keys if model[key]}
        for attempt in range(4):
            number += 1
            assert attempt < 3, "it never settles"
            unknown = await load_chunks(registry, sources, day(number), trust=trust)
            seen = {key: set(found) for key, found in (await edges(registry, *keys)).items()}
            assert all(seen[key] >= model[key] for key in keys)
            left = {key for key in keys if seen[key]}
            gone |= dict.fromkeys(before - left, day(number))
            gone = {key: at for key, at in gone.items() if key not in left}
            before = left
            assert await released(registry, *keys) == gone
            # What is compared as a whole is right at once. So is all else, but where identities are
            # shared: the chunks are forgotten then, and unknown the next time.
            assert seen == model or (trust and (unknown or shares(reading) or shares(last)))
            if seen == model and not (unknown and trust):
                break
        last = reading
        near = await registry.near([key_hash(key) for key in keys])
        assert near == {key_hash(form) for key in now for form in (key, fold(key))}
        assert {one.name: one.keys for one in await registry.stats()} == {
            name: len(set().union(*parts)) for name, parts in reading.items()
        }
    await registry.close()
