"""What only PostgreSQL has: types, schemas, inheritance, policies, encodings."""

from __future__ import annotations

import asyncio
import json
import tracemalloc

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3gc_core.databases import DatabaseUrl, Row
from s3gc_core.databases.postgres_copy import CopyRows
from s3gc_core.errors import DatabaseUnreachable, RightMissing, SourceMissing, SourceUnreadable
from tests.core.databases.reading import all_rows, opened, pages, read, rest, shape, values
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer


@pytest.fixture
def app(on_postgres: AppDatabase) -> AppDatabase:
    return on_postgres


async def statements(app: AppDatabase, *all_of_them: str) -> None:
    for statement in all_of_them:
        await app.execute(statement)


async def numbered(app: AppDatabase, rows: int, value: str = "'x'") -> None:
    """A table `t` of so many rows, each with the same value in `k`."""
    await statements(
        app,
        "CREATE TABLE t (id int PRIMARY KEY, k text)",
        f"INSERT INTO t SELECT i, {value} FROM generate_series(1, {rows}) i",
    )


def as_user(app: AppDatabase, user: str) -> str:
    url = DatabaseUrl.parse(app.url)
    return DatabaseUrl(url.engine, url.database, url.host, url.port, user, "pw").render()


async def test_every_type_has_its_text(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION citext",
        "CREATE TYPE mood AS ENUM ('so so')",
        "CREATE TYPE pair AS (k text, n int)",
        "CREATE DOMAIN key_text AS text",
        "CREATE DOMAIN key_bytes AS bytea",
        "CREATE DOMAIN deep_keys AS text[]",
        "CREATE DOMAIN deeper_keys AS deep_keys",
    )
    cases = {
        "'a'::text": "a",
        "'a'::varchar(9)": "a",
        "'a'::char(3)": "a",
        "'a'::citext": "a",
        "'a'::name": "a",
        "'a'::key_text": "a",
        "''::text": "",
        '\'{"k": "a\\u00e9/b", "x":1}\'::json': '{"k": "a\\u00e9/b", "x":1}',
        '\'{"k":"\\u00e9"}\'::jsonb': '{"k": "é"}',
        "'0b0e3d2c-0000-4000-8000-00000000000a'::uuid": "0b0e3d2c-0000-4000-8000-00000000000a",
        "'so so'::mood": "so so",
        "12345678901234567890.5::numeric": "12345678901234567890.5",
        "(-7)::smallint": "-7",
        "0.1::float8": "0.1",
        "true": "true",
        "DATE '2026-01-02'": "2026-01-02",
        "'<a>b</a>'::xml": "<a>b</a>",
        "B'101'": "101",
        "'\\x00ff'::bytea": b"\x00\xff",
        "'\\x00ff'::key_bytes": b"\x00\xff",
    }
    columns = ", ".join(f"{value} AS c{i}" for i, value in enumerate(cases))
    await app.execute(f"CREATE TABLE t AS SELECT {columns}")
    (row,) = await all_rows(app.url, "t", *(f"c{i}" for i in range(len(cases))))
    assert dict(zip(cases, row.values, strict=True)) == cases


async def test_elements_of_arrays_composites_and_hstore_keep_their_boundaries(
    app: AppDatabase,
) -> None:
    keys = ['a,b"c', "{x}", " y ", "NULL", "é\\/", "line\nbreak"]
    await statements(
        app,
        "CREATE EXTENSION hstore",
        "CREATE TYPE pair AS (k text, n int)",
        "CREATE DOMAIN some_keys AS text[]",
        "CREATE TABLE t (id int PRIMARY KEY, a text[], d some_keys, n int[][], j json[], p pair,"
        " h hstore)",
    )
    await app.execute(
        "INSERT INTO t VALUES (1, ?, ?, '{{1,2},{3,4}}', ?, ROW(?, 1), hstore(?, 'v'))",
        *(keys, [keys[0], None], ['{"k": "\\u0000"}'], keys[0], keys[0]),
    )
    (row,) = await all_rows(app.url, "t", *"adnjph")
    assert [json.loads(str(value)) for value in row.values] == [
        keys,
        [keys[0], None],
        [[1, 2], [3, 4]],
        [{"k": "\0"}],
        {"k": keys[0], "n": 1},
        {keys[0]: "v"},
    ]


