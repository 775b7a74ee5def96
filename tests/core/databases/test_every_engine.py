"""What holds on PostgreSQL, MariaDB and SQLite alike."""

from __future__ import annotations

import asyncio
import unicodedata
from contextlib import aclosing

import pytest

from s3gc_core.databases import DatabaseUrl, Engine, Row
from s3gc_core.databases.naming import PAGE_ROWS
from s3gc_core.errors import DatabaseUnreachable, SourceMissing, SourceUnreadable
from tests.core.databases.reading import all_rows, opened, pages, read, shape, values
from tests.servers.app_database import AppDatabase

NFC = unicodedata.normalize("NFC", "Müller/é.png")
NFD = unicodedata.normalize("NFD", NFC)
TEXTS = ["", " leading and trailing ", NFC, NFD, "a'b\"c`d\\e%f?", "line\nbreak\ttab", "🗑/x"]


async def test_texts_come_as_they_are(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(200))")
    rows = [*enumerate(TEXTS), (100, None)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    found = await all_rows(app_database.url, "t", "k")
    assert sorted(found, key=lambda row: row.id) == [Row(i, (text,)) for i, text in rows]


async def test_columns_come_in_the_order_asked_for(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)")
    await app_database.execute("INSERT INTO t VALUES (1, 'a', 'b')")
    assert await all_rows(app_database.url, "t", "b", "id", "a") == [Row(1, ("b", "1", "a"))]


async def test_bytes_stay_bytes(app_database: AppDatabase) -> None:
    kind = "BYTEA" if app_database.engine is Engine.POSTGRESQL else "BLOB"
    await app_database.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, k {kind})")
    data = [bytes(range(256)), b"", b"key/a.png", None]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(data)))
    assert await values(app_database.url, "t", "k") == data


async def test_names_with_quotes_spaces_dots_and_capitals(app_database: AppDatabase) -> None:
    table, column = 'My "odd" `table`.x', 'Column `of` "Mine"'
    q = app_database.quoted
    await app_database.execute(
        f"CREATE TABLE {q(table)} (id INTEGER PRIMARY KEY, {q(column)} VARCHAR(20))"
    )
    await app_database.execute(f"INSERT INTO {q(table)} VALUES (1, 'x')")
    configured = '"' + table.replace('"', '""') + '"'
    assert await all_rows(app_database.url, configured, column) == [Row(1, ("x",))]


async def test_a_text_key_identifies_its_row(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, k TEXT)")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [("007", "a"), ("x/ü", "b")])
    found = await all_rows(app_database.url, "t", "k")
    assert sorted(found, key=lambda row: row.id) == [Row("007", ("a",)), Row("x/ü", ("b",))]


async def test_a_composite_key_is_a_json_array_in_key_order(app_database: AppDatabase) -> None:
    await app_database.execute(
        "CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(9) NOT NULL, k TEXT, PRIMARY KEY (b, a))"
    )
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?, ?)", [(1, 'ü"', "x"), (2, "y", "z")]
    )
    found = await all_rows(app_database.url, "t", "k")
    assert set(found) == {Row('["ü\\"",1]', ("x",)), Row('["y",2]', ("z",))}
    assert (await shape(app_database.url, "t", "k")).primary_key == ("b", "a")


async def test_rows_without_a_key_still_have_identities(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (a INTEGER, k TEXT)")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, "x"), (3, None)])
    first = await all_rows(app_database.url, "t", "k")
    assert sorted(str(row.values[0]) for row in first) == ["None", "x", "x"]
    assert len({row.id for row in first}) == 3
    assert set(await all_rows(app_database.url, "t", "k")) == set(first)
    found = await shape(app_database.url, "t", "k")
    assert found.primary_key == ()
    assert "no primary key" in found.row_id


async def test_a_view_is_identified_by_its_rows_hash(app_database: AppDatabase) -> None:
    await app_database.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9), b VARCHAR(9))"
    )
    rows = [(1, "x", "yz"), (2, "xy", "z"), (3, "", None), (4, None, "")]
    await app_database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    await app_database.execute("CREATE VIEW v AS SELECT a, b FROM t")
    found = await all_rows(app_database.url, "v", "a")
    assert sorted(str(row.values[0]) for row in found) == ["", "None", "x", "xy"]
    assert len({row.id for row in found}) == 4
    assert all(str(row.id).startswith("row:") and len(str(row.id)) == 68 for row in found)
    assert set(await all_rows(app_database.url, "v", "a")) == set(found)


