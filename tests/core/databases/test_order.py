"""The order of the rows: that of the primary key where it costs little, and always the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from s3gc_core.databases import DatabaseUrl, Engine, Row
from tests.core.databases.reading import all_rows
from tests.servers.app_database import AppDatabase

SHUFFLED = random.Random(4).sample(range(-1_000, 9_000), 10_000)


async def test_an_integer_key_gives_its_order(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(40))")
    # An index that holds all a read needs, in another order.
    await app_database.execute("CREATE INDEX of_k ON t (k, id)")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"{-i}") for i in SHUFFLED])
    found = await all_rows(app_database.url, "t", "k")
    assert found == [Row(i, (f"{-i}",)) for i in range(-1_000, 9_000)]


@pytest.mark.parametrize("key", ["s", "s, n", "n, s"])
async def test_text_and_composite_keys_come_whole_and_always_alike(
    app_database: AppDatabase, key: str
) -> None:
    await app_database.execute(
        "CREATE TABLE t (n INTEGER NOT NULL, s VARCHAR(40) NOT NULL, k VARCHAR(40),"
        f" PRIMARY KEY ({key}))"
    )
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?, ?)", [(i % 7, f"s{i:05}", f"k{i}") for i in SHUFFLED]
    )
    found = await all_rows(app_database.url, "t", "k")
    assert found == await all_rows(app_database.url, "t", "k")
    assert {row.values for row in found} == {(f"k{i}",) for i in SHUFFLED}
    assert len({row.id for row in found}) == len(found) == len(SHUFFLED)
    if app_database.engine is not Engine.SQLITE:
        # SQLite would look up each row by way of an index there.
        rows = [{"n": i % 7, "s": f"s{i:05}", "k": f"k{i}"} for i in SHUFFLED]
        rows.sort(key=lambda row: [row[column] for column in key.split(", ")])
        assert [row.values[0] for row in found] == [row["k"] for row in rows]


async def test_a_small_table_comes_in_order_without_a_sort(on_postgres: AppDatabase) -> None:
    await on_postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")
    ids = [i for i in SHUFFLED if 0 <= i < 2_000]
    # Left to itself, the planner would sort so few and so wide rows.
    await on_postgres.executemany("INSERT INTO t VALUES ($1, $2)", [(i, "x" * 999) for i in ids])
    await on_postgres.execute("ANALYZE t")
    assert [row.id for row in await all_rows(on_postgres.url, "t", "k")] == sorted(ids)


async def test_an_order_that_is_dear_is_not_asked_for(
    on_postgres: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")
    await on_postgres.executemany("INSERT INTO t VALUES ($1, $2)", [(i, "x") for i in SHUFFLED])
    await on_postgres.execute("ANALYZE t")
    assert [row.id for row in await all_rows(on_postgres.url, "t", "k")] == sorted(SHUFFLED)
    monkeypatch.setattr("s3gc_core.databases.postgres.CHEAP_COST", 0.0)
    assert [row.id for row in await all_rows(on_postgres.url, "t", "k")] == SHUFFLED


async def test_no_server_sorts_for_us(on_postgres: AppDatabase, on_mariadb: AppDatabase) -> None:
    for app in (on_postgres, on_mariadb):
        await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(40), n INTEGER)")
        await app.execute("CREATE INDEX of_n ON t (n)")
        await app.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", [(i, "x" * 30, i % 1_000) for i in SHUFFLED]
        )
    await on_mariadb.execute("ANALYZE TABLE t")
    where = "n = 5 OR n = 4"
    wanted = {i for i in SHUFFLED if i % 1_000 in {4, 5}}
    for app in (on_postgres, on_mariadb):
        found = await all_rows(app.url, "t", "k", where=where)
        assert {row.id for row in found} == wanted
        assert found == await all_rows(app.url, "t", "k", where=where)
    # The index of n finds these rows, and sorting them is left out.
    ids = [int(row.id) for row in await all_rows(on_mariadb.url, "t", "k", where=where)]
    assert ids == sorted(ids, key=lambda i: (i % 1_000, i))


async def test_sqlite_reads_the_rows_as_they_lie(tmp_path: Path) -> None:
    app_database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    await app_database.execute("CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT)")
    await app_database.execute("CREATE TABLE w (id TEXT PRIMARY KEY, k TEXT) WITHOUT ROWID")
    for table in "tw":
        await app_database.executemany(
            f"INSERT INTO {table} VALUES (?, ?)", [(f"s{i:05}", "x") for i in SHUFFLED]
        )
    inserted = [f"s{i:05}" for i in SHUFFLED]
    assert [row.id for row in await all_rows(app_database.url, "t", "k")] == inserted
    assert [row.id for row in await all_rows(app_database.url, "w", "k")] == sorted(inserted)
