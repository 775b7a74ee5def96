"""Pages that SQLite packs hold what a cursor gives; what JSON could not tell, a cursor reads."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s3gc_core.databases import Row
from s3gc_core.databases.protocol import Page
from s3gc_core.databases.sqlite_packed import PackedPages
from s3gc_core.errors import S3gcError
from tests.core.databases.reading import all_rows

LARGEST = (1 << 63) - 1
TEXTS = st.text(st.sampled_from('a"\\/\0\x01\x1f\x7f\n\t{}[],\u00e9\u2028\U0001f5d1'), max_size=5)
TEXT = st.one_of(TEXTS, st.text(max_size=5))
VALUES = st.one_of(
    st.none(),
    TEXT,
    st.integers(-LARGEST - 1, LARGEST),
    st.floats(allow_nan=False),
    st.binary(max_size=3),
)
IDS = st.one_of(st.integers(-3, 6), st.sampled_from([-LARGEST - 1, -LARGEST, LARGEST - 1, LARGEST]))


class File:
    """An SQLite file that counts the rows given packed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def run(self, statement: str, rows: Sequence[Sequence[object]] = ((),)) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(statement, rows)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    made = File(tmp_path / "app.db")
    original = PackedPages.next

    async def counted(self: PackedPages, count: int) -> Page:
        page = await original(self, count)
        made.packed += len(page)
        return page

    monkeypatch.setattr(PackedPages, "next", counted)
    return made


@contextmanager
def never_packed() -> Iterator[None]:
    """By a cursor, as where the rowid is no identity."""

    async def none(*_: object) -> None:
        return None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PackedPages, "of", none)
        yield


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(rows={1: ("a", "b"), 2: (1.5, None), 3: (b"c", "d")})
@example(rows={-LARGEST - 1: ("a", None), LARGEST: ("b", 0)})
@given(rows=st.dictionaries(IDS, st.tuples(VALUES, VALUES), max_size=6))
@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY", "n INTEGER"])
async def test_rows_are_what_a_cursor_gives(
    file: File, key: str, rows: dict[int, tuple[object, object]]
) -> None:
    file.run("DROP TABLE IF EXISTS t")
    file.run(f"CREATE TABLE t ({key}, k, l TEXT)")
    file.run("INSERT INTO t (rowid, k, l) VALUES (?, ?, ?)", [(i, *v) for i, v in rows.items()])
    found = await all_rows(file.url, "t", "l", "k")
    with never_packed():
        assert found == await all_rows(file.url, "t", "l", "k")
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    "odd", ["CAST(x'ff' AS TEXT)", "x'00'", "0.1", "CAST(x'61eda080' AS TEXT)"]
)
async def test_what_json_cannot_tell_is_read_by_a_cursor(file: File, odd: str) -> None:
    file.run("CREATE TABLE t (id INTEGER PRIMARY KEY, k)")
    file.run("INSERT INTO t VALUES (?, 'x' || ?1)", [(n,) for n in range(700)])
    file.run(f"UPDATE t SET k = {odd} WHERE id = 500")
    found = await all_rows(file.url, "t", "k")
    assert file.packed == 200
    with never_packed():
        assert found == await all_rows(file.url, "t", "k")
    assert [row.id for row in found] == list(range(700))


async def test_pages_end_where_the_next_begins(file: File) -> None:
    file.run("CREATE TABLE t (k TEXT)")
    file.run("INSERT INTO t (rowid, k) VALUES (?, 'x' || ?1)", [(3 * n,) for n in range(5_000)])
    assert await all_rows(file.url, "t", "k") == [Row(3 * n, (f"x{3 * n}",)) for n in range(5_000)]
    assert file.packed == 5_000


@pytest.mark.parametrize(
    ("table", "packed"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, n INT)", 3),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT, n INT)", 3),
        ("CREATE TABLE t (id INTEGER, k TEXT, n INT)", 3),
        ("CREATE TABLE t (id INTEGER, k TEXT, rowid INT)", 3),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC, k TEXT, n INT)", 0),
        ("CREATE TABLE t (id INT PRIMARY KEY, k TEXT, n INT)", 0),
        ("CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT, n INT)", 0),
        ("CREATE TABLE t (id INTEGER, k TEXT, n INT, PRIMARY KEY (id, k))", 0),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, n INT) WITHOUT ROWID", 0),
    ],
)
async def test_only_rows_that_the_rowid_identifies_are_packed(
    file: File, table: str, packed: int
) -> None:
    file.run(table)
    file.run("INSERT INTO t VALUES (?, 'x', 7)", [(n,) for n in (5, 2, 9)])
    found = await all_rows(file.url, "t", "k")
    assert file.packed == packed
    with never_packed():
        assert sorted(found, key=repr) == sorted(await all_rows(file.url, "t", "k"), key=repr)


async def test_a_view_is_not_packed(file: File) -> None:
    file.run("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    file.run("INSERT INTO t VALUES (1, 'x')")
    file.run("CREATE VIEW v AS SELECT * FROM t")
    assert [row.values for row in await all_rows(file.url, "v", "k")] == [("x",)]
    assert file.packed == 0


async def test_json_that_a_function_makes_stays_text(file: File) -> None:
    made = "GENERATED ALWAYS AS (json_object('k', id)) VIRTUAL"
    file.run(f"CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT {made})")
    file.run("INSERT INTO t (id) VALUES (1)")
    assert await all_rows(file.url, "t", "k") == [Row(1, ('{"k":1}',))]


@pytest.mark.parametrize(
    ("where", "packed", "ids"),
    [
        ("k <> 'b'", 2, [1, 3]),
        ("k = 'a' OR k = 'c' -- or not", 2, [1, 3]),
        ("false", 0, []),
        # By way of an index each page would be sorted anew.
        ("n = 2", 0, [2]),
        ("k IN (SELECT 'a')", 0, [1]),
    ],
)
async def test_conditions(file: File, where: str, packed: int, ids: list[int]) -> None:
    file.run("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, n INT)")
    file.run("CREATE INDEX by_n ON t (n, k)")
    file.run("INSERT INTO t VALUES (?, ?, ?)", [(1, "a", 1), (2, "b", 2), (3, "c", 3)])
    found = await all_rows(file.url, "t", "k", where=where)
    assert sorted(row.id for row in found if isinstance(row.id, int)) == ids
    assert file.packed == packed


@pytest.mark.parametrize("where", ["id >= ?1", "id = ?", "id >= %s", "id = :first", "1) OR (1"])
async def test_a_condition_is_given_no_values(file: File, where: str) -> None:
    file.run("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    file.run("INSERT INTO t VALUES (1, 'x')")
    if where == "1) OR (1":
        assert len(await all_rows(file.url, "t", "k", where=where)) == 1
        return
    with pytest.raises(S3gcError):
        await all_rows(file.url, "t", "k", where=where)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
async def test_a_file_in_another_encoding(file: File, encoding: str) -> None:
    with closing(sqlite3.connect(file.path)) as connection, connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'é/\U0001f5d1')")
    assert await all_rows(file.url, "t", "k") == [Row(1, ("é/\U0001f5d1",))]


async def test_a_page_that_could_not_be_packed_keeps_nobody_from_writing(file: File) -> None:
    file.run("CREATE TABLE t (id INTEGER PRIMARY KEY, k)")
    file.run("INSERT INTO t VALUES (1, x'00')")
    gc.disable()
    try:
        assert await all_rows(file.url, "t", "k") == [Row(1, (b"\0",))]
        file.run("INSERT INTO t VALUES (2, 'x')")
    finally:
        gc.enable()