async def test_many_rows_come_in_bounded_pages(app_database: AppDatabase) -> None:
    count = 3 * PAGE_ROWS + 17
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(40))")
    rows = [(i, f"files/{i}.png") for i in range(count)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    async with opened(app_database.url).snapshot() as snapshot:
        found = await pages(snapshot, read("t", "k"))
    assert max(map(len, found)) == PAGE_ROWS
    assert {row for page in found for row in page} == {Row(i, (key,)) for i, key in rows}
    assert sum(map(len, found)) == count


async def test_pages_of_large_values_are_short(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.databases.naming.PAGE_BYTES", 100_000)
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    rows = [(i, "x" * 10_000) for i in range(300)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    async with opened(app_database.url).snapshot() as snapshot:
        found = await pages(snapshot, read("t", "k"))
    assert [len(page) for page in found] == [200, *[10] * 10]


async def test_an_empty_table_has_no_pages(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    async with opened(app_database.url).snapshot() as snapshot:
        assert await pages(snapshot, read("t", "k")) == []


async def test_where_selects_as_the_operator_wrote_it(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, gone INTEGER)")
    rows = [(1, "a", None), (2, "b", 1), (3, "c%d", 0), (4, "d", 2)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    where = "gone IS NULL OR t.gone = 0 -- not deleted"
    assert await values(app_database.url, "t", "k", where) == ["a", "c%d"]
    assert await values(app_database.url, "t", "k", "k LIKE '%\\%%' OR k LIKE 'c%'") == ["c%d"]


@pytest.mark.parametrize("where", ["no_such_column = 1", "gone = = 1", "nonsense(k) > 2"])
async def test_a_failing_where_names_the_source(app_database: AppDatabase, where: str) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, gone INTEGER)")
    with pytest.raises(SourceUnreadable) as caught:
        await all_rows(app_database.url, "t", "k", where=where)
    assert "main:t.k cannot be read" in caught.value.what
    assert where in caught.value.what


async def test_a_missing_table_or_column_is_named_with_its_neighbour(
    app_database: AppDatabase,
) -> None:
    await app_database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar_url TEXT)")
    url = app_database.url
    async with opened(url).snapshot() as snapshot:
        for table, column, message in [
            ("user", "avatar_url", "main: there is no table 'user'; did you mean 'users'?"),
            ("Users", "avatar_url", "main: there is no table 'Users'; did you mean 'users'?"),
            ("zzz", "avatar_url", "main: there is no table 'zzz'"),
            ("no.such.name", "k", "main: there is no table 'no.such.name'"),
            (
                "users",
                "avatar",
                "main: table 'users' has no column 'avatar'; did you mean 'avatar_url'?",
            ),
            (
                "users",
                "AVATAR_URL",
                "main: table 'users' has no column 'AVATAR_URL'; did you mean 'avatar_url'?",
            ),
        ]:
            with pytest.raises(SourceMissing) as described:
                await snapshot.describe(read(table, column))
            assert described.value.what == message
            with pytest.raises(SourceMissing) as streamed:
                await pages(snapshot, read(table, column))
            assert streamed.value.what == message
        # None of this spoils the snapshot.
        assert await pages(snapshot, read("users", "avatar_url")) == []


async def test_describe_tells_columns_types_and_key(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(20))")
    found = await shape(app_database.url, "t", "k")
    expected = {
        Engine.POSTGRESQL: {"id": "integer", "k": "character varying(20)"},
        Engine.MYSQL: {"id": "int(11)", "k": "varchar(20)"},
        Engine.SQLITE: {"id": "INTEGER", "k": "VARCHAR(20)"},
    }
    assert found.columns == expected[app_database.engine]
    assert (found.table, found.primary_key, found.row_id) == ("t", ("id",), "primary key id")


async def test_a_snapshot_sees_one_moment(app_database: AppDatabase) -> None:
    for table in "ab":
        await app_database.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k VARCHAR(9))")
    await app_database.executemany("INSERT INTO a VALUES (?, ?)", [(i, "k") for i in range(500)])
    async with opened(app_database.url).snapshot() as snapshot:
        await app_database.execute("INSERT INTO b VALUES (1, 'moved')")
        found: list[Row] = []
        async with aclosing(snapshot.rows(read("a", "k"))) as stream:  # type: ignore[type-var]
            async for page in stream:
                if not found:
                    await app_database.execute("INSERT INTO a VALUES (1000, 'late')")
                    await app_database.execute("DELETE FROM a WHERE id > 300 AND id < 400")
                found.extend(page)
        assert {row.id for row in found} == set(range(500))
        assert await pages(snapshot, read("b", "k")) == []
    assert await values(app_database.url, "b", "k") == ["moved"]
    assert len(await all_rows(app_database.url, "a", "k")) == 402


async def test_a_snapshot_cannot_write(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT)")
    async with opened(app_database.url).snapshot() as snapshot:
        connection = snapshot._connection  # type: ignore[attr-defined]
        mysql = app_database.engine is Engine.MYSQL
        writer = await connection.cursor() if mysql else connection
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            await writer.execute("INSERT INTO t VALUES (1, 'x')")
    assert await values(app_database.url, "t", "k") == []


async def test_a_read_can_be_left_early_and_the_snapshot_goes_on(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?)", [(i, "x" * 90) for i in range(30_000)]
    )
    async with opened(app_database.url).snapshot() as snapshot:
        for _ in range(3):
            async for page in snapshot.rows(read("t", "k")):
                assert len(page) == 200
                break
            await snapshot.describe(read("t", "k"))
        assert sum(map(len, await pages(snapshot, read("t", "k")))) == 30_000


async def test_reads_of_two_tasks_take_turns(app_database: AppDatabase) -> None:
    for table in "ab":
        await app_database.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k VARCHAR(9))")
        rows = [(i, table) for i in range(1_000)]
        await app_database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    async with opened(app_database.url).snapshot() as snapshot:
        found = await asyncio.gather(*(pages(snapshot, read(table, "k")) for table in "ab"))
    assert [{row.values for page in some for row in page} for some in found] == [{("a",)}, {("b",)}]
    assert [sum(map(len, some)) for some in found] == [1_000, 1_000]