@pytest.mark.parametrize("kind", ["bytea[]", "holder", "holder[]", "bytes_array"])
async def test_bytes_inside_another_type_are_refused(app: AppDatabase, kind: str) -> None:
    await statements(
        app,
        "CREATE TYPE holder AS (n int, data bytea)",
        "CREATE DOMAIN bytes_array AS bytea[]",
        f"CREATE TABLE t (id int PRIMARY KEY, k {kind}, ok text)",
        "INSERT INTO t VALUES (1, NULL, 'x')",
    )
    with pytest.raises(SourceUnreadable, match=f"column 'k' of table 't' has type .*{kind[:5]}"):
        await shape(app.url, "t", "k")
    assert await values(app.url, "t", "ok") == ["x"]


async def test_schemas(app: AppDatabase) -> None:
    await statements(
        app,
        'CREATE SCHEMA "My.Schema"',
        'CREATE TABLE "My.Schema"."T" (id int PRIMARY KEY, "Key" text)',
        'INSERT INTO "My.Schema"."T" VALUES (1, \'x\')',
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.t (id int PRIMARY KEY, k text)",
    )
    assert await all_rows(app.url, '"My.Schema"."T"', "Key") == [Row(1, ("x",))]
    with pytest.raises(SourceMissing, match=r"did you mean 'elsewhere\.t'"):
        await shape(app.url, "elsewher.t", "k")
    with pytest.raises(SourceMissing, match="there is no table 't'"):
        await shape(app.url, "t", "k")


async def test_a_schema_that_may_not_be_used_is_named(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE SCHEMA closed",
        "CREATE TABLE closed.t (id int PRIMARY KEY, k text)",
        "CREATE ROLE outsider LOGIN PASSWORD 'pw'",
        "GRANT SELECT ON closed.t TO outsider",
    )
    try:
        with pytest.raises(RightMissing, match=r"the right USAGE on table 'closed.t' .*'closed'"):
            await shape(as_user(app, "outsider"), "closed.t", "k")
    finally:
        await statements(app, "DROP OWNED BY outsider", "DROP ROLE outsider")


async def test_rows_hidden_by_a_policy_are_a_missing_right(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE TABLE t (id int PRIMARY KEY, k text)",
        "INSERT INTO t VALUES (1, 'mine'), (2, 'hidden')",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (id = 1)",
        "CREATE VIEW v AS SELECT * FROM t",
        "ALTER VIEW v SET (security_invoker = true)",
        "CREATE ROLE limited LOGIN PASSWORD 'pw'",
        "GRANT SELECT ON t, v TO limited",
    )
    try:
        limited = as_user(app, "limited")
        with pytest.raises(RightMissing, match="the right BYPASSRLS on table 't' is missing"):
            await shape(limited, "t", "k")
        # Behind a view only the read itself can tell: row_security is off.
        with pytest.raises(RightMissing, match="row-level security"):
            await all_rows(limited, "v", "k")
        assert await values(app.url, "t", "k") == ["mine", "hidden"]
        await app.execute("ALTER ROLE limited BYPASSRLS")
        assert await values(limited, "t", "k") == ["mine", "hidden"]
    finally:
        await statements(app, "DROP OWNED BY limited", "DROP ROLE limited")


async def test_rows_without_a_key_are_named_by_their_place(app: AppDatabase) -> None:
    await statements(app, "CREATE TABLE t (k text)", "INSERT INTO t VALUES ('x'), ('x')")
    ((oid,),) = await app.execute("SELECT 't'::regclass::oid::int")
    assert await all_rows(app.url, "t", "k") == [
        Row(f"{oid}:(0,1)", ("x",)),
        Row(f"{oid}:(0,2)", ("x",)),
    ]


async def test_a_key_of_a_parent_does_not_speak_for_its_children(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE TABLE parent (id int PRIMARY KEY, k text)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO parent VALUES (1, 'x')",
        "INSERT INTO child VALUES (1, 'y')",
    )
    found = await all_rows(app.url, "parent", "k")
    assert {row.values for row in found} == {("x",), ("y",)}
    assert len({row.id for row in found}) == 2


async def test_partitions_keep_their_key(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE TABLE p (id int PRIMARY KEY, k text) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
        "INSERT INTO p VALUES (1, 'x'), (11, 'y')",
    )
    assert set(await all_rows(app.url, "p", "k")) == {Row(1, ("x",)), Row(11, ("y",))}


