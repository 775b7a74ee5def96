"""What keeps a PostgreSQL from being followed, and that what is said to mend it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, Obstacle, RowChange, Watched, open_database
from s3gc_core.databases.postgres_following import PostgresFollowing
from s3gc_core.errors import FollowingRefused, StreamLost
from tests.core.databases.following import heard, rows_of
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

T = [Watched("public.t", ("k",))]


@pytest.fixture
def app(on_postgres: AppDatabase) -> AppDatabase:
    return on_postgres


@pytest.fixture
async def user(app: AppDatabase) -> AsyncIterator[str]:
    """A role that owns nothing, and may only log in."""
    name = f"plain_{DatabaseUrl.parse(app.url).database}"
    await app.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    yield name
    await app.execute(f"DROP OWNED BY {name} CASCADE")
    await app.execute(f"DROP ROLE {name}")


def following(app: AppDatabase, user: str = "") -> PostgresFollowing:
    url = DatabaseUrl.parse(app.url)
    name = f"o_{url.database}"
    if user:
        url = replace(url, user=user, password="pw")
    return PostgresFollowing(url, "main", name)


async def run(app: AppDatabase, sql: str) -> None:
    """Several statements, as an operator pastes them."""
    connection = await asyncpg.connect(app.url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("made", "what", "mended"),
    [
        ("CREATE TABLE t (id int, k text)", "no primary key", "PRIMARY KEY (id)"),
        (
            ("CREATE TABLE t (id int PRIMARY KEY, k text);ALTER TABLE t REPLICA IDENTITY NOTHING"),
            "is NOTHING",
            "",
        ),
        (
            (
                "CREATE TABLE t (id int PRIMARY KEY, k text, u int NOT NULL DEFAULT 1 UNIQUE);"
                "ALTER TABLE t REPLICA IDENTITY USING INDEX t_u_key"
            ),
            "other than its primary key",
            "",
        ),
        ("CREATE UNLOGGED TABLE t (id int PRIMARY KEY, k text)", "unlogged", ""),
        (
            (
                "CREATE TABLE t (id int PRIMARY KEY, x text,"
                " k text GENERATED ALWAYS AS (x || 'k') STORED)"
            ),
            "generated",
            "",
        ),
        (
            (
                "CREATE TABLE t (id int PRIMARY KEY, k text) PARTITION BY RANGE (id);"
                "CREATE TABLE p PARTITION OF t DEFAULT; ALTER TABLE p REPLICA IDENTITY NOTHING"
            ),
            'the partition "public"."p"\'s REPLICA IDENTITY is NOTHING',
            "",
        ),
        (
            (
                "CREATE TABLE t (id int PRIMARY KEY, k text) PARTITION BY RANGE (id);"
                "CREATE UNLOGGED TABLE p PARTITION OF t DEFAULT"
            ),
            "unlogged",
            "",
        ),
    ],
)
async def test_a_table_that_cannot_be_followed_can_be_mended(
    app: AppDatabase, made: str, what: str, mended: str
) -> None:
    await run(app, made)
    one = following(app)
    (obstacle,) = await one.obstacles(T)
    assert obstacle.table == "public.t"
    assert what in obstacle.what
    with pytest.raises(FollowingRefused, match=r"public\.t: "):
        await one.begin(T)
    assert await one.left_behind([]) == []
    await run(app, obstacle.mend.replace("PRIMARY KEY (...)", mended))
    assert await one.obstacles(T) == []
    start = await one.begin(T)
    try:
        # And the application can go on.
        await run(app, "INSERT INTO t (id) VALUES (1); UPDATE t SET id = 2; DELETE FROM t")
        async with one.stream(start, T) as stream:
            told = rows_of(await heard(one, stream))
        assert [(c.before, c.after) for c in told if isinstance(c, RowChange)] == [
            (None, 1),
            (1, 2),
            (2, None),
        ]
    finally:
        await one.end()


@pytest.mark.parametrize(
    ("made", "whats"),
    [
        ("CREATE VIEW t AS SELECT 1 AS id, 'a' AS k", ["a view"]),
        ("CREATE MATERIALIZED VIEW t AS SELECT 1 AS id, 'a' AS k", ["a materialized view"]),
        (
            "CREATE TABLE t (id int PRIMARY KEY, k text); CREATE TABLE c () INHERITS (t)",
            ["inherit"],
        ),
        ("CREATE TABLE t (id inet PRIMARY KEY, k text)", ["writes differently"]),
        ("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, k text)", ["DEFERRABLE"]),
        (
            (
                "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, k text);"
                "ALTER TABLE t REPLICA IDENTITY FULL"
            ),
            ["DEFERRABLE"],
        ),
        (
            (
                "CREATE TABLE t (id int GENERATED ALWAYS AS (x) STORED, x int, k text);"
                "ALTER TABLE t ADD PRIMARY KEY (id)"
            ),
            ["generated"],
        ),
        ("CREATE TABLE t (id int PRIMARY KEY, k bytea[])", ["bytea"]),
        ("CREATE TABLE t (id int PRIMARY KEY)", ["no column 'k'"]),
        ("SELECT 1", ["no table 'public.t'"]),
    ],
)
async def test_a_table_that_cannot_be_followed(
    app: AppDatabase, made: str, whats: list[str]
) -> None:
    await run(app, made)
    found = await following(app).obstacles(T)
    assert len(found) == len(whats)
    for obstacle, what in zip(found, whats, strict=True):
        assert obstacle.table == "public.t"
        assert what in obstacle.what


async def test_a_partition_beside_its_root(app: AppDatabase) -> None:
    await run(
        app,
        "CREATE TABLE t (id int PRIMARY KEY, k text) PARTITION BY RANGE (id);"
        "CREATE TABLE p PARTITION OF t DEFAULT",
    )
    leaf = Watched("public.p", ("k",))
    (obstacle,) = await following(app).obstacles([*T, leaf])
    assert obstacle.table == "public.p"
    assert "under whose name it is told" in obstacle.what
    assert await following(app).obstacles([leaf]) == []


async def test_a_user_without_any_right(app: AppDatabase, user: str) -> None:
    await run(app, "CREATE TABLE t (id int PRIMARY KEY, k text)")
    one = following(app, user)
    seen: list[Obstacle] = []
    # What is in the way comes to light in steps: a table that may not be read is not published.
    for _ in range(4):
        found = await one.obstacles(T)
        if not found:
            break
        assert all(obstacle.mend for obstacle in found)
        for obstacle in found:
            await run(app, obstacle.mend.partition(" (RDS")[0])
        seen += found
    assert len(seen) == 4
    assert ["may not replicate" in o.what for o in seen] == [True, False, False, False]
    assert "the right SELECT" in seen[2].what
    assert "may not create the schema" in seen[1].what
    assert "does not own" in seen[3].what
    start = await one.begin(T)
    try:
        await run(app, "INSERT INTO t VALUES (1, 'a')")
        async with one.stream(start, T) as stream:
            assert rows_of(await heard(one, stream)) == [RowChange("public.t", None, 1, ("a",))]
    finally:
        await following(app).end()


async def test_a_heartbeat_that_is_not_ours(app: AppDatabase) -> None:
    await run(
        app,
        "CREATE TABLE t (id int PRIMARY KEY, k text); CREATE SCHEMA s3gc;"
        "CREATE TABLE s3gc.heartbeat (name text, counter int, token text, previous text)",
    )
    (obstacle,) = await following(app).obstacles(T)
    assert "not the table that we make" in obstacle.what
    await run(app, obstacle.mend)
    assert await following(app).obstacles(T) == []


async def test_a_heartbeat_that_may_not_be_used(app: AppDatabase, user: str) -> None:
    one = following(app)
    await run(app, f"CREATE TABLE t (id int PRIMARY KEY, k text); GRANT SELECT ON t TO {user}")
    await run(app, f"ALTER ROLE {user} REPLICATION")
    await one.begin(T)
    try:
        (obstacle,) = await following(app, user).obstacles(T)
        assert "may not use s3gc.heartbeat" in obstacle.what
        await run(app, obstacle.mend)
        assert await following(app, user).obstacles(T) == []
    finally:
        await one.end()


async def test_a_publication_for_all_tables_is_made_anew(app: AppDatabase) -> None:
    await run(app, "CREATE TABLE t (id int PRIMARY KEY, k text); CREATE TABLE u (id int)")
    one = following(app)
    await run(app, f"CREATE PUBLICATION s3gc_{one.name} FOR ALL TABLES")
    await one.begin(T)
    try:
        # A table that has no key, and is not followed, is left alone.
        await run(app, "INSERT INTO u VALUES (1); UPDATE u SET id = 2")
    finally:
        await one.end()


async def test_a_database_without_an_encoding(postgres: PostgresServer) -> None:
    url = await postgres.create_database("ENCODING 'SQL_ASCII' TEMPLATE template0")
    (obstacle,) = await following(AppDatabase(url)).obstacles([])
    assert "SQL_ASCII" in obstacle.what


class _SmallServer(PostgresServer):
    """With settings that keep it from being followed."""

    settings: tuple[str, ...] = ()

    def command(self) -> list[str]:
        return [*super().command(), *(part for s in self.settings for part in ("-c", s))]


async def test_a_server_that_is_not_set_up() -> None:
    async with _SmallServer() as server:
        app = AppDatabase(await server.create_database())
        try:
            await run(app, "CREATE TABLE t (id int PRIMARY KEY, k text)")
            for settings, what in (
                (("wal_level=replica",), "wal_level is replica"),
                (("max_replication_slots=0",), "all replication slots"),
                (("max_wal_senders=0",), "all replication connections"),
            ):
                await app.close()
                await server.stop()
                server.settings = settings
                await server.start()
                (obstacle,) = await following(app).obstacles(T)
                assert what in obstacle.what
                assert obstacle.table is None
                with pytest.raises(FollowingRefused, match=what):
                    await following(app).begin(T)
            await app.close()
            await server.stop()
            server.settings = ()
            await server.start()
            assert await following(app).obstacles(T) == []
        finally:
            await app.close()


async def test_a_standby_and_what_becomes_of_it() -> None:
    async with _SmallServer() as server:
        server.settings = ("max_prepared_transactions=2",)
        await server.stop()
        await server.start()
        app = AppDatabase(await server.create_database())
        try:
            await run(app, "CREATE TABLE t (id int PRIMARY KEY, k text)")
            one = following(app)
            start = await one.begin(T)
            await run(app, "BEGIN; INSERT INTO t VALUES (1, 'a'); PREPARE TRANSACTION 'p'")
            database = open_database(DatabaseConfig(app.url))
            assert await database.oldest_transaction() == datetime(2000, 1, 1, tzinfo=UTC)
            await run(app, "COMMIT PREPARED 'p'")
            assert await database.oldest_transaction() is None
            async with one.stream(start, T) as stream:
                told = rows_of(await heard(one, stream))
            assert told == [RowChange("public.t", None, 1, ("a",))]
            await app.close()
            await server.stop()
            await server.run("touch", server.folder / "data" / "standby.signal")
            await server.start()
            (obstacle,) = await one.obstacles(T)
            assert "standby" in obstacle.what
            assert (await one.lag(start)).bytes is not None
            await app.execute("SELECT pg_promote()")
            assert await one.obstacles(T) == []
            with pytest.raises(StreamLost) as lost:
                async with one.stream(start, T):
                    pass
            assert lost.value.state == "history-changed"
            assert (await one.begin(T)).history != start.history
        finally:
            await app.close()
