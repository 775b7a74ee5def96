"""What becomes of a `registry.db` that another version of s3gc wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from s3gc_core.errors import RegistryTooNew, VaultBusy, VaultUnreachable
from s3gc_core.jobs import vault_lease
from s3gc_core.references import Edge, Registry, Released, StreamState, fold, key_hash
from s3gc_core.references.registry_tables import VERSION
from tests.core.references.readings import Reading, day, load, stored

# The tables as the first s3gc made them.
FIRST = """
CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, keys INTEGER NOT NULL
) STRICT;
CREATE TABLE edge (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
CREATE TABLE near (src INT, row, h INT, PRIMARY KEY (src, row, h)) WITHOUT ROWID;
CREATE INDEX edge_h ON edge (h);
CREATE INDEX near_h ON near (h);
CREATE TABLE released (h INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), valid_at TEXT NOT NULL, positions TEXT NOT NULL
) STRICT;
"""


def write_first(path: Path, reading: Reading, released: dict[str, datetime]) -> None:
    """A registry of the first s3gc, which read this on day 0."""
    with closing(sqlite3.connect(path / "registry.db")) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.executescript(FIRST)
        for number, (name, pairs) in enumerate(reading.items(), 1):
            file.execute("INSERT INTO source VALUES (?, ?, 9, ?)", (number, name, len(pairs)))
            for row, key in pairs:
                file.execute("INSERT INTO edge VALUES (?, ?, ?)", (number, row, key_hash(key)))
                if fold(key) != key:
                    form = key_hash(fold(key))
                    file.execute("INSERT INTO near VALUES (?, ?, ?)", (number, row, form))
        for key, at in released.items():
            file.execute("INSERT INTO released VALUES (?, ?)", (key_hash(key), at.isoformat()))
        file.execute("INSERT INTO state VALUES (1, ?, '{}')", (day(0).isoformat(),))
        file.commit()


STREAMS = (
    *("stream", "beat", "followed", "reread", "leaving"),
    *("vaulted", "vaulted_upto", "returned"),
)
READING: Reading = {"s": {(1, "a"), (2, "B"), ("2", "c")}, "t": {(1, "d")}}


async def test_edges_and_releases_of_an_older_one_stay(tmp_path: Path) -> None:
    """What was referenced then and is not any more was released now, not never."""
    write_first(tmp_path, READING, {"old": day(-3)})
    registry = await Registry.open(tmp_path)
    # Nothing is judged by it until it is read anew.
    assert await registry.valid_at() is None
    hashes = {key: key_hash(key) for key in ("a", "B", "c", "d", "old")}
    assert await registry.referenced(hashes.values()) == {hashes[key] for key in "aBcd"}
    assert await registry.released(hashes.values()) == {hashes["old"]: day(-3)}
    assert await registry.edges_of("c") == [Edge("s", "2")]
    await load(registry, {"s": {(1, "a"), (2, "B")}}, day(5))
    assert await registry.last_holders(hashes.values()) == {
        hashes["old"]: Released(day(-3), None, None),
        hashes["c"]: Released(day(5), "s", "2"),
        hashes["d"]: Released(day(5), "t", 1),
    }
    assert await registry.referenced(hashes.values()) == {hashes["a"], hashes["B"]}
    assert [e.first_seen for key in "aB" for e in await registry.edges_of(key)] == [day(0)] * 2
    # What is near was not written down as we need it: reading anew brings it back.
    assert [(e.row, e.spelling) for e in await registry.edges_near("b")] == [(2, "B")]
    assert await registry.valid_at() == day(5)
    assert await load(registry, {"s": {(1, "a"), (2, "B")}}, day(6)) == 0
    await registry.close()


async def test_an_older_one_is_taken_over_once(tmp_path: Path) -> None:
    write_first(tmp_path, READING, {})
    for _ in range(2):
        await (await Registry.open(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        tables = {n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {
            *("source", "edge", "chunk", "reading", "released", "state"),
            *STREAMS,
        }
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_an_older_one_that_was_never_finished(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.executescript(FIRST.partition("CREATE TABLE released")[0])
    registry = await Registry.open(tmp_path)
    await load(registry, READING, day(0))
    assert await registry.edges_of("d") == [Edge("t", 1)]
    await registry.close()


async def test_an_older_one_in_use_is_left_alone(tmp_path: Path) -> None:
    write_first(tmp_path, READING, {})
    before = (tmp_path / "registry.db").read_bytes()
    with vault_lease(tmp_path, "01OLD", "scan", "anna@host"):
        with pytest.raises(VaultBusy, match="scan 01OLD"):
            await Registry.open(tmp_path)
        assert (tmp_path / "registry.db").read_bytes() == before
    await (await Registry.open(tmp_path)).close()


def make_second(path: Path) -> None:
    """What the second s3gc made is what we make, but for the tables of streams."""
    with closing(sqlite3.connect(path / "registry.db")) as file:
        for table in STREAMS:
            file.execute(f"DROP TABLE {table}")
        file.execute("PRAGMA user_version = 1")


async def test_one_without_streams_gets_their_tables_and_keeps_the_rest(tmp_path: Path) -> None:
    """Also for when it is true, and the chunks: nothing has to be read for this."""
    registry = await Registry.open(tmp_path)
    await load(registry, READING, day(0))
    await registry.close()
    before = stored(tmp_path)
    make_second(tmp_path)
    for _ in range(2):
        registry = await Registry.open(tmp_path)
        assert await registry.valid_at() == day(0)
        assert await registry.streams() == {}
        await registry.close()
        assert stored(tmp_path) == before
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)
    registry = await Registry.open(tmp_path)
    assert await load(registry, READING, day(1)) == 0
    await registry.close()


async def test_streams_of_the_third_s3gc_go_on(tmp_path: Path) -> None:
    """Begun anew they would leave something on their servers, and read every table."""
    registry = await Registry.open(tmp_path)
    state = StreamState("main", "name", "history", "10", "09", 5, "token", anchored=True)
    await registry.begin_stream(state)
    await registry.close()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute("ALTER TABLE stream DROP COLUMN txn")
        file.execute("ALTER TABLE stream ADD COLUMN valid_counter INTEGER")
        file.execute("PRAGMA user_version = 2")
    for _ in range(2):
        registry = await Registry.open(tmp_path)
        assert await registry.streams() == {"main": state}
        await registry.close()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (VERSION,)
        columns = {row[1] for row in file.execute("PRAGMA table_info(stream)")}
    assert "txn" in columns
    assert "valid_counter" not in columns


async def test_one_without_streams_in_use_is_left_alone(tmp_path: Path) -> None:
    """That operation would refuse our format."""
    await (await Registry.open(tmp_path)).close()
    make_second(tmp_path)
    with vault_lease(tmp_path, "01OLD", "scan", "anna@host"):
        with pytest.raises(VaultBusy, match="scan 01OLD"):
            await Registry.open(tmp_path)
        with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
            assert file.execute("PRAGMA user_version").fetchone() == (1,)
    await (await Registry.open(tmp_path)).close()


async def test_ours_is_opened_while_an_operation_runs(tmp_path: Path) -> None:
    await (await Registry.open(tmp_path)).close()
    with vault_lease(tmp_path, "01NEW", "scan", "anna@host"):
        await (await Registry.open(tmp_path)).close()


async def test_a_later_one_is_refused(tmp_path: Path) -> None:
    await (await Registry.open(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file:
        file.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(RegistryTooNew, match=f"format {VERSION + 1}") as refused:
        await Registry.open(tmp_path)
    assert refused.value.exit_code == 3


async def test_what_is_no_registry_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(VaultUnreachable):
        await Registry.open(tmp_path)
