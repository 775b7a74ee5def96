"""What keeps a server or a table from being followed, and that its mend mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3gc_core.databases import Obstacle
from s3gc_core.databases.binlog_retention import of_retention
from s3gc_core.databases.mysql_connection import connect
from s3gc_core.databases.mysql_following import MysqlFollowing
from tests.core.databases.following_mysql import Followed
from tests.servers.mariadb import MariadbServer


@pytest.fixture
async def db(db: Followed) -> Followed:
    await db.app.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT)")
    return db


async def of_server(db: Followed) -> list[Obstacle]:
    return await db.following.obstacles([db.watched("t", "k")])


async def test_a_server_as_it_should_be_has_no_obstacle(db: Followed) -> None:
    assert await of_server(db) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("binlog_format", "MIXED"),
        ("binlog_format", "STATEMENT"),
        ("binlog_row_image", "MINIMAL"),
        ("binlog_row_image", "NOBLOB"),
        ("binlog_row_metadata", "MINIMAL"),
        ("binlog_row_metadata", "NO_LOG"),
    ],
)
async def test_a_wrong_setting_is_mended_by_its_statement(
    db: Followed, setting: str, value: str
) -> None:
    ((before,),) = await db.app.execute(f"SELECT @@GLOBAL.{setting}")
    await db.app.execute(f"SET GLOBAL {setting} = {value}")
    try:
        (obstacle,) = await of_server(db)
        assert obstacle.table is None
        assert obstacle.what.startswith(f"{setting} is {value}, not")
        await db.app.execute(obstacle.mend.partition(";")[0])
        assert await of_server(db) == []
    finally:
        await db.app.execute(f"SET GLOBAL {setting} = '{before}'")


async def test_each_missing_right_is_named_and_mended(db: Followed) -> None:
    await db.app.execute("CREATE USER weak IDENTIFIED BY 'weak'")
    try:
        await db.app.execute(f"GRANT SELECT ON {db.schema}.* TO weak")
        weak = replace(db.url, user="weak", password="weak")
        following = MysqlFollowing(weak, "main", "registry_1")
        seen: set[str] = set()
        for _ in range(6):
            found = await following.obstacles([db.watched("t", "k")])
            if not found:
                break
            for obstacle in found:
                seen.add(obstacle.what.partition("(")[0].strip())
                await db.app.execute(obstacle.mend)
        assert found == []
        assert seen == {
            "the right BINLOG MONITOR is missing",
            "the right PROCESS is missing, which shows how old open transactions are",
            "rights on the table of our heartbeat are missing",
            "whether it is a replica cannot be told: the right REPLICA MONITOR is missing",
        }
        start = await following.begin([db.watched("t", "k")])
        await db.app.execute("INSERT INTO t VALUES (1, 'a')")
        beat = await following.beat()
        async with following.stream(start, [db.watched("t", "k")]) as stream:
            assert await stream.read(30)
        assert beat.counter == 1
        await db.app.execute("REVOKE REPLICATION SLAVE ON *.* FROM weak")
        await db.app.execute("REVOKE UPDATE ON s3gc.* FROM weak")
        found = await following.obstacles([db.watched("t", "k")])
        assert [obstacle.what.partition("(")[0].strip() for obstacle in found] == [
            "the right REPLICATION SLAVE is missing",
            "rights on the table of our heartbeat are missing",
        ]
        # Some right is needed to log in at all.
        await db.app.execute(f"GRANT INSERT ON {db.schema}.* TO weak")
        await db.app.execute(f"REVOKE SELECT ON {db.schema}.* FROM weak")
        found = await following.obstacles([db.watched("t", "k")])
        assert [o.table for o in found] == [None, None, f"{db.schema}.t"]
    finally:
        await db.app.execute("DROP USER weak")
        await db.following.end()


PARENT = "id INT PRIMARY KEY, k TEXT, p INT, FOREIGN KEY (p) REFERENCES parent (id)"
TABLES = {
    "(id INT, k TEXT)": "it has no primary key",
    "(id INT PRIMARY KEY, k TEXT) ENGINE=MyISAM": "its storage engine is MyISAM",
    "(id FLOAT PRIMARY KEY, k TEXT)": "column 'id' of its primary key has type float",
    "(id VARCHAR(9) CHARACTER SET cp1251 PRIMARY KEY, k TEXT)": "column 'id' of its primary key",
    "(id TIMESTAMP PRIMARY KEY, k TEXT)": "column 'id' of its primary key has type timestamp",
    "(id INT PRIMARY KEY, p TEXT, k TEXT AS (p) STORED)": "column 'k' is generated",
    "(id INT PRIMARY KEY, p TEXT, k TEXT AS (p) VIRTUAL)": "column 'k' is generated",
    "(id INT PRIMARY KEY, k TEXT) WITH SYSTEM VERSIONING": "it is of type SYSTEM VERSIONED",
    f"({PARENT} ON DELETE CASCADE)": "a foreign key changes the rows by a rule",
    "(id INT PRIMARY KEY, k INT, FOREIGN KEY (k) REFERENCES parent (id) ON DELETE SET NULL)": (
        "a foreign key changes column 'k' by a rule"
    ),
    "(id INT PRIMARY KEY, k INT, FOREIGN KEY (id) REFERENCES parent (id) ON UPDATE CASCADE)": (
        "a foreign key changes column 'id' by a rule"
    ),
    f"({PARENT} ON DELETE SET NULL ON UPDATE CASCADE)": "",
    f"({PARENT})": "",
    "(id DATE, at DATETIME(3), b BINARY(3), c CHAR(3), k TEXT, PRIMARY KEY (id, at, b, c))": "",
    "(id INT PRIMARY KEY, k TEXT) PARTITION BY HASH (id)": "",
}


@pytest.mark.parametrize("columns", TABLES)
async def test_a_table_that_cannot_be_followed_is_named(db: Followed, columns: str) -> None:
    await db.app.execute("CREATE TABLE parent (id INT PRIMARY KEY)")
    await db.app.execute(f"CREATE TABLE w {columns}")
    found = await db.following.obstacles([db.watched("t", "k"), db.watched("w", "k")])
    expected = TABLES[columns]
    if not expected:
        assert found == []
        return
    (obstacle,) = found
    assert obstacle.table == f"{db.schema}.w"
    assert obstacle.what.startswith(expected)
    assert obstacle.mend
    if obstacle.mend.startswith("ALTER") and "..." not in obstacle.mend:
        await db.app.execute(obstacle.mend)
        assert await db.following.obstacles([db.watched("w", "k")]) == []


async def test_a_log_that_is_thrown_away_at_once_is_named(db: Followed) -> None:
    watched = [db.watched("t", "k")]
    # As RDS has it, whose server says nothing else of it.
    await db.app.execute("CREATE TABLE mysql.rds_configuration (name TEXT, value TEXT)")
    try:
        row = "INSERT INTO mysql.rds_configuration VALUES ('binlog retention hours', ?)"
        await db.app.execute(row, None)
        (obstacle,) = await db.following.obstacles(watched)
        assert obstacle.what.startswith("RDS throws its binary log away at once")
        assert obstacle.mend.startswith("CALL mysql.rds_set_configuration(")
        await db.app.execute("UPDATE mysql.rds_configuration SET value = '168'")
        assert await db.following.obstacles(watched) == []
    finally:
        await db.app.execute("DROP TABLE mysql.rds_configuration")
    await db.app.execute("SET GLOBAL binlog_expire_logs_seconds = 60")
    try:
        (obstacle,) = await db.following.obstacles(watched)
        assert obstacle.what.startswith("binlog_expire_logs_seconds is 60")
        await db.app.execute(obstacle.mend)
        assert await db.following.obstacles(watched) == []
    finally:
        await db.app.execute("SET GLOBAL binlog_expire_logs_seconds = 0")


@pytest.mark.parametrize(("is_mariadb", "how"), [(True, "GLOBAL"), (False, "PERSIST")])
async def test_the_log_s_time_is_set_to_last_where_the_server_can(
    db: Followed, is_mariadb: bool, how: str
) -> None:
    connection = await connect(db.url, "the server")
    try:
        too_short = {"binlog_expire_logs_seconds": "60"}
        (obstacle,) = await of_retention(connection, too_short, is_mariadb)
    finally:
        connection.close()
    assert obstacle.mend == f"SET {how} binlog_expire_logs_seconds = 604800;"


async def test_a_view_and_what_is_not_there_are_named(db: Followed) -> None:
    await db.app.execute("CREATE VIEW v AS SELECT * FROM t")
    found = await db.following.obstacles(
        [db.watched("v", "k"), db.watched("gone", "k"), db.watched("t", "gone")]
    )
    assert [obstacle.table for obstacle in found] == [
        f"{db.schema}.v",
        f"{db.schema}.gone",
        f"{db.schema}.t",
    ]
    assert "VIEW" in found[0].what


async def test_a_server_without_a_log_or_with_filters_is_named(mariadb: MariadbServer) -> None:
    db = Followed(await mariadb.create_database())
    await db.app.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT)")
    try:
        for extra, words in (
            (("--skip-log-bin",), "log_bin is OFF"),
            (("--binlog-ignore-db=s3gc",), "the log leaves schemas out"),
            (("--binlog-do-db=other",), "the log leaves schemas out"),
            (("--read-only",), "it is a replica (or read_only)"),
        ):
            await db.app.close()
            await mariadb.stop()
            mariadb.extra = extra
            await mariadb.start()
            (obstacle,) = await of_server(db)
            assert obstacle.what.startswith(words)
            assert obstacle.mend
    finally:
        await db.app.close()
        await mariadb.stop()
        mariadb.extra = ()
        await mariadb.start()