async def test_a_key_is_its_columns_and_not_what_its_index_includes(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE DOMAIN number AS bigint",
        "CREATE TABLE t (k text, id number, PRIMARY KEY (id) INCLUDE (k))",
        "INSERT INTO t VALUES ('x', 9000000000)",
    )
    assert await all_rows(app.url, "t", "k") == [Row(9_000_000_000, ("x",))]


async def test_a_materialized_view_without_data_is_unreadable(app: AppDatabase) -> None:
    await app.execute("CREATE MATERIALIZED VIEW m AS SELECT 'x'::text AS k WITH NO DATA")
    with pytest.raises(SourceUnreadable, match="has not been populated"):
        await all_rows(app.url, "m", "k")
    await app.execute("REFRESH MATERIALIZED VIEW m")
    assert [row.values for row in await all_rows(app.url, "m", "k")] == [("x",)]


async def test_texts_of_an_unknown_encoding_survive(postgres: PostgresServer) -> None:
    options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    app = AppDatabase(await postgres.create_database(options))
    try:
        await statements(
            app,
            "CREATE TABLE t (id text PRIMARY KEY, k text, b bytea, a text[])",
            "INSERT INTO t VALUES (E'i\\xff', E'caf\\xe9', '\\xe9', ARRAY[E'\\xe9']),"
            " ('j', 'é', NULL, NULL)",
            "CREATE VIEW v AS SELECT k FROM t",
        )
        assert set(await all_rows(app.url, "t", "k", "b", "a")) == {
            Row("i\\xff", ("caf\udce9", b"\xe9", '["\udce9"]')),
            Row("j", ("é", None, None)),
        }
        assert {row.values for row in await all_rows(app.url, "v", "k")} == {("caf\udce9",), ("é",)}
    finally:
        await app.close()


async def test_texts_of_a_latin_database_are_converted(postgres: PostgresServer) -> None:
    options = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    app = AppDatabase(await postgres.create_database(options))
    try:
        await statements(app, "CREATE TABLE t (k text)", "INSERT INTO t VALUES ('é')")
        assert await values(app.url, "t", "k") == ["é"]
    finally:
        await app.close()


async def test_time_limits_of_the_role_do_not_end_a_read(app: AppDatabase) -> None:
    await numbered(app, 2_000)
    await statements(
        app,
        "CREATE ROLE hasty LOGIN PASSWORD 'pw'",
        "GRANT SELECT ON t TO hasty",
        "ALTER ROLE hasty SET statement_timeout = '100ms'",
        "ALTER ROLE hasty SET idle_in_transaction_session_timeout = '100ms'",
    )
    try:
        count = 0
        async with opened(as_user(app, "hasty")).snapshot() as snapshot:
            slow = read("t", "k", where="id > 1 OR pg_sleep(0.3) IS NULL")
            async for page in snapshot.rows(slow):
                if not count:
                    await asyncio.sleep(0.3)  # longer than the role's limit for an idle transaction
                count += len(page)
        assert count == 1_999
    finally:
        await statements(app, "DROP OWNED BY hasty", "DROP ROLE hasty")


async def test_a_where_that_fails_midway_is_no_end(app: AppDatabase) -> None:
    await numbered(app, 2_000)
    with pytest.raises(SourceUnreadable, match=r"main:t\.k cannot be read .*division by zero"):
        await all_rows(app.url, "t", "k", where="1 / (id - 1500) < 5")
    with pytest.raises(SourceUnreadable, match=r"\$1 has no meaning"):
        await all_rows(app.url, "t", "k", where="id = $1")


