"""Which tables and columns each engine lists: all that may hold a key, and no others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.databases import (
    DatabaseUrl,
    Engine,
    ListedTable,
    Row,
    TextColumn,
    mysql_catalogue,
)
from s3gc_core.errors import DatabaseUnreachable, RightMissing, SourceUnreadable
from tests.core.databases.reading import all_rows, opened, read, shape
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer

ODD_NAMES = ["order", "Order", "My Table", 'quo"te', "back`tick", "a.b", "ü", "-", "select"]


async def listed(url: str) -> list[ListedTable]:
    async with opened(url).snapshot() as snapshot:
        return await snapshot.tables()


async def columns(url: str) -> dict[str, list[str]]:
    """The names of the listed columns, by the tables' names."""
    return {table.table: [column.name for column in table.columns] for table in await listed(url)}


def as_user(url: str, user: str) -> str:
    parsed = DatabaseUrl.parse(url)
    return DatabaseUrl(
        parsed.engine, parsed.database, parsed.host, parsed.port, user, "pw"
    ).render()


async def test_tables_come_by_name_and_views_not_at_all(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, n INTEGER, k VARCHAR(20))")
    await app_database.execute("CREATE TABLE a (k TEXT, id INTEGER)")
    await app_database.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, d DATE, r REAL)")
    await app_database.execute("CREATE VIEW v AS SELECT k FROM a")
    schema = {
        Engine.POSTGRESQL: "public",
        Engine.MYSQL: DatabaseUrl.parse(app_database.url).database,
        Engine.SQLITE: "main",
    }[app_database.engine]
    types = {
        Engine.POSTGRESQL: ("text", "character varying(20)"),
        Engine.MYSQL: ("text", "varchar(20)"),
        Engine.SQLITE: ("TEXT", "VARCHAR(20)"),
    }[app_database.engine]
    found = await listed(app_database.url)
    assert [(table.table, table.canonical, table.columns) for table in found] == [
        ("a", f"{schema}.a", (TextColumn("k", types[0]),)),
        ("b", f"{schema}.b", (TextColumn("k", types[1]),)),
    ]


async def test_odd_names_can_be_read_as_they_are_listed(app_database: AppDatabase) -> None:
    # SQLite takes `order` and `Order` for one.
    lite = app_database.engine is Engine.SQLITE
    names = [name for name in ODD_NAMES if not (lite and name == "Order")]
    quoted = app_database.quoted
    for number, name in enumerate(names):
        await app_database.execute(
            f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, {quoted(name)} VARCHAR(20))"
        )
        await app_database.execute(f"INSERT INTO {quoted(name)} VALUES (1, 'k{number}')")
    found = await listed(app_database.url)
    assert {table.columns[0].name for table in found} == set(names)
    for table in found:
        name = table.columns[0].name
        expected = [Row(1, (f"k{names.index(name)}",))]
        assert await all_rows(app_database.url, table.table, name) == expected
        assert await all_rows(app_database.url, table.canonical, name) == expected
        for spelling in (table.table, table.canonical):
            assert (await shape(app_database.url, spelling, name)).canonical == table.canonical


async def test_an_empty_database_has_no_tables(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE made_and_dropped (k TEXT)")
    await app_database.execute("DROP TABLE made_and_dropped")
    assert await listed(app_database.url) == []


async def test_generated_columns_are_listed(app_database: AppDatabase) -> None:
    await app_database.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9),"
        " k VARCHAR(99) GENERATED ALWAYS AS (a) STORED)"
    )
    assert await columns(app_database.url) == {"t": ["a", "k"]}


async def test_the_list_is_of_the_snapshots_moment_and_spoils_no_read(
    app_database: AppDatabase,
) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(9))")
    await app_database.execute("INSERT INTO t VALUES (1, 'x')")
    async with opened(app_database.url).snapshot() as snapshot:
        assert [table.table for table in await snapshot.tables()] == ["t"]
        assert [list(page) async for page in snapshot.rows(read("t", "k"))] == [[Row(1, ("x",))]]
        assert [table.table for table in await snapshot.tables()] == ["t"]


async def test_rows_are_the_planners_estimate(app_database: AppDatabase) -> None:
    await app_database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(20))")
    await app_database.execute("CREATE INDEX of_k ON t (k)")
    await app_database.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"{i}") for i in range(900)])
    await app_database.execute(
        "ANALYZE TABLE t" if app_database.engine is Engine.MYSQL else "ANALYZE t"
    )
    ((rows,),) = [(table.rows,) for table in await listed(app_database.url)]
    assert rows is not None
    assert 800 <= rows <= 1_000


