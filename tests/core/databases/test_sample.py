"""Samples: never too many rows, never empty ones, from all over the table, with bounded load."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.databases import Engine, Row, naming, sampling
from s3gc_core.databases.sampling import Sample, places
from s3gc_core.errors import SourceMissing, SourceUnreadable
from tests.core.databases.reading import opened, pages, read
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer


@pytest.fixture
async def on_postgres(postgres: PostgresServer) -> AsyncIterator[AppDatabase]:
    database = AppDatabase(await postgres.create_database())
    yield database
    await database.close()


async def sample(
    url: str, table: str, *columns: str, limit: int, where: str | None = None
) -> Sequence[Row]:
    async with opened(url).snapshot() as snapshot:
        return await snapshot.sample(read(table, *columns, where=where), limit)


async def fill(app: AppDatabase, rows: Sequence[tuple[int, str | None, str | None]]) -> None:
    await app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(400), more TEXT)")
    await app.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)


async def test_a_small_table_is_its_own_sample(app_database: AppDatabase) -> None:
    rows: list[tuple[int, str | None, str | None]] = [
        *[(1, "a", None), (2, None, "b"), (3, None, None), (4, "", None), (500, "c", "d")]
    ]
    await fill(app_database, rows)
    found = await sample(app_database.url, "t", "k", "more", limit=10)
    assert sorted(found, key=lambda row: row.id) == [
        Row(1, ("a", None)),
        Row(2, (None, "b")),
        Row(500, ("c", "d")),
    ]


@pytest.mark.parametrize("limit", [1, 7, 39, 200])
async def test_a_sample_has_its_size_and_comes_from_everywhere(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    # On PostgreSQL the table is then larger than what a sample looks at.
    monkeypatch.setattr("s3gc_core.databases.postgres_tables._SAMPLE_BLOCKS", 60)
    count = 12_000
    await fill(app_database, [(i, f"{i}", "x" * 200) for i in range(count)])
    found = await sample(app_database.url, "t", "k", limit=limit)
    assert len(found) == len({row.id for row in found}) == limit
    assert all(row.values == (str(row.id),) for row in found)
    if limit > 1:
        ids = [int(row.id) for row in found]
        assert min(ids) < count / 3
        assert max(ids) > count * 2 / 3


async def test_a_column_that_is_mostly_null_still_has_a_sample(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.databases.postgres_tables._SAMPLE_BLOCKS", 5)
    monkeypatch.setattr("s3gc_core.databases.sampling.PLACE_ROWS", 5)
    filled = {9_137, 9_138, 19_998}
    await fill(
        app_database, [(i, "key" if i in filled else None, "x" * 100) for i in range(20_000)]
    )
    found = await sample(app_database.url, "t", "k", limit=50)
    assert {row.id for row in found} == filled
    assert {row.values for row in found} == {("key",)}


async def test_the_operators_condition_holds_for_a_sample(app_database: AppDatabase) -> None:
    await fill(app_database, [(i, f"{i}", None) for i in range(3_000)])
    where = "t.id < 100 OR t.id >= 2990 -- some"
    found = await sample(app_database.url, "t", "k", limit=50, where=where)
    assert len(found) == 50
    assert all(int(row.id) < 100 or int(row.id) >= 2_990 for row in found)
    found = await sample(app_database.url, "t", "k", limit=500, where=where)
    assert {row.id for row in found} == {*range(100), *range(2_990, 3_000)}


async def test_a_sample_of_an_empty_table_of_a_view_and_of_rows_without_key(
    app_database: AppDatabase,
) -> None:
    await app_database.execute("CREATE TABLE empty (id INTEGER PRIMARY KEY, k VARCHAR(9))")
    await app_database.execute("CREATE TABLE t (k VARCHAR(9), n INTEGER)")
    rows = [(f"k{i}", i) for i in range(300)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    await app_database.execute("CREATE VIEW v AS SELECT k, n FROM t")
    assert list(await sample(app_database.url, "empty", "k", limit=5)) == []
    for table in "tv":
        found = await sample(app_database.url, table, "k", limit=20)
        assert len({row.id for row in found}) == len(found) == 20
        assert {row.values for row in found} <= {(key,) for key, _ in rows}


async def test_keys_of_other_kinds(app_database: AppDatabase) -> None:
    await app_database.execute(
        "CREATE TABLE pair (a INTEGER NOT NULL, b VARCHAR(9) NOT NULL, k TEXT, PRIMARY KEY (a, b))"
    )
    await app_database.execute("CREATE TABLE word (id VARCHAR(9) PRIMARY KEY, k TEXT)")
    rows = [(i // 10, f"{i}", f"k{i}") for i in range(1_000)]
    await app_database.executemany("INSERT INTO pair VALUES (?, ?, ?)", rows)
    await app_database.executemany("INSERT INTO word VALUES (?, ?)", [row[1:] for row in rows])
    for table in ("pair", "word"):
        async with opened(app_database.url).snapshot() as snapshot:
            everything = {row for p in await pages(snapshot, read(table, "k")) for row in p}
            found = await snapshot.sample(read(table, "k"), 100)
        assert len(set(found)) == len(found) == 100
        assert set(found) < everything


async def test_long_values_are_cut_and_bytes_stay_bytes(app_database: AppDatabase) -> None:
    kinds = {
        Engine.POSTGRESQL: ("BYTEA", "TEXT"),
        Engine.MYSQL: ("LONGBLOB", "LONGTEXT"),
        Engine.SQLITE: ("BLOB", "TEXT"),
    }[app_database.engine]
    await app_database.execute(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, b {kinds[0]}, k {kinds[1]}, n INTEGER)"
    )
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?)", [(1, b"\xff\x00" * 50_000, "é" * 100_000, 12)]
    )
    (row,) = await sample(app_database.url, "t", "b", "k", "n", limit=5)
    assert row == Row(1, (b"\xff\x00" * 32_768, "é" * 65_536, "12"))


async def test_a_sample_is_bounded_in_bytes(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.databases.naming.PAGE_BYTES", 100_000)
    await fill(app_database, [(i, f"{i}", "x" * 10_000) for i in range(300)])
    found = await sample(app_database.url, "t", "more", limit=200)
    assert len(found) == 10
    # The snapshot is as good as before.
    assert len(await sample(app_database.url, "t", "k", limit=200)) == 200


async def test_the_snapshot_goes_on_after_a_sample(app_database: AppDatabase) -> None:
    await fill(app_database, [(i, f"{i}", None) for i in range(1_000)])
    async with opened(app_database.url).snapshot() as snapshot:
        await app_database.execute("INSERT INTO t VALUES (5000, 'late', NULL)")
        for _ in range(2):
            found = await snapshot.sample(read("t", "k"), 2_000)
            assert {row.id for row in found} == set(range(1_000))
            assert sum(map(len, await pages(snapshot, read("t", "k")))) == 1_000


async def test_a_sample_of_what_is_not_there_names_it(app_database: AppDatabase) -> None:
    await fill(app_database, [])
    async with opened(app_database.url).snapshot() as snapshot:
        with pytest.raises(SourceMissing):
            await snapshot.sample(read("zzz", "k"), 5)
        with pytest.raises(SourceMissing):
            await snapshot.sample(read("t", "zzz"), 5)
    with pytest.raises(SourceUnreadable, match=r"main:t\.k cannot be read"):
        await sample(app_database.url, "t", "k", limit=5, where="gone = = 1")


SLOW = {
    Engine.POSTGRESQL: "CASE WHEN id < 40 THEN true ELSE pg_sleep(0.05) IS NOT NULL END",
    Engine.MYSQL: "CASE WHEN id < 40 THEN true ELSE SLEEP(0.05) = 0 END",
    Engine.SQLITE: "CASE WHEN id < 40 THEN true ELSE (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
    " SELECT i + 1 FROM n WHERE i < 300000 + t.id) SELECT count(*) FROM n) > 0 END",
}


async def test_when_the_time_is_up_the_sample_is_what_was_found(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(sampling, "_PLACES", 1)
    monkeypatch.setattr(sampling, "_STRIDE", 0)
    await fill(app_database, [(i, f"{i}", None) for i in range(2_000)])
    async with opened(app_database.url).snapshot() as snapshot:
        start = time.monotonic()
        # All of it would take more than a minute.
        found = await snapshot.sample(read("t", "k", where=SLOW[app_database.engine]), 1_500)
        assert time.monotonic() - start < 20
        assert len(found) < 1_500
        # MariaDB sends rows only when it has 16 kB of them.
        assert len(found) >= (0 if app_database.engine is Engine.MYSQL else 16)
        # Neither the limit nor the broken statement is left behind.
        slow = read("t", "k", where=f"id BETWEEN 30 AND 60 AND {SLOW[app_database.engine]}")
        assert sum(map(len, await pages(snapshot, slow))) == 31
        assert len(await snapshot.sample(read("t", "k"), 100)) == 100


async def test_partitions_children_and_materialized_views(on_postgres: AppDatabase) -> None:
    for statement in (
        "CREATE TABLE p (id int PRIMARY KEY, k text) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000)",
        "INSERT INTO p SELECT i, i::text FROM generate_series(0, 1999) i",
        "CREATE TABLE parent (k text)",
        "CREATE TABLE child (more text) INHERITS (parent)",
        "INSERT INTO child SELECT i::text FROM generate_series(0, 1999) i",
        "CREATE MATERIALIZED VIEW m AS SELECT k FROM p",
    ):
        await on_postgres.execute(statement)
    for table in ("p", "parent", "m"):
        found = await sample(on_postgres.url, table, "k", limit=100)
        assert len({row.id for row in found}) == 100
        values = [int(str(row.values[0])) for row in found]
        assert min(values) < 500
        assert max(values) > 1_500


async def test_a_user_with_rights_on_columns_only_gets_a_sample(on_postgres: AppDatabase) -> None:
    for statement in (
        "CREATE TABLE t (id int PRIMARY KEY, k text, secret text)",
        "INSERT INTO t SELECT i, i::text FROM generate_series(1, 500) i",
        "CREATE ROLE partial LOGIN PASSWORD 'pw'",
        "GRANT SELECT (id, k) ON t TO partial",
    ):
        await on_postgres.execute(statement)
    try:
        url = on_postgres.url.replace("postgres:postgres-test@", "partial:pw@")
        assert len(await sample(url, "t", "k", limit=50)) == 50
    finally:
        await on_postgres.execute("DROP OWNED BY partial")
        await on_postgres.execute("DROP ROLE partial")


@given(least=st.integers(-(2**63), 2**63 - 1), span=st.integers(0, 2**63) | st.integers(0, 90))
def test_places_lie_in_the_range_each_once_and_soon_everywhere(least: int, span: int) -> None:
    found = list(places(least, least + span))
    assert len(found) == len(set(found)) == min(40, span + 1)
    assert all(least <= place <= least + span for place in found)
    assert least in found
    if span >= 1_000:
        assert max(found[:3]) - min(found[:3]) > span // 2


def test_a_row_found_twice_counts_once() -> None:
    kept = Sample(3)
    kept.add([Row(1, ("a",)), Row(1, ("a",)), Row(2, ("b",))])
    assert (kept.missing, kept.rows) == (1, [Row(1, ("a",)), Row(2, ("b",))])
    kept.add([Row(3, ("c",)), Row(4, ("d",))])
    assert (kept.missing, [row.id for row in kept.rows]) == (0, [1, 2, 3])


def test_a_sample_of_enough_bytes_wants_no_more() -> None:
    kept = Sample(10)
    kept.add([Row(1, ("x" * naming.PAGE_BYTES,)), Row(2, ("b",))])
    assert (kept.missing, len(kept.rows)) == (0, 1)
