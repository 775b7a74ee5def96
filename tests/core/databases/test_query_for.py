"""The query to paste: run in the database itself, it gives exactly the row that was meant."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.databases import DatabaseUrl, Engine, Row, RowId
from s3gc_core.errors import SourceMissing
from tests.core.databases.reading import all_rows, opened, read
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

ODD = [
    *["plain", "", "it's", 'say "hi"', "back\\slash", "\\'", "100%", "%s ?", "$1 :x", "ü é 日本 🗑"],
    *["line\nbreak", "tab\t", "\x1b[31mred", "\u202eright", "-- comment", "/* x */", "; DROP", "`"],
    *["5", "0.1", "x'01'", "rowid:1", "NULL", '["a",1]', "0x00", "E'x'", "\x7f", "a\u0301"],
]


async def query(url: str, table: str, *columns: str, row: RowId, where: str | None = None) -> str:
    async with opened(url).snapshot() as snapshot:
        return await snapshot.query_for(read(table, *columns, where=where), row)


async def pasted(app: AppDatabase, sql: str) -> list[tuple[Any, ...]]:
    """What the query gives when it is run as it is, with nothing filled in."""
    match app.engine:
        case Engine.POSTGRESQL:
            return [tuple(row) for row in await (await app._postgres()).fetch(sql)]
        case Engine.MYSQL:
            cursor = await (await app._mysql()).cursor()
            await cursor.execute(sql)
            return list(await cursor.fetchall())
        case Engine.SQLITE:
            return app._sqlite().execute(sql).fetchall()


async def check_each(app: AppDatabase, table: str, column: str = "k") -> list[Row]:
    """Every row's query gives that row and no other, and has no character that is unsafe."""
    rows = await all_rows(app.url, table, column)
    for row in rows:
        sql = await query(app.url, table, column, row=row.id)
        assert sql.isprintable(), sql
        assert await pasted(app, sql) == [row.values], sql
    return rows


async def test_of_an_integer_key(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(20))")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(-5, "a"), (0, "b"), (7, None)])
    assert len(await check_each(app_database, "t")) == 3
    sql = await query(app_database.url, "t", "k", "id", row=7)
    name = DatabaseUrl.parse(app_database.url).database
    expected = {
        Engine.POSTGRESQL: 'SELECT "k", "id" FROM "public"."t" WHERE "id" = 7;',
        Engine.MYSQL: f"SELECT `k`, `id` FROM `{name}`.`t` WHERE `id` = 7;",
        Engine.SQLITE: 'SELECT "k", "id" FROM "main"."t" WHERE "id" = 7;',
    }
    assert sql == expected[app_database.engine]


async def test_of_a_text_key_with_odd_characters(app_database: AppDatabase) -> None:
    kind = "VARCHAR(40) COLLATE utf8mb4_bin" if app_database.engine is Engine.MYSQL else "TEXT"
    await app_database.execute(f"CREATE TABLE t (id {kind} PRIMARY KEY, k VARCHAR(40))")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(odd, odd) for odd in ODD])
    assert {row.id for row in await check_each(app_database, "t")} == set(ODD)