async def test_rows_that_nobody_counted_are_not_known(on_postgres: AppDatabase) -> None:
    await on_postgres.execute("CREATE TABLE t (k text)")
    await on_postgres.execute("INSERT INTO t VALUES ('x')")
    assert [table.rows for table in await listed(on_postgres.url)] == [None]


async def test_an_unreachable_database_has_no_list(app_database: AppDatabase) -> None:
    if app_database.engine is Engine.SQLITE:
        app_database.path.write_bytes(b"no database" * 1000)
        with pytest.raises(DatabaseUnreachable):
            await listed(app_database.url)
        return
    async with opened(app_database.url).snapshot() as snapshot:
        connection = snapshot._connection  # type: ignore[attr-defined]
        if app_database.engine is Engine.POSTGRESQL:
            connection.terminate()
        else:
            await app_database.execute(f"KILL {connection.thread_id()}")
        with pytest.raises(DatabaseUnreachable):
            await snapshot.tables()


async def test_text_like_types_of_postgres(on_postgres: AppDatabase) -> None:
    internal = "STRICT IMMUTABLE LANGUAGE internal AS"
    functions = ("INPUT = money_in", "OUTPUT = money_out")
    for statement in (
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION citext",
        "CREATE EXTENSION ltree",
        "CREATE EXTENSION seg",
        "CREATE TYPE mood AS ENUM ('so so')",
        "CREATE TYPE words AS RANGE (subtype = text)",
        # Nobody here knows this type, whatever it calls itself.
        "CREATE TYPE public.money",
        f"CREATE FUNCTION money_in(cstring) RETURNS public.money {internal} 'textin'",
        f"CREATE FUNCTION money_out(public.money) RETURNS cstring {internal} 'textout'",
        f"CREATE TYPE public.money ({', '.join(functions)}, LIKE = text, CATEGORY = 'N')",
        "CREATE DOMAIN odd AS public.money",
        "CREATE TYPE pair AS (n int, k text)",
        "CREATE TYPE point2 AS (x int, y int)",
        "CREATE TYPE nested AS (p pair)",
        "CREATE DOMAIN key_text AS text",
        "CREATE DOMAIN keys AS key_text[]",
        "CREATE DOMAIN count_of AS int",
    ):
        await on_postgres.execute(statement)
    yes = [
        *["text", "varchar", "varchar(9)", "char(9)", "name", "citext", "json", "jsonb", "xml"],
        *["hstore", "bytea", "text[]", "varchar(9)[]", "json[]", "bytea[]", "key_text", "keys"],
        *["pair", "pair[]", "nested", "uuid", "uuid[]", "ltree", "ltree[]", "mood", "mood[]"],
        *["words", "words_multirange", "words[]", "public.money", "public.money[]", "odd"],
        *["tsvector", "tsquery", "jsonpath", "inet", "cidr", "macaddr", '"char"'],
    ]
    no = [
        *["int", "smallint", "bigint", "numeric", "real", "float8", "money", "bool", "bool[]"],
        *["date", "time", "timetz", "timestamp", "timestamptz", "interval", "date[]"],
        *["int[]", "point2", "point2[]", "point", "box", "path", "circle", "count_of", "bit(3)"],
        *["varbit", "int4range", "int4multirange", "tstzrange", "oid", "oidvector", "regclass"],
        *["pg_lsn", "tid", "xid", "xid8", "seg", "seg[]"],
    ]
    names = {
        f"{kind}_{i}": word
        for kind, words in (("y", yes), ("n", no))
        for i, word in enumerate(words)
    }
    body = ", ".join(f"{name} {word}" for name, word in names.items())
    await on_postgres.execute(f"CREATE TABLE t ({body})")
    (table,) = await listed(on_postgres.url)
    assert [names[column.name] for column in table.columns] == yes


async def test_schemas_partitions_foreign_tables_and_materialized_views(
    on_postgres: AppDatabase,
) -> None:
    for statement in (
        'CREATE SCHEMA "My.Schema"',
        'CREATE TABLE "My.Schema"."T" (k text)',
        "CREATE TABLE hides (k text)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.hides (k2 text)",
        "CREATE TABLE p (id int, k text) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id)",
        "CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (5)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
        "INSERT INTO p SELECT 1, 'x' FROM generate_series(1, 40)",
        "INSERT INTO p SELECT 11, 'x' FROM generate_series(1, 2)",
        "CREATE TABLE parent (k text)",
        "CREATE TABLE child (more text) INHERITS (parent)",
        "CREATE MATERIALIZED VIEW m AS SELECT 'x'::text AS k",
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE f (k text) SERVER files OPTIONS (filename '/dev/null')",
        "ANALYZE p",
        "ANALYZE p11",
        "ANALYZE p2",
    ):
        await on_postgres.execute(statement)
    found = {table.canonical: table for table in await listed(on_postgres.url)}
    assert {canonical: table.table for canonical, table in found.items()} == {
        '"My.Schema".T': '"My.Schema".T',
        "other.hides": "other.hides",
        "public.child": "child",
        "public.f": "f",
        "public.hides": "hides",
        "public.m": "m",
        "public.p": "p",
        "public.parent": "parent",
    }
    assert list(found) == sorted(found)
    assert found["public.p"].rows == 42
    assert (await shape(on_postgres.url, "other.hides", "k2")).canonical == "other.hides"