async def test_a_cancelled_read_leaves_nothing_behind(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await app_database.executemany(
        "INSERT INTO t VALUES (?, ?)", [(i, "x" * 90) for i in range(20_000)]
    )
    started = asyncio.Event()

    async def reading() -> None:
        async with opened(app_database.url).snapshot() as snapshot:
            async for _ in snapshot.rows(read("t", "k")):
                started.set()
                await asyncio.sleep(0)

    task = asyncio.create_task(reading())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await all_rows(app_database.url, "t", "k")) == 20_000


async def test_identity_is_the_same_each_time_and_names_the_database(
    app_database: AppDatabase,
) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    first = await opened(app_database.url).identity()
    assert await opened(app_database.url).identity() == first
    assert first.endswith(DatabaseUrl.parse(app_database.url).database)


async def test_an_unreachable_database_is_named_without_its_password() -> None:
    for scheme in ("postgresql", "mysql"):
        # Port 1 of loopback: nobody listens there.
        database = opened(f"{scheme}://u:s3cret@127.0.0.1:1/db")
        for attempt in (database.identity(), database.snapshot().__aenter__()):
            with pytest.raises(DatabaseUnreachable) as caught:
                await attempt
            assert f"{scheme}://u@127.0.0.1:1/db" in caught.value.what
            assert "s3cret" not in caught.value.what