async def test_of_a_composite_key(app_database: AppDatabase) -> None:
    kind = "VARCHAR(40) COLLATE utf8mb4_bin" if app_database.engine is Engine.MYSQL else "TEXT"
    await app_database.execute(
        f"CREATE TABLE t (n BIGINT NOT NULL, s {kind} NOT NULL, k VARCHAR(40), PRIMARY KEY (s, n))"
    )
    rows = [(number, odd, f"{number}{odd}") for odd in ODD for number in (-1, 2**53 + 1)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    assert len(await check_each(app_database, "t")) == len(rows)


async def test_of_odd_names(app_database: AppDatabase) -> None:
    table, column = 'My "odd" `table`.x', 'Column `of` "Mine"'
    q = app_database.quoted
    await app_database.execute(
        f"CREATE TABLE {q(table)} ({q('order')} INTEGER PRIMARY KEY, {q(column)} VARCHAR(20))"
    )
    await app_database.executemany(f"INSERT INTO {q(table)} VALUES (?, ?)", [(1, "x"), (2, "y")])
    configured = '"' + table.replace('"', '""') + '"'
    assert len(await check_each(app_database, configured, column)) == 2


async def test_of_a_row_without_a_key(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (k VARCHAR(9), gone INTEGER)")
    rows: list[tuple[object, ...]] = [("x", None), ("y", 1), ("z", None)]
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    if app_database.engine is not Engine.MYSQL:
        assert len(await check_each(app_database, "t")) == 3
        return
    for row in await all_rows(app_database.url, "t", "k"):
        sql = await query(app_database.url, "t", "k", row=row.id, where="gone IS NULL -- live")
        assert sql.startswith("-- SQL cannot name this row (no key)")
        assert sorted(await pasted(app_database, sql)) == [("x",), ("z",)]


async def test_of_a_view(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(9))")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, "y")])
    await app_database.execute("CREATE VIEW v AS SELECT k FROM t")
    for row in await all_rows(app_database.url, "v", "k"):
        sql = await query(app_database.url, "v", "k", row=row.id)
        assert sql.startswith("-- SQL cannot name this row (no key)")
        assert "WHERE" not in sql
        assert sorted(await pasted(app_database, sql)) == [("x",), ("y",)]


@pytest.mark.parametrize("row", ["[1]", '[1,"a",2]', "[1,", '{"a":1}', "[1.5,null]", 5, "", "x"])
async def test_what_is_no_identity_of_the_table_names_no_row(
    app_database: AppDatabase, row: RowId
) -> None:
    await app_database.execute(
        "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL, k TEXT, PRIMARY KEY (a, b))"
    )
    sql = await query(app_database.url, "t", "k", row=row)
    assert sql.startswith("-- SQL cannot name this row")
    assert await pasted(app_database, sql) == []


async def test_of_a_table_that_is_gone(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE other (k TEXT)")
    with pytest.raises(SourceMissing):
        await query(app_database.url, "t", "k", row=1)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uuid", "'0b0e3d2c-0000-4000-8000-00000000000a'"),
        ("numeric", "12345678901234567890.50"),
        ("bytea", "'\\x00ff'"),
        ("timestamptz", "'2026-01-02 03:04:05.123456+05'"),
        ("date", "'2026-01-02'"),
        ("char(5)", "'a'"),
        ("name", "'a'"),
        ("float8", "0.1"),
        ("float4", "0.1"),
        ("mood", "'so so'"),
        ("inet", "'::1'"),
        ("text[]", "ARRAY['a,\"b', NULL]"),
        ("number", "5"),
        ("smallint", "5"),
        ("interval", "'1 day 2 hours'"),
        ("boolean", "true"),
        ("jsonb", '\'{"a": "\\\\x"}\''),
    ],
)
async def test_keys_of_postgres_types(on_postgres: AppDatabase, kind: str, value: str) -> None:
    for statement in (
        "CREATE TYPE mood AS ENUM ('so so')",
        "CREATE DOMAIN number AS bigint",
        f"CREATE TABLE t (id {kind}, n int, k text, PRIMARY KEY (id, n))",
        f"CREATE TABLE u (id {kind} PRIMARY KEY, k text)",
        f"INSERT INTO t VALUES ({value}, 1, 'x'), ({value}, 2, 'y')",
        f"INSERT INTO u VALUES ({value}, 'x')",
    ):
        await on_postgres.execute(statement)
    assert len(await check_each(on_postgres, "t")) == 2
    assert len(await check_each(on_postgres, "u")) == 1


async def test_the_query_means_the_same_with_old_settings_of_strings(
    on_postgres: AppDatabase,
) -> None:
    await on_postgres.execute("SET standard_conforming_strings = off")
    await on_postgres.execute("CREATE TABLE t (id text PRIMARY KEY, k text)")
    await on_postgres.executemany("INSERT INTO t VALUES (?, ?)", [(odd, odd) for odd in ODD])
    assert len(await check_each(on_postgres, "t")) == len(ODD)


async def test_of_partitions_and_children(on_postgres: AppDatabase) -> None:
    for statement in (
        "CREATE TABLE p (id int, k text) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
        "INSERT INTO p VALUES (1, 'x'), (11, 'y')",
        "CREATE TABLE parent (id int PRIMARY KEY, k text)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES (1, 'x')",
        "INSERT INTO child VALUES (1, 'y')",
        "CREATE MATERIALIZED VIEW m AS SELECT k FROM parent",
    ):
        await on_postgres.execute(statement)
    for table in ("p", "parent", "m"):
        assert len(await check_each(on_postgres, table)) == 2


async def test_a_key_in_an_unknown_encoding_is_named_where_it_can_be(
    postgres: PostgresServer,
) -> None:
    options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    app = AppDatabase(await postgres.create_database(options))
    try:
        await app.execute("CREATE TABLE t (id text PRIMARY KEY, k text)")
        await app.execute("INSERT INTO t VALUES (E'i\\xff', 'a'), ('j', 'b')")
        odd, plain = sorted(await all_rows(app.url, "t", "k"), key=lambda row: row.values[0] or "")
        assert await pasted(app, await query(app.url, "t", "k", row=plain.id)) == [("b",)]
        assert (await query(app.url, "t", "k", row=odd.id)).startswith("-- SQL cannot name")
    finally:
        await app.close()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("BIGINT UNSIGNED", "18446744073709551615"),
        ("INT(5) ZEROFILL", "42"),
        ("DECIMAL(30,2)", "1234567890123456789012345678.50"),
        ("DECIMAL(30,2)", "-1"),
        ("DOUBLE", "0.1"),
        ("DATE", "'2026-01-02'"),
        ("DATETIME(6)", "'2026-01-02 03:04:05.123456'"),
        ("TIME", "'-26:00:00'"),
        ("YEAR", "2026"),
        ("BIT(12)", "b'101000000001'"),
        ("BINARY(3)", "x'00ff61'"),
        ("VARBINARY(9)", "''"),
        ("CHAR(9)", "'a'"),
        ("VARCHAR(9) CHARACTER SET latin1", "'é'"),
        ("VARCHAR(9) CHARACTER SET utf16", "'é\\nx'"),
        ("ENUM('x','y')", "'y'"),
        ("UUID", "'0b0e3d2c-0000-4000-8000-00000000000a'"),
        ("INET6", "'::1'"),
    ],
)
async def test_keys_of_mariadb_types(on_mariadb: AppDatabase, kind: str, value: str) -> None:
    await on_mariadb.execute(f"CREATE TABLE t (id {kind}, n INT, k TEXT, PRIMARY KEY (id, n))")
    await on_mariadb.execute(f"CREATE TABLE u (id {kind} PRIMARY KEY, k TEXT)")
    await on_mariadb.execute(f"INSERT INTO t VALUES ({value}, 1, 'x'), ({value}, 2, 'y')")
    await on_mariadb.execute(f"INSERT INTO u VALUES ({value}, 'x')")
    assert len(await check_each(on_mariadb, "t")) == 2
    assert len(await check_each(on_mariadb, "u")) == 1