async def test_tables_that_may_not_be_read_are_listed(on_postgres: AppDatabase) -> None:
    for statement in (
        "CREATE TABLE open (k text)",
        "CREATE TABLE closed (k text)",
        "CREATE SCHEMA locked",
        "CREATE TABLE locked.t (k text)",
        "CREATE ROLE visitor LOGIN PASSWORD 'pw'",
        "GRANT SELECT ON open TO visitor",
    ):
        await on_postgres.execute(statement)
    url = as_user(on_postgres.url, "visitor")
    try:
        assert await columns(url) == {"open": ["k"], "closed": ["k"], "locked.t": ["k"]}
        assert await all_rows(url, "open", "k") == []
        for table in ("closed", "locked.t"):
            async with opened(url).snapshot() as snapshot:
                with pytest.raises(RightMissing):
                    await snapshot.sample(read(table, "k"), 5)
    finally:
        await on_postgres.execute("DROP OWNED BY visitor")
        await on_postgres.execute("DROP ROLE visitor")


async def test_bytes_inside_an_array_are_listed_and_refused(on_postgres: AppDatabase) -> None:
    await on_postgres.execute("CREATE TABLE t (id int PRIMARY KEY, k bytea[])")
    assert await columns(on_postgres.url) == {"t": ["k"]}
    with pytest.raises(SourceUnreadable, match=r"type bytea\[\]"):
        await all_rows(on_postgres.url, "t", "k")


async def test_text_like_types_of_mariadb(on_mariadb: AppDatabase) -> None:
    yes = [
        *["char(9)", "varchar(9)", "tinytext", "text", "mediumtext", "longtext", "binary(9)"],
        *["varbinary(9)", "tinyblob", "blob", "mediumblob", "longblob", "uuid"],
        *["enum('a/b')", "set('a/b','c')", "inet4", "inet6"],
    ]
    no = [
        *["tinyint(4)", "smallint(6)", "mediumint(9)", "int(11)", "bigint(20)", "bit(9)"],
        *["decimal(9,2)", "float", "double", "date", "time", "datetime", "timestamp", "year(4)"],
        *["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"],
        *["multipolygon", "geometrycollection"],
    ]
    body = ", ".join(f"c{i} {kind}" for i, kind in enumerate([*yes, *no]))
    await on_mariadb.execute(f"CREATE TABLE t ({body}, j JSON)")
    (table,) = await listed(on_mariadb.url)
    assert [column.type for column in table.columns] == [*yes, "longtext"]
    assert table.columns[-1].name == "j"


