"""What only SQLite has: files, values of any type, rowids, and names that turn into texts."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from s3gc_core.databases import Row
from s3gc_core.errors import DatabaseUnreachable, SourceMissing, SourceUnreadable
from tests.core.databases.reading import all_rows, opened, read, shape, values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app ?#%.db"


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def url(path: Path) -> str:
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


async def test_each_value_keeps_its_own_type(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k)",
        "INSERT INTO t VALUES (1,'a'), (2,x'00ff'), (3,NULL), (4,7), (5,0.1), (6,''), (7,x'')",
    )
    assert await values(url(path), "t", "k") == ["a", b"\x00\xff", None, "7", "0.1", "", b""]


async def test_text_that_is_not_utf8_survives(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT)",
        "INSERT INTO t VALUES (CAST(x'69ff' AS TEXT), CAST(x'636166e9' AS TEXT))",
        "CREATE VIEW v AS SELECT k FROM t",
    )
    assert await all_rows(url(path), "t", "k") == [Row("i\\udcff", ("caf\udce9",))]
    assert [row.values for row in await all_rows(url(path), "v", "k")] == [("caf\udce9",)]


@pytest.mark.parametrize("places", [[1], [200, 201], [5_000], [9_000], [1, 4_999, 8_999]])
async def test_one_text_among_many_that_is_not_utf8(path: Path, places: list[int]) -> None:
    run(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
        " INSERT INTO t SELECT i, 'é' || i FROM n",
        *(f"UPDATE t SET k = CAST(x'E9{n:08x}' AS TEXT) WHERE id = {n}" for n in places),
    )
    odd = {n: (b"\xe9" + n.to_bytes(4)).decode("utf-8", "surrogateescape") for n in places}
    async with opened(url(path)).snapshot() as snapshot:
        # Two reads of one connection, in turns.
        both = [snapshot.rows(read("t", "k")), snapshot.rows(read("t", "k"))]
        found: list[list[Row]] = [[], []]
        while len(found[0]) < 9_000:
            for stream, rows in zip(both, found, strict=True):
                rows += await anext(stream)
    for rows in found:
        assert rows == [Row(n, (odd.get(n, f"é{n}"),)) for n in range(1, 9_001)]


async def test_text_of_a_utf16_file_is_text(path: Path) -> None:
    run(path, "PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (k)", "INSERT INTO t VALUES ('é')")
    assert await values(url(path), "t", "k") == ["é"]


async def test_rowids_however_they_are_called(path: Path) -> None:
    run(
        path,
        "CREATE TABLE plain (k)",
        "INSERT INTO plain (rowid, k) VALUES (5, 'x')",
        "CREATE TABLE hides (k, rowid, _ROWID_)",
        "INSERT INTO hides (oid, k, rowid) VALUES (6, 'x', 'no')",
        "CREATE TABLE hides_all (k, rowid, _rowid_, oid)",
        "INSERT INTO hides_all VALUES ('x', 'no', 'no', 'no')",
    )
    assert await all_rows(url(path), "plain", "k") == [Row(5, ("x",))]
    assert await all_rows(url(path), "hides", "k") == [Row(6, ("x",))]
    (row,) = await all_rows(url(path), "hides_all", "k")
    assert str(row.id).startswith("row:")


async def test_a_table_without_rowids(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (a, b, k, PRIMARY KEY (b, a)) WITHOUT ROWID",
        "INSERT INTO t VALUES (1, 'x', 'k')",
    )
    assert await all_rows(url(path), "t", "k") == [Row('["x",1]', ("k",))]


async def test_a_key_may_be_null_and_then_the_rowid_names_the_row(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (id TEXT PRIMARY KEY, k)",
        "INSERT INTO t VALUES (NULL, 'a'), (NULL, 'b'), ('x', 'c'), (x'01', 'd')",
    )
    assert set(await all_rows(url(path), "t", "k")) == {
        Row("rowid:1", ("a",)),
        Row("rowid:2", ("b",)),
        Row("x", ("c",)),
        Row("x'01'", ("d",)),
    }


async def test_main_is_a_schema_and_others_are_not(path: Path) -> None:
    run(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, k)", "INSERT INTO t VALUES (1, 'x')")
    assert await all_rows(url(path), "main.t", "k") == [Row(1, ("x",))]
    for table in ("other.t", "a.main.t"):
        with pytest.raises(SourceMissing, match="there is no table"):
            await shape(url(path), table, "k")
    with pytest.raises(SourceMissing, match=r"did you mean 'main\.t'"):
        await shape(url(path), "main.T", "k")


async def test_generated_columns_can_be_read(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k, full TEXT AS ('files/' || k))",
        "INSERT INTO t VALUES (1, 'x')",
    )
    assert await values(url(path), "t", "full") == ["files/x"]


async def test_a_misspelt_column_in_where_is_not_taken_for_a_text(path: Path) -> None:
    run(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k, deleted_at)",
        "INSERT INTO t VALUES (1, 'x', NULL), (2, 'it''s \"no\" name', NULL)",
    )
    # Without the check SQLite would answer with no row at all.
    with pytest.raises(SourceUnreadable, match=r"main:t\.k cannot be read .*\"delted_at\""):
        await all_rows(url(path), "t", "k", where='"delted_at" IS NULL')
    good = """"deleted_at" IS NULL AND "T"."K" = 'it''s "no" name'"""
    assert await values(url(path), "t", "k", good) == ['it\'s "no" name']


async def test_a_missing_file_is_unreachable_and_not_created(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    for attempt in (
        opened(url(missing)).identity(),
        opened(url(missing)).snapshot().__aenter__(),
    ):
        with pytest.raises(DatabaseUnreachable, match="unable to open database file"):
            await attempt
    with pytest.raises(DatabaseUnreachable):
        await opened(url(tmp_path)).identity()
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_no_database_is_unreachable(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        await opened(url(path)).identity()


async def test_a_damaged_page_is_no_end(path: Path) -> None:
    rows = ", ".join(f"({i}, '{'x' * 500}')" for i in range(1000))
    run(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, k)", f"INSERT INTO t VALUES {rows}")
    with path.open("r+b") as file:
        file.seek(4096 * 90)
        file.write(b"\xff" * 4096)
    with pytest.raises(DatabaseUnreachable, match="malformed"):
        await all_rows(url(path), "t", "k")


async def test_a_writer_that_holds_the_file_is_unreachable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.databases.sqlite.BUSY_TIMEOUT_SECONDS", 0.05)
    run(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, k)")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DatabaseUnreachable, match="locked"):
            await all_rows(url(path), "t", "k")
    finally:
        writer.close()
    assert await all_rows(url(path), "t", "k") == []


async def test_identity_is_the_file_itself(path: Path, tmp_path: Path) -> None:
    run(path, "CREATE TABLE t (k)")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert await opened(url(link)).identity() == f"sqlite:{path}"
    assert await opened(url(path)).identity() == f"sqlite:{path}"


async def test_a_relative_path_counts_from_here(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, k)", "INSERT INTO t VALUES (1, 'x')")
    monkeypatch.chdir(tmp_path)
    relative = url(Path(os.path.relpath(path)))
    assert await all_rows(relative, "t", "k") == [Row(1, ("x",))]
    assert await opened(relative).identity() == f"sqlite:{path}"