async def test_large_decimals_that_round_to_one_double_are_told_apart(
    on_mariadb: AppDatabase,
) -> None:
    await on_mariadb.execute("CREATE TABLE t (id DECIMAL(30,2) PRIMARY KEY, k TEXT)")
    await on_mariadb.execute(
        "INSERT INTO t VALUES (1234567890123456789.50, 'x'), (1234567890123456789.51, 'y')"
    )
    assert len(await check_each(on_mariadb, "t")) == 2


async def test_a_float_is_not_equal_to_its_own_text(on_mariadb: AppDatabase) -> None:
    await on_mariadb.execute("CREATE TABLE t (id FLOAT PRIMARY KEY, k TEXT)")
    await on_mariadb.execute("INSERT INTO t VALUES (0.1, 'x')")
    sql = await query(on_mariadb.url, "t", "k", row="0.1")
    assert sql.startswith("-- SQL cannot name this row")
    assert await pasted(on_mariadb, sql) == [("x",)]


async def test_the_query_means_the_same_without_backslash_escapes(on_mariadb: AppDatabase) -> None:
    await on_mariadb.execute(
        "CREATE TABLE t (id VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, k VARCHAR(40))"
    )
    await on_mariadb.executemany("INSERT INTO t VALUES (?, ?)", [(odd, odd) for odd in ODD])
    await on_mariadb.execute("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    assert len(await check_each(on_mariadb, "t")) == len(ODD)


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AppDatabase:
    return AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())