async def test_of_a_type_that_nobody_knows_mysql_is_asked_and_errors_are_told(
    on_mariadb: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server at hand has a type that we do not know, so one is forgotten."""
    monkeypatch.setattr(mysql_catalogue, "_WITH_TEXT", mysql_catalogue._WITH_TEXT - {"inet6"})
    await on_mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, k INET6, d DATE)")
    assert await columns(on_mariadb.url) == {"t": ["k"]}
    with pytest.raises(SourceUnreadable, match="has type inet6"):
        await all_rows(on_mariadb.url, "t", "k")


async def test_mariadb_lists_its_own_database_only(
    on_mariadb: AppDatabase, mariadb: MariadbServer
) -> None:
    other = DatabaseUrl.parse(await mariadb.create_database()).database
    await on_mariadb.execute(f"CREATE TABLE {other}.t (k TEXT)")
    await on_mariadb.execute("CREATE TABLE plain (k TEXT)")
    await on_mariadb.execute("CREATE TABLE versioned (k TEXT) WITH SYSTEM VERSIONING")
    await on_mariadb.execute(
        "CREATE TABLE parted (id INT, k TEXT) PARTITION BY HASH (id) PARTITIONS 3"
    )
    await on_mariadb.execute("CREATE SEQUENCE s")
    assert await columns(on_mariadb.url) == {"parted": ["k"], "plain": ["k"], "versioned": ["k"]}
    assert (await shape(on_mariadb.url, f"{other}.t", "k")).canonical == f"{other}.t"


async def test_a_table_without_the_right_to_read_is_listed_on_mariadb(
    on_mariadb: AppDatabase,
) -> None:
    await on_mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT)")
    await on_mariadb.execute("CREATE USER visitor IDENTIFIED BY 'pw'")
    await on_mariadb.execute("GRANT INSERT ON t TO visitor")
    url = as_user(on_mariadb.url, "visitor")
    try:
        assert await columns(url) == {"t": ["k"]}
        async with opened(url).snapshot() as snapshot:
            with pytest.raises(RightMissing):
                await snapshot.sample(read("t", "k"), 5)
            with pytest.raises(RightMissing):
                await snapshot.query_for(read("t", "k"), 1)
    finally:
        await on_mariadb.execute("DROP USER visitor")


def on_sqlite(path: Path, *statements: str) -> str:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return DatabaseUrl(Engine.SQLITE, str(path)).render()


async def test_declared_types_of_sqlite_are_only_hints(tmp_path: Path) -> None:
    yes = ["", "TEXT", "varchar(9)", "BLOB", "JSON", "POINT", "INTERNAL", "DATES", "whatever"]
    no = [
        *["INTEGER", "int", "BIGINT", "unsigned big int", "INT8", "REAL", "Double Precision"],
        *["NUMERIC(9,2)", "decimal(9)", "BOOLEAN", "bool", "DATE", "datetime", "TIMESTAMP"],
        *["TIMESTAMP WITH TIME ZONE", "FLOAT", "TIME", "INTEGER UNSIGNED"],
    ]
    body = ", ".join(f"c{i} {kind}" for i, kind in enumerate([*yes, *no]))
    url = on_sqlite(tmp_path / "x.db", f"CREATE TABLE t ({body})")
    (table,) = await listed(url)
    assert [column.type for column in table.columns] == yes


async def test_sqlites_own_tables_are_no_tables(tmp_path: Path) -> None:
    url = on_sqlite(
        tmp_path / "x.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT)",
        "CREATE TABLE sqliteness (k TEXT)",
        "INSERT INTO t (k) VALUES ('x')",
        "CREATE TABLE w (k TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE INDEX i ON t (k)",
        "ANALYZE",
    )
    assert await columns(url) == {"sqliteness": ["k"], "t": ["k"], "w": ["k"]}
    assert {table.table: table.rows for table in await listed(url)}["t"] == 1


async def test_a_virtual_table_without_its_module_hides_no_other(tmp_path: Path) -> None:
    url = on_sqlite(
        tmp_path / "x.db",
        "CREATE TABLE t (k TEXT)",
        "CREATE VIRTUAL TABLE words USING fts5(k)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'not_here') WHERE name = 'words'",
    )
    found = await columns(url)
    assert found["t"] == ["k"]
    assert "words" not in found
    assert "c0" in found["words_content"]


async def test_a_column_of_numbers_is_listed_where_it_holds_text(tmp_path: Path) -> None:
    app = AppDatabase(f"sqlite:///{tmp_path / 'app.db'}")
    kinds = ["INTEGER", "BIGINT", "NUMERIC", "REAL", "BOOLEAN", "DATE", "DATETIME", "TIMESTAMP"]
    body = ", ".join(f"{kind.lower()} {kind}" for kind in kinds)
    for table in ("numbers", "mixed", "bytes"):
        await app.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {body})")
    marks = ", ".join("?" * len(kinds))
    plain = (
        7,
        -7,
        "1e5",
        2.5,
        True,
        "2026-11-23",
        "2026-11-23T12:00:00Z",
        "2026-11-23 12:00:00.5 +01:00",
    )
    for number in range(3):
        await app.execute(f"INSERT INTO numbers VALUES ({number}, {marks})", *plain)
        await app.execute(f"INSERT INTO mixed VALUES ({number}, {marks})", *plain)
        await app.execute(f"INSERT INTO bytes VALUES ({number}, {marks})", *plain)
    await app.execute("INSERT INTO numbers (id) VALUES (9)")
    for kind in kinds:
        await app.execute(f"INSERT INTO mixed ({kind}) VALUES ('avatars/{kind}.jpg')")
    await app.execute("INSERT INTO bytes (date) VALUES (?)", b"a/key.jpg")
    assert await columns(app.url) == {"bytes": ["date"], "mixed": [k.lower() for k in kinds]}


async def test_what_only_the_application_can_compute_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("ours", 1, str, deterministic=True)
        connection.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT, n INTEGER AS (ours(k)) VIRTUAL)"
        )
        connection.execute("INSERT INTO t (k) VALUES ('x')")
        connection.commit()
    assert await columns(f"sqlite:///{path}") == {"t": ["id", "k", "n"]}