async def test_a_session_ended_by_the_server_is_unreachable(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")
    async with opened(app.url).snapshot() as snapshot:
        await app.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(DatabaseUnreachable):
            await pages(snapshot, read("t", "k"))


async def test_a_table_dropped_before_the_read_is_no_empty_table(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id int PRIMARY KEY, k text)")
    async with opened(app.url).snapshot() as snapshot:
        await app.execute("DROP TABLE t")
        with pytest.raises((SourceMissing, SourceUnreadable)):
            await pages(snapshot, read("t", "k"))


async def test_identity_is_system_and_database(app: AppDatabase, postgres: PostgresServer) -> None:
    ((system,),) = await app.execute("SELECT system_identifier::text FROM pg_control_system()")
    name = DatabaseUrl.parse(app.url).database
    assert await opened(app.url).identity() == f"postgresql:{system}:{name}"
    other = await postgres.create_database()
    assert await opened(other).identity() != await opened(app.url).identity()


async def test_identity_without_the_right_says_so(app: AppDatabase) -> None:
    await statements(
        app,
        "CREATE ROLE curious LOGIN PASSWORD 'pw'",
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
    )
    try:
        curious = opened(as_user(app, "curious"))
        name = DatabaseUrl.parse(app.url).database
        assert await curious.identity() == (
            f"postgresql:at {curious.address} (no right to execute pg_control_system()):{name}"
        )
    finally:
        await app.execute("DROP ROLE curious")


async def test_a_second_read_inside_the_first_is_an_error_and_no_deadlock(app: AppDatabase) -> None:
    await numbered(app, 500)
    async with opened(app.url).snapshot() as snapshot:
        async for _ in snapshot.rows(read("t", "k")):
            with pytest.raises(RuntimeError, match="still open in this task"):
                await pages(snapshot, read("t", "k"))
            break
        # The one that was broken out of is no hindrance.
        assert sum(map(len, await pages(snapshot, read("t", "k")))) == 500
        assert (await snapshot.describe(read("t", "k"))).primary_key == ("id",)


async def test_two_tasks_take_turns(app: AppDatabase) -> None:
    await numbered(app, 9_000)
    async with opened(app.url).snapshot() as snapshot, asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(pages(snapshot, read("t", "k"))) for _ in range(2)]
    assert [sum(map(len, one.result())) for one in both] == [9_000, 9_000]


ODD = st.text(st.sampled_from("\t\n\r\\\b\f\vNabtnrx.0é\u2028\x7f"), max_size=6)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.one_of(st.none(), ODD), st.one_of(st.none(), ODD)), max_size=20))
async def test_what_copy_escapes_comes_back_as_it_was(
    app: AppDatabase, values: list[tuple[str | None, str | None]]
) -> None:
    await statements(
        app, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id text PRIMARY KEY, a text, b text)"
    )
    names = [f"{n}\t\\N\n" for n in range(len(values))]
    told = [(name, *pair) for name, pair in zip(names, values, strict=True)]
    await app.executemany("INSERT INTO t VALUES (?, ?, ?)", told)
    rows = await all_rows(app.url, "t", "a", "b")
    assert {(row.id, *row.values) for row in rows} == set(told)


@pytest.mark.parametrize(
    "where",
    ["true)) TO STDOUT; SELECT ((1", "true)) TO STDOUT --", "true; SELECT 1", "$1 = id", "id = %s"],
)
async def test_a_condition_is_one_condition(app: AppDatabase, where: str) -> None:
    await statements(
        app, "CREATE TABLE t (id int PRIMARY KEY, k text)", "INSERT INTO t VALUES (1, 'x')"
    )
    with pytest.raises(SourceUnreadable):
        await all_rows(app.url, "t", "k", where=where)


async def test_a_read_that_is_left_is_not_read_to_its_end(app: AppDatabase) -> None:
    many = "generate_series(1, 1000000)"
    await statements(app, f"CREATE VIEW v AS SELECT 'x'::text k FROM {many} a, {many} b")
    async with opened(app.url).snapshot() as snapshot, asyncio.timeout(40):
        async for _ in snapshot.rows(read("v", "k")):
            break
        assert list((await snapshot.describe(read("v", "k"))).columns) == ["k"]


async def test_rows_of_another_width_are_not_taken_for_rows(app: AppDatabase) -> None:
    connection = await asyncpg.connect(app.url)
    try:
        copied = CopyRows(connection, "SELECT 1, 'a' FROM generate_series(1, 4)", 3)
        with pytest.raises(asyncpg.InternalClientError, match="something else than rows"):
            await copied.fetch(10)
    finally:
        await connection.close()


async def test_the_server_waits_for_a_slow_reader(app: AppDatabase) -> None:
    await numbered(app, 60_000, "repeat('y', 1000)")
    async with opened(app.url).snapshot() as snapshot:
        stream = snapshot.rows(read("t", "k"))
        waiting = "SELECT wait_event FROM pg_stat_activity WHERE query LIKE 'COPY %'"
        tracemalloc.start()
        try:
            await anext(stream)
            async with asyncio.timeout(60):
                # Not for a moment only, as every server does: until all would have come otherwise.
                times = 0
                while times < 500:
                    is_waiting = await app.execute(waiting) == [("ClientWrite",)]
                    times = times + 1 if is_waiting else 0
            assert tracemalloc.get_traced_memory()[0] < 16 << 20
        finally:
            tracemalloc.stop()
        assert await rest(stream) == 60_000 - 200