async def test_sqlite_keys_are_of_any_type(on_sqlite: AppDatabase) -> None:
    await on_sqlite.execute("CREATE TABLE t (id PRIMARY KEY, k)")
    ids = [5, -(2**62), 0.5, 1e100, "5.5", "abc", b"\x00\xff", b"", "x'02'", 2.0]
    rows = [(id_, f"k{number}") for number, id_ in enumerate(ids)]
    await on_sqlite.executemany("INSERT INTO t VALUES (?, ?)", rows)
    await on_sqlite.executemany("INSERT INTO t VALUES (?, ?)", [(None, "n1"), (None, "n2")])
    assert len(await check_each(on_sqlite, "t")) == len(ids) + 2


async def test_sqlite_rows_by_their_rowid_however_it_is_called(on_sqlite: AppDatabase) -> None:
    await on_sqlite.execute("CREATE TABLE hides (k, rowid, _ROWID_)")
    await on_sqlite.execute("INSERT INTO hides VALUES ('x', 7, 7), ('y', 1, 1)")
    await on_sqlite.execute("CREATE TABLE pair (a, b, k, PRIMARY KEY (a, b))")
    await on_sqlite.execute("INSERT INTO pair VALUES (1, NULL, 'x'), (1, NULL, 'y'), (1, 2, 'z')")
    await on_sqlite.execute("CREATE TABLE w (a, b, k, PRIMARY KEY (b, a)) WITHOUT ROWID")
    await on_sqlite.execute("INSERT INTO w VALUES (1, 'x', 'k'), (2, 'x', 'l')")
    for table, count in (("hides", 2), ("pair", 3), ("w", 2)):
        assert len(await check_each(on_sqlite, table)) == count


async def test_a_sqlite_key_that_looks_like_the_name_of_another_row(
    on_sqlite: AppDatabase,
) -> None:
    await on_sqlite.execute("CREATE TABLE t (id TEXT PRIMARY KEY, k)")
    await on_sqlite.execute("INSERT INTO t VALUES ('x', 'other'), ('rowid:1', 'meant')")
    assert len(await check_each(on_sqlite, "t")) == 2


async def test_odd_characters_in_a_utf16_file(tmp_path: Path) -> None:
    path = tmp_path / "wide.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA encoding = 'UTF-16le'")
    connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(odd, odd) for odd in ODD])
    connection.commit()
    connection.close()
    app = AppDatabase(DatabaseUrl(Engine.SQLITE, str(path)).render())
    assert len(await check_each(app, "t")) == len(ODD)


async def test_a_sqlite_key_that_is_not_utf8_is_not_guessed(on_sqlite: AppDatabase) -> None:
    await on_sqlite.execute("CREATE TABLE t (id TEXT PRIMARY KEY, k TEXT)")
    await on_sqlite.execute("INSERT INTO t VALUES (CAST(x'69ff' AS TEXT), 'x')")
    (row,) = await all_rows(on_sqlite.url, "t", "k")
    assert (await query(on_sqlite.url, "t", "k", row=row.id)).startswith("-- SQL cannot name")
