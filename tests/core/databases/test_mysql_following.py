"""MariaDB followed by its binary log: what is told, what ends the stream, what may be missed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiomysql
import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import (
    UNTOLD,
    Beat,
    Commit,
    Following,
    Row,
    RowChange,
    Start,
    TableAltered,
    TableEmptied,
    TableRead,
    mysql_transactions,
    open_database,
)
from s3gc_core.databases import binlog_events as events
from s3gc_core.databases.mysql_connection import connect, fetch
from s3gc_core.databases.mysql_following import MysqlFollowing
from s3gc_core.errors import DatabaseUnreachable, FollowingRefused, StreamLost, StreamTaken
from tests.core.databases.following_mysql import PATIENCE_SECONDS, Followed, plain, until
from tests.servers.mariadb import MariadbServer


async def made(db: Followed, columns: str = "id INT PRIMARY KEY, k TEXT") -> Start:
    await db.app.execute(f"CREATE TABLE t ({columns})")
    return await db.following.begin([db.watched("t", "k")])


async def test_rows_come_in_the_order_of_commits_with_a_beat_behind_them(db: Followed) -> None:
    following: Following = db.following
    start = await made(db)
    await db.run(
        "INSERT INTO t VALUES (1, 'a'), (2, NULL)",
        "UPDATE t SET k = 'b' WHERE id = 1",
        "UPDATE t SET id = 3 WHERE id = 2",
        "DELETE FROM t WHERE id = 1",
    )
    before = datetime.now(UTC)
    beat = await following.beat()
    t = f"{db.schema}.t"
    async with following.stream(start, [db.watched("t", "k")]) as stream:
        told = await until(stream, beat.token)
    assert plain(told) == [
        RowChange(t, None, 1, ("a",)),
        RowChange(t, None, 2, (None,)),
        RowChange(t, 1, 1, ("b",)),
        RowChange(t, 2, 3, (None,)),
        RowChange(t, 1, None, ()),
    ]
    (seen,) = [change for change in told if isinstance(change, Beat)]
    assert (seen.counter, seen.token, seen.previous) == (1, beat.token, beat.previous)
    commits = [change for change in told if isinstance(change, Commit)]
    positions = [start.position, *(commit.position for commit in commits)]
    assert len(commits) == 5
    assert positions == sorted(set(positions))
    assert abs(commits[-1].at - before) < timedelta(seconds=60)


async def test_a_stream_opened_at_an_anchor_begins_with_that_beat(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    first = await db.following.beat()
    await db.app.execute("INSERT INTO t VALUES (2, 'b')")
    watched = [db.watched("t", "k")]
    async with db.following.stream(start, watched) as stream:
        told = await until(stream, first.token)
        seen = next(change for change in told if isinstance(change, Beat))
        stream.acknowledge(seen.anchor)
    second = await db.following.beat()
    assert second.previous == first.token
    async with db.following.stream(Start(start.history, seen.anchor), watched) as stream:
        again = await until(stream, second.token)
    assert again[0] == seen
    assert plain(again) == [RowChange(f"{db.schema}.t", None, 2, ("b",))]


async def test_what_was_rolled_back_is_not_told(db: Followed) -> None:
    start = await made(db)
    await db.run(
        "BEGIN",
        "INSERT INTO t VALUES (1, 'kept')",
        "SAVEPOINT s",
        "INSERT INTO t VALUES (2, 'lost')",
        "ROLLBACK TO s",
        "INSERT INTO t VALUES (3, 'kept too')",
        "COMMIT",
        "BEGIN",
        "INSERT INTO t VALUES (4, 'lost')",
        "ROLLBACK",
    )
    t = f"{db.schema}.t"
    assert await db.told(start, db.watched("t", "k")) == [
        RowChange(t, None, 1, ("kept",)),
        RowChange(t, None, 3, ("kept too",)),
    ]


@pytest.mark.filterwarnings("ignore:Some non-transactional changed tables")
@pytest.mark.filterwarnings("ignore:The creation of some temporary tables")
@pytest.mark.parametrize("undo", ["ROLLBACK", "ROLLBACK TO s"])
@pytest.mark.parametrize(
    "stays", ["INSERT INTO m VALUES (1)", "CREATE TEMPORARY TABLE n (id INT) ENGINE=MyISAM"]
)
async def test_what_the_log_takes_back_alters_the_table(
    db: Followed, stays: str, undo: str
) -> None:
    """Beside what cannot be rolled back, the log may have the rows, and then their end."""
    await db.app.execute("CREATE TABLE m (id INT) ENGINE=MyISAM")
    start = await made(db)
    await db.run(
        "BEGIN", "SAVEPOINT s", "INSERT INTO t VALUES (1, 'lost')", stays, undo, "COMMIT"
    )  # fmt: skip
    t = f"{db.schema}.t"
    # Whether the log has the rows at all is the server's choice: it is asked.
    is_logged = any(f"({t})" in what for _, _, what in await logged(db, start))
    assert await db.told(start, db.watched("t", "k")) == (
        [RowChange(t, None, 1, ("lost",)), TableAltered(t, "it was rolled back in part")]
        if is_logged
        else []
    )


async def test_compressed_events_are_read(db: Followed, mariadb: MariadbServer) -> None:
    start = await made(db)
    text = "long " * 200
    await db.app.execute("SET GLOBAL log_bin_compress = 1")
    try:
        await db.app.close()  # the setting is a session's
        await db.app.execute("INSERT INTO t VALUES (1, ?)", text)
        await db.app.execute("UPDATE t SET k = CONCAT(k, 'x')")
        await db.app.execute("DELETE FROM t")
        await db.app.execute("ALTER TABLE t ADD x INT COMMENT '" + text + "'")
    finally:
        await db.app.execute("SET GLOBAL log_bin_compress = 0")
        await db.app.close()
    t = f"{db.schema}.t"
    kinds = {kind for kind, _, _ in await logged(db, start)}
    assert kinds >= {"Write_rows_compressed_v1", "Query_compressed"}
    *told, last = await db.told(start, db.watched("t", "k"))
    # The events before the ALTER are of another table than the catalogue has now.
    assert {change.table for change in told if isinstance(change, TableAltered)} == {t}
    assert isinstance(last, TableAltered)
    await db.app.execute("ALTER TABLE t DROP x")
    rows = [c for c in await db.told(start, db.watched("t", "k")) if isinstance(c, RowChange)]
    assert rows == [
        RowChange(t, None, 1, (text,)),
        RowChange(t, 1, 1, (text + "x",)),
        RowChange(t, 1, None, ()),
    ]


async def logged(db: Followed, start: Start) -> list[tuple[str, int, str]]:
    """The log's events since `start` by the server's own word: kind, bytes, what it is about."""
    index, offset = map(int, start.position.split(":"))
    rows = await db.app.execute(f"SHOW BINLOG EVENTS IN 'binlog.{index:06d}' FROM {offset}")
    return [(kind, end - at, what) for _, at, kind, _, end, what in rows]


async def test_a_minimal_image_leaves_values_untold_and_null_is_null(db: Followed) -> None:
    start = await made(db, "id INT PRIMARY KEY, k TEXT, other INT")
    await db.app.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    for image in ("MINIMAL", "NOBLOB"):
        await db.app.execute(f"SET SESSION binlog_row_image = {image}")
        await db.app.execute("UPDATE t SET other = other + 5 WHERE id = 1")
        await db.app.execute("UPDATE t SET k = NULL WHERE id = 2")
        await db.app.execute("UPDATE t SET id = 4 - id WHERE id IN (1, 3)")
    await db.app.execute("SET SESSION binlog_row_image = MINIMAL")
    await db.app.execute("DELETE FROM t WHERE id = 2")
    t = f"{db.schema}.t"
    assert (await db.told(start, db.watched("t", "k")))[2:] == [
        RowChange(t, 1, 1, (UNTOLD,)),
        RowChange(t, 2, 2, (None,)),
        RowChange(t, 1, 3, (UNTOLD,)),
        RowChange(t, 3, 1, (UNTOLD,)),
        RowChange(t, 2, None, ()),
    ]


async def test_an_insert_without_its_key_alters_the_table(db: Followed) -> None:
    start = await made(db, "id INT DEFAULT 7 PRIMARY KEY, k TEXT")
    await db.app.execute("SET SESSION binlog_row_image = MINIMAL")
    await db.app.execute("INSERT INTO t (k) VALUES ('a')")
    await db.app.execute("INSERT INTO t VALUES (8, 'b')")
    t = f"{db.schema}.t"
    # Whether the log has a key that the statement leaves out is the server's choice: its bytes say.
    sizes = [size for kind, size, _ in await logged(db, start) if kind.startswith("Write_rows")]
    is_without = sizes[0] < sizes[1]
    why = "a row was logged without its key (binlog_row_image is not FULL)"
    assert await db.told(start, db.watched("t", "k")) == [
        TableAltered(t, why) if is_without else RowChange(t, None, 7, ("a",)),
        RowChange(t, None, 8, ("b",)),
    ]


async def test_an_insert_of_nothing_but_defaults_is_no_less_than_a_row(db: Followed) -> None:
    start = await made(db, "id INT DEFAULT 7 PRIMARY KEY, k VARCHAR(9) DEFAULT 'a'")
    await db.run("SET SESSION binlog_row_image = MINIMAL", "INSERT INTO t () VALUES ()")
    (change,) = await db.told(start, db.watched("t", "k"))
    assert isinstance(change, TableAltered)
    assert change.table == f"{db.schema}.t"


async def test_an_alter_between_event_and_read_is_seen(db: Followed) -> None:
    start = await made(db, "id INT PRIMARY KEY, k VARCHAR(9), extra VARCHAR(9)")
    await db.app.execute("INSERT INTO t VALUES (1, 'key', 'other')")
    await db.app.execute("ALTER TABLE t DROP k, CHANGE extra k VARCHAR(9), ADD extra VARCHAR(9)")
    await db.app.execute("INSERT INTO t VALUES (2, 'new', 'x')")
    t = f"{db.schema}.t"
    altered = "its definition may have changed: ALTER TABLE T"
    # The names fit; each row is read by those that it was logged with.
    assert await db.told(start, db.watched("t", "k")) == [
        RowChange(t, None, 1, ("key",)),
        TableAltered(t, altered),
        RowChange(t, None, 2, ("new",)),
    ]
    await db.app.execute("ALTER TABLE t MODIFY k VARBINARY(9)")
    told = await db.told(start, db.watched("t", "k"))
    assert [type(change) for change in told] == [TableAltered] * 4
    assert {change.table for change in told if isinstance(change, TableAltered)} == {t}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, n)",
        "ALTER TABLE t MODIFY id INT UNSIGNED NOT NULL",
        "ALTER TABLE t CHANGE k K TEXT",
        "ALTER TABLE t MODIFY k TEXT CHARACTER SET latin1",
    ],
)
async def test_rows_of_another_definition_are_not_told(db: Followed, statement: str) -> None:
    start = await made(db, "id INT PRIMARY KEY, n INT NOT NULL, k TEXT CHARACTER SET utf8mb4")
    await db.app.execute("INSERT INTO t VALUES (1, 2, 'a')")
    await db.app.execute(statement)
    told = await db.told(start, db.watched("t", "K" if " K " in statement else "k"))
    assert [getattr(change, "table", None) for change in told] == [f"{db.schema}.t"] * 2
    assert [type(change) for change in told] == [TableAltered] * 2


async def test_a_table_without_names_in_the_log_is_not_read(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("SET GLOBAL binlog_row_metadata = MINIMAL")
    try:
        await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    finally:
        await db.app.execute("SET GLOBAL binlog_row_metadata = FULL")
    (change,) = await db.told(start, db.watched("t", "k"))
    assert isinstance(change, TableAltered)
    assert (change.table, "binlog_row_metadata" in change.why) == (f"{db.schema}.t", True)


async def test_a_statement_without_rows_alters_everything(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("SET SESSION binlog_format = STATEMENT")
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    (change,) = await db.told(start, db.watched("t", "k"))
    assert isinstance(change, TableAltered)
    assert (change.table, change.why[:29]) == (None, "a statement without its rows:")


async def test_truncate_empties_exactly_its_table(db: Followed) -> None:
    start = await made(db)
    await db.run("CREATE TABLE t2 (id INT PRIMARY KEY)", "TRUNCATE TABLE t2")
    await db.run("TRUNCATE TABLE t", f"TRUNCATE `{db.schema}`.`t`")
    emptied = TableEmptied(f"{db.schema}.t")
    assert await db.told(start, db.watched("t", "k")) == [emptied, emptied]


async def test_statements_about_other_things_alter_nothing(db: Followed) -> None:
    start = await made(db)
    await db.run(
        "CREATE TABLE t_other (id INT PRIMARY KEY, k TEXT)",
        "INSERT INTO t_other VALUES (1, 'x')",
        "ALTER TABLE t_other ADD n INT",
        "CREATE TEMPORARY TABLE t (id INT)",
        "DROP TEMPORARY TABLE t",
        "ANALYZE TABLE t",
        f"GRANT SELECT ON {db.schema}.t TO someone@localhost IDENTIFIED BY 'x'",
        "DROP USER someone@localhost",
        "CREATE DATABASE another_one",
        "USE another_one",
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "ALTER TABLE t ADD n INT",
        "DROP DATABASE another_one",
        f"USE {db.schema}",
    )
    assert await db.told(start, db.watched("t", "k")) == []


@pytest.mark.parametrize(
    "statement", ["DROP TABLE t", "RENAME TABLE t TO u", "ALTER TABLE t ADD INDEX (id)"]
)
async def test_statements_about_the_table_alter_it(db: Followed, statement: str) -> None:
    start = await made(db)
    await db.app.execute(statement)
    told = await db.told(start, db.watched("t", "k"))
    assert [getattr(change, "table", None) for change in told] == [f"{db.schema}.t"]


async def test_a_transaction_of_xa_is_never_told_by_its_rows(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("CREATE TABLE other (id INT PRIMARY KEY)")
    for table, xid in (("other", "a"), ("t", "b"), ("t", "c")):
        await db.app.execute(f"XA START '{xid}'")
        value = f"({ord(xid)}, 'x')" if table == "t" else "(1)"
        await db.app.execute(f"INSERT INTO {table} VALUES {value}")
        await db.app.execute(f"XA END '{xid}'")
        await db.app.execute(f"XA PREPARE '{xid}'")
        if xid == "b":
            assert await open_database(DatabaseConfig(db.app.url)).oldest_transaction() == datetime(
                2000, 1, 1, tzinfo=UTC
            )
        await db.app.execute(f"XA {'ROLLBACK' if xid == 'c' else 'COMMIT'} '{xid}'")
    altered = TableAltered(f"{db.schema}.t", "changed through XA")
    assert await db.told(start, db.watched("t", "k")) == [altered]


async def test_a_large_transaction_comes_in_parts(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("INSERT INTO t SELECT seq, CONCAT('key/', seq) FROM seq_1_to_100000")
    beat = await db.following.beat()
    ids, reads = [], 0
    async with db.following.stream(start, [db.watched("t", "k")]) as stream:
        while True:
            told = await stream.read(PATIENCE_SECONDS)
            assert 0 < len(told) < 10_000
            reads += 1
            for change in told:
                if isinstance(change, RowChange):
                    assert change.values == (f"key/{change.after}",)
                    ids.append(change.after)
            if any(isinstance(c, Beat) and c.token == beat.token for c in told):
                break
    assert ids == list(range(1, 100_001))
    assert reads > 20


async def test_a_quiet_server_tells_nothing_and_is_not_lost(db: Followed) -> None:
    start = await made(db)
    async with db.following.stream(start, [db.watched("t", "k")]) as stream:
        assert await stream.read(3.0) == ()
        await db.app.execute("INSERT INTO t VALUES (1, 'a')")
        told = await stream.read(PATIENCE_SECONDS)
    assert plain(told) == [RowChange(f"{db.schema}.t", None, 1, ("a",))]


async def test_another_reader_of_the_name_is_refused(
    db: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3gc_core.databases.mysql_following._TAKEN_SECONDS", 0.3)
    start = await made(db)
    watched = [db.watched("t", "k")]
    other = MysqlFollowing(db.url, "main", "registry_2")
    second = await other.begin(watched)
    async with AsyncExitStack() as streams:
        await streams.enter_async_context(db.following.stream(start, watched))
        await streams.enter_async_context(other.stream(second, watched))
        with pytest.raises(StreamTaken):
            await streams.enter_async_context(db.following.stream(start, watched))
        with pytest.raises(StreamTaken):
            await db.following.end()
    monkeypatch.undo()  # who has just gone is waited for
    await other.end()


async def test_a_killed_connection_can_be_made_again(db: Followed) -> None:
    start = await made(db)
    watched = [db.watched("t", "k")]
    async with db.following.stream(start, watched) as stream:
        ((thread,),) = await db.app.execute(
            "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"
        )
        await db.app.execute(f"KILL {thread}")
        with pytest.raises(DatabaseUnreachable):
            await stream.read(PATIENCE_SECONDS)
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    assert await db.told(start, *watched) == [RowChange(f"{db.schema}.t", None, 1, ("a",))]


async def test_a_restart_is_no_other_history(db: Followed, mariadb: MariadbServer) -> None:
    start = await made(db)
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    await db.app.close()
    async with db.following.stream(start, [db.watched("t", "k")]) as stream:
        await mariadb.stop()
        with pytest.raises(DatabaseUnreachable):
            await until(stream, "a token that never comes")
    with pytest.raises(DatabaseUnreachable):
        await db.following.beat()
    await mariadb.start()
    await db.app.execute("INSERT INTO t VALUES (2, 'b')")
    t = f"{db.schema}.t"
    assert await db.told(start, db.watched("t", "k")) == [
        RowChange(t, None, 1, ("a",)),
        RowChange(t, None, 2, ("b",)),
    ]


async def test_a_purged_log_ends_the_stream(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("FLUSH BINARY LOGS")
    ((file, *_),) = await db.app.execute("SHOW MASTER STATUS")
    async with asyncio.timeout(PATIENCE_SECONDS):
        # A reader that has just gone holds the file for a moment.
        while (await db.app.execute("SHOW BINARY LOGS"))[0][0] != file:
            await db.app.execute(f"PURGE BINARY LOGS TO '{file}'")
    with pytest.raises(StreamLost) as lost:
        await db.told(start, db.watched("t", "k"))
    assert lost.value.state == "binlog-purged"


async def test_a_position_that_cannot_be_is_refused(db: Followed) -> None:
    start = await made(db)
    index = start.position.split(":")[0]
    states = []
    for position in (f"{index}:{1 << 30:012d}", f"{index}:{1 << 32:012d}"):
        with pytest.raises(StreamLost) as lost:
            await db.told(Start(start.history, position), db.watched("t", "k"))
        states.append(lost.value.state)
    assert states == ["position-impossible", "position-too-far"]
    with pytest.raises(StreamLost) as lost:
        await db.told(Start("mariadb:9:binlog", start.position), db.watched("t", "k"))
    assert lost.value.state == "history-changed"


async def test_a_log_begun_anew_is_not_gone_on_with(db: Followed) -> None:
    # The place of our beat lies near a log's beginning, and in the new one amid the rows.
    await db.app.execute("RESET MASTER")
    start = await made(db)
    known = await db.following.beat()
    watched = [db.watched("t", "k")]
    async with db.following.stream(start, watched) as stream:
        (anchor,) = [c.anchor for c in await until(stream, known.token) if isinstance(c, Beat)]
    await db.app.execute("RESET MASTER")
    await db.app.execute("INSERT INTO t SELECT seq, REPEAT('x', 100) FROM seq_1_to_10000")
    await db.following.beat()
    with pytest.raises(StreamLost):
        async with db.following.stream(Start(start.history, anchor), watched) as stream:
            await stream.read(PATIENCE_SECONDS)


async def test_our_row_that_is_gone_ends_the_stream(db: Followed) -> None:
    start = await made(db)
    async with db.following.stream(start, [db.watched("t", "k")]) as stream:
        await db.app.execute("DELETE FROM s3gc.heartbeat WHERE name = 'registry_1'")
        with pytest.raises(StreamLost) as lost:
            await stream.read(PATIENCE_SECONDS)
        assert lost.value.state == "heartbeat-missing"
    for call in (db.following.beat, lambda: db.following.extend([db.watched("t", "k")])):
        with pytest.raises(StreamLost) as lost:
            await call()
        assert lost.value.state == "heartbeat-missing"


async def test_settle_waits_behind_a_commit_that_is_not_seen_yet(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    watched = [db.watched("t", "k")]
    async with db.following.stream(start, watched) as stream:
        told = plain(await stream.read(PATIENCE_SECONDS))
        await db.following.settle()
        read = TableRead("t", ("k",))
        rows = [row async for page in db.following.rows(read, [1]) for row in page]
        beats = [c for c in await stream.read(PATIENCE_SECONDS) if isinstance(c, Beat)]
    assert told == [RowChange(f"{db.schema}.t", None, 1, ("a",))]
    assert rows == [Row(1, ("a",))]
    assert [beat.counter for beat in beats] == [1]


async def test_rows_are_found_by_exactly_their_identity(db: Followed) -> None:
    await db.app.execute("CREATE TABLE t (a VARCHAR(9), b INT, k TEXT, PRIMARY KEY (a, b))")
    await db.app.execute(
        "INSERT INTO t VALUES ('x', 1, 'one'), ('y''`\\\\', 2, 'two'), ('z', 3, 'no')"
    )
    read = TableRead("t", ("k",), "k <> 'no' -- a comment")
    ids = ['["x",1]', '["X",1]', '["y\'`\\\\",2]', '["z",3]', '["w",9]']
    found_rows = [row async for page in db.following.rows(read, ids) for row in page]
    assert sorted(found_rows, key=str) == [Row(ids[0], ("one",)), Row(ids[2], ("two",))]
    await db.app.execute("CREATE TABLE many (id INT PRIMARY KEY, k TEXT)")
    await db.app.execute("INSERT INTO many SELECT seq, seq FROM seq_1_to_2000")
    wanted = range(1, 3000, 2)
    found = db.following.rows(TableRead("many", ("k",)), list(wanted))
    assert [row async for page in found for row in page] == [
        Row(number, (str(number),)) for number in wanted if number <= 2000
    ]


async def test_the_oldest_transaction_is_found_in_every_time_zone(
    db: Followed, mariadb: MariadbServer
) -> None:
    assert await open_database(DatabaseConfig(db.app.url)).oldest_transaction() is None
    await db.app.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    ((zone,),) = await db.app.execute("SELECT @@GLOBAL.time_zone")
    connection = await connect(db.url, "x")
    try:
        for offset in ("+09:00", "-07:00"):
            await db.app.execute(f"SET GLOBAL time_zone = '{offset}'")
            cursor = await connection.cursor(aiomysql.Cursor)
            for statement in (f"SET time_zone = '{offset}'", "BEGIN", "DELETE FROM t"):
                await cursor.execute(statement)
            found = await open_database(DatabaseConfig(db.app.url)).oldest_transaction()
            assert found is not None
            assert abs(found - datetime.now(UTC)) < timedelta(seconds=60)
            await cursor.execute("ROLLBACK")
    finally:
        await db.app.execute(f"SET GLOBAL time_zone = '{zone}'")
        connection.close()


async def test_an_old_answer_about_transactions_is_none(
    db: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is while others read the view more than ten times a second: it does not show us.
    others = "FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> CONNECTION_ID()"
    old = mysql_transactions._OLDEST.replace("FROM information_schema.INNODB_TRX", others)
    assert old != mysql_transactions._OLDEST
    monkeypatch.setattr(mysql_transactions, "_FRESH_SECONDS", 0.5)
    monkeypatch.setattr(mysql_transactions, "_OLDEST", old)
    other = await connect(db.url, "x")
    try:
        for is_alone in (True, False):
            with pytest.raises(DatabaseUnreachable, match="more than ten times a second"):
                await open_database(DatabaseConfig(db.app.url)).oldest_transaction()
            if is_alone:
                await fetch(other, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        await fetch(other, "ROLLBACK")
    finally:
        other.close()
    monkeypatch.undo()
    assert await open_database(DatabaseConfig(db.app.url)).oldest_transaction() is None


async def test_fingerprints_change_with_definitions_and_not_with_rows(db: Followed) -> None:
    await made(db)
    t = f"{db.schema}.t"
    seen = [await db.following.fingerprints([t, "nowhere.t"])]
    assert set(seen[0]) == {t}
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    await db.app.execute("ANALYZE TABLE t")
    assert await db.following.fingerprints([t]) == seen[0]
    for statement in (
        "ALTER TABLE t ADD n INT",
        "ALTER TABLE t FORCE",
        "ALTER TABLE t MODIFY k LONGTEXT",
        "TRUNCATE TABLE t",
    ):
        await db.app.execute(statement)
        seen.append(await db.following.fingerprints([t]))
    assert len({fingerprint[t] for fingerprint in seen}) == 5


async def test_lag_counts_the_bytes_of_the_log(db: Followed) -> None:
    start = await made(db)
    assert (await db.following.lag(start)).bytes == 0
    await db.app.execute("INSERT INTO t VALUES (1, REPEAT('x', 10000))")
    await db.app.execute("FLUSH BINARY LOGS")
    await db.app.execute("INSERT INTO t VALUES (2, REPEAT('x', 10000))")
    held = (await db.following.lag(start)).bytes
    assert held is not None
    assert 20_000 < held < 25_000


async def test_lag_counts_the_transactions_since_one(db: Followed) -> None:
    start = await made(db)
    beat = await db.following.beat()
    async with db.following.stream(start, [db.watched("t", "k")]) as stream:
        last = [c for c in await until(stream, beat.token) if isinstance(c, Commit)][-1]
    assert (await db.following.lag(start, last.transaction)).transactions == 0
    # Whether we follow the table or not.
    await db.app.execute("CREATE TABLE other (id INT PRIMARY KEY)")
    for row in range(3):
        await db.app.execute("INSERT INTO other VALUES (?)", row)
    assert (await db.following.lag(start, last.transaction)).transactions == 4
    assert (await db.following.lag(start)).transactions is None


async def without_beats(db: Followed) -> None:
    """The server is shared: other tests may have left beats of theirs."""
    if await db.app.execute("SHOW DATABASES LIKE 's3gc'"):
        await db.app.execute("DROP DATABASE s3gc")


async def test_what_other_names_left_is_listed_with_its_end(db: Followed) -> None:
    await without_beats(db)
    await made(db)
    other = MysqlFollowing(db.url, "main", "registry_2")
    await other.begin([db.watched("t", "k")])
    assert await other.left_behind(["registry_1", "registry_2"]) == []
    (left,) = await db.following.left_behind(["registry_1"])
    assert left.name == "registry_2"
    await db.app.execute(left.mend)
    assert await db.following.left_behind(["registry_1"]) == []
    await db.following.end()
    assert await db.app.execute("SHOW DATABASES LIKE 's3gc'") == []


async def test_an_unknown_event_ends_the_stream(
    db: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = await made(db)
    await db.app.execute("INSERT INTO t VALUES (1, 'a')")
    kinds = {number: kind for number, kind in events._KINDS.items() if kind.name != "ANNOTATE_ROWS"}
    await db.app.execute("SET SESSION binlog_annotate_row_events = 1")
    await db.app.execute("INSERT INTO t VALUES (2, 'a')")
    monkeypatch.setattr(events, "_KINDS", kinds)
    with pytest.raises(StreamLost) as lost:
        await db.told(start, db.watched("t", "k"))
    assert lost.value.state == "decoding"
    assert "unknown type 160" in lost.value.what


async def test_a_slow_reader_is_waited_for(db: Followed) -> None:
    start = await made(db)
    await db.app.execute("SET GLOBAL net_write_timeout = 1")
    try:
        await db.app.execute("INSERT INTO t SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000")
        beat = await db.following.beat()
        async with db.following.stream(start, [db.watched("t", "k")]) as stream:
            await asyncio.sleep(3)  # longer than the server's own patience
            assert len(plain(await until(stream, beat.token))) == 20_000
    finally:
        await db.app.execute("SET GLOBAL net_write_timeout = 60")


async def test_begin_names_what_is_in_the_way(db: Followed) -> None:
    await without_beats(db)
    await db.app.execute("CREATE TABLE t (id INT, k TEXT)")
    with pytest.raises(FollowingRefused, match="no primary key"):
        await db.following.begin([db.watched("t", "k")])
    assert await db.app.execute("SHOW DATABASES LIKE 's3gc'") == []
