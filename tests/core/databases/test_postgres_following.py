"""Following a real PostgreSQL: what is told equals what is read, and every loss is loud."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import md5
from itertools import count
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from s3gc_core.databases import (
    UNCHANGED,
    UNTOLD,
    Beat,
    Change,
    Commit,
    DatabaseUrl,
    RowChange,
    Start,
    TableAltered,
    TableEmptied,
    TableRead,
    Watched,
)
from s3gc_core.databases.postgres_following import PostgresFollowing
from s3gc_core.databases.postgres_replication import replication
from s3gc_core.databases.postgres_stream import PostgresStream
from s3gc_core.errors import (
    DatabaseUnreachable,
    SourceUnreadable,
    StreamLost,
    StreamTaken,
)
from tests.core.databases.following import Rows, applied, drained, heard, last_beat, rows_of, until
from tests.core.databases.following_postgres import (
    T,
    all_kinds,
    on_server,
    random_work,
    simple,
    slot_of,
    statements,
)
from tests.core.databases.reading import all_rows
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

_names = count(1)
Follow = Callable[..., PostgresFollowing]
Followed = tuple[PostgresFollowing, Start]
BOTH = [*T, Watched("public.u", ("k",))]
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'u'::regclass"
_OTHER_PLUGIN = (
    "SELECT pg_drop_replication_slot('{slot}');"
    "SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"
)


@pytest.fixture
def app(on_postgres: AppDatabase) -> AppDatabase:
    return on_postgres


@pytest.fixture
async def follow(app: AppDatabase) -> AsyncIterator[Follow]:
    """`follow()`: the same database for a new registry; its slot goes away at the end."""
    made: list[PostgresFollowing] = []

    def new(url: str | None = None) -> PostgresFollowing:
        name = f"R{next(_names)}"
        made.append(PostgresFollowing(DatabaseUrl.parse(app.url), "main", name))
        return PostgresFollowing(DatabaseUrl.parse(url or app.url), "main", name)

    yield new
    for following in made:
        await following.end()


@pytest.fixture
async def followed(app: AppDatabase, follow: Follow) -> Followed:
    """The empty table `t`, and its stream from here on."""
    await simple(app)
    following = follow()
    return following, await following.begin(T)


async def told(
    following: PostgresFollowing, start: Start, watched: Sequence[Watched] = T
) -> list[Change]:
    """What has come since `start`, without commits and beats."""
    async with following.stream(start, watched) as stream:
        return rows_of(await heard(following, stream))


async def lost(following: PostgresFollowing, start: Start, watched: Sequence[Watched] = T) -> str:
    """How the stream is lost that should be opened at `start`."""
    with pytest.raises(StreamLost) as found:
        async with following.stream(start, watched):
            pass
    return found.value.state


@asynccontextmanager
async def setting(postgres: PostgresServer, name: str, value: str) -> AsyncIterator[None]:
    """The whole server has it meanwhile."""
    await on_server(postgres, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await on_server(postgres, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")


async def test_what_is_told_is_what_is_read(
    app: AppDatabase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = DatabaseUrl.parse(app.url).database
    # libpq would take these, and a read would not.
    monkeypatch.setenv("PGTZ", "America/Lima")
    monkeypatch.setenv("PGDATESTYLE", "ISO, YMD")
    monkeypatch.setenv("PGOPTIONS", "-c extra_float_digits=3")
    await statements(
        app,
        *(
            f"ALTER DATABASE {database} SET {setting}"
            for setting in (
                "DateStyle = 'German'",
                "IntervalStyle = 'sql_standard'",
                "TimeZone = 'Asia/Tokyo'",
                "extra_float_digits = 0",
            )
        ),
    )
    await app.close()
    tables, columns = await all_kinds(app)
    following = follow()
    watched = [Watched(f"public.{table}", columns) for table in tables]
    start = await following.begin(watched)
    told: dict[str, Rows] = {each.table: {} for each in watched}
    chance = random.Random(5)
    async with following.stream(start, watched) as stream:
        for _ in range(6):
            await random_work(app, chance, tables, columns)
            changes = await heard(following, stream)
            applied(changes, told)
            for each in watched:
                await _compare(app, each, told[each.table])
    assert all(told.values())


async def _compare(app: AppDatabase, each: Watched, told: Rows) -> None:
    never = {each.columns.index(name) for name in ("arr", "dom", "ip")}
    read = {row.id: row.values for row in await all_rows(app.url, each.table, *each.columns)}
    assert read.keys() == told.keys(), each.table
    for row, values in read.items():
        for place, (value, known) in enumerate(zip(values, told[row], strict=True)):
            if place in never:
                assert known is (None if value is None else UNTOLD)
            else:
                assert type(known) is type(value)
                assert known == value, (each.table, row, each.columns[place])


async def test_moved_rows_truncations_and_what_was_rolled_back(
    app: AppDatabase, followed: Followed
) -> None:
    following, start = followed
    connection = await asyncpg.connect(app.url)
    await connection.execute(
        "BEGIN; INSERT INTO t VALUES (1, 'a'); SAVEPOINT s; INSERT INTO t VALUES (2, 'lost');"
        " ROLLBACK TO s; UPDATE t SET id = 3; COMMIT; BEGIN; DELETE FROM t; ROLLBACK; TRUNCATE t"
    )
    await connection.close()
    async with following.stream(start, T) as stream:
        changes = await heard(following, stream)
    assert rows_of(changes) == [
        RowChange("public.t", None, 1, ("a",)),
        RowChange("public.t", 1, 3, ("a",)),
        TableEmptied("public.t"),
    ]
    places = [change.position for change in changes if isinstance(change, Commit)]
    assert places == sorted(places)


async def test_a_moved_toasted_value_is_untold_unless_the_identity_is_full(
    app: AppDatabase, follow: Follow
) -> None:
    await simple(app)
    await statements(
        app,
        "ALTER TABLE t ALTER k SET STORAGE EXTERNAL",
        "INSERT INTO t VALUES (1, repeat('x', 9000))",
    )
    following = follow()
    start = await following.begin(T)
    await app.execute("UPDATE t SET id = 2")
    assert await told(following, start) == [RowChange("public.t", 1, 2, (UNCHANGED,))]
    await app.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    start = await following.begin(T)
    await app.execute("UPDATE t SET id = 3")
    assert await told(following, start) == [RowChange("public.t", 2, 3, ("x" * 9000,))]


async def test_a_long_key_that_does_not_change_is_known(app: AppDatabase, follow: Follow) -> None:
    await statements(
        app,
        "CREATE TABLE t (id text PRIMARY KEY, k text)",
        "ALTER TABLE t ALTER id SET STORAGE EXTERNAL",
        "INSERT INTO t VALUES (repeat('i', 2500), 'a')",
    )
    following = follow()
    start = await following.begin(T)
    await app.execute("UPDATE t SET k = 'b'")
    assert await told(following, start) == [RowChange("public.t", "i" * 2500, "i" * 2500, ("b",))]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD x int DEFAULT 5",
        "ALTER TABLE t ALTER k TYPE varchar(9)",
        "ALTER TABLE t RENAME k TO kk",
        "ALTER TABLE t RENAME TO tt; ALTER TABLE tt RENAME id TO idd; CREATE VIEW t AS TABLE tt",
        "ALTER TABLE t REPLICA IDENTITY FULL",
    ],
)
async def test_an_altered_table_is_told_and_left(
    app: AppDatabase, follow: Follow, change: str
) -> None:
    await simple(app)
    await app.execute("CREATE TABLE u (id int PRIMARY KEY, k text)")
    following = follow()
    start = await following.begin(BOTH)
    connection = await asyncpg.connect(app.url)
    async with following.stream(start, BOTH) as stream:
        await app.execute("INSERT INTO t VALUES (1, 'a')")
        assert rows_of(await heard(following, stream)) == [RowChange("public.t", None, 1, ("a",))]
        before = await following.fingerprints(["public.t"])
        await connection.execute(change)
        assert await following.fingerprints(["public.t"]) != before
        name = "tt" if "tt" in change else "t"
        await connection.execute(f"INSERT INTO {name} VALUES (2, 'b'); INSERT INTO u VALUES (1)")
        (altered, other) = rows_of(await heard(following, stream))
        assert isinstance(altered, TableAltered)
        assert altered.table == "public.t"
        assert other == RowChange("public.u", None, 1, (None,))
    await connection.close()


async def test_a_change_of_before_an_alteration_is_not_taken_for_one_after(
    app: AppDatabase, followed: Followed
) -> None:
    await statements(app, "INSERT INTO t VALUES (1, 'a')", "ALTER TABLE t ADD x text DEFAULT 'x'")
    (altered,) = await told(*followed)
    assert isinstance(altered, TableAltered)
    assert altered.table == "public.t"


async def test_a_column_that_took_the_name_of_another_changes_the_fingerprint(
    app: AppDatabase, followed: Followed
) -> None:
    following, _ = followed
    before = await following.fingerprints(["public.t"])
    # To the stream it is the same table as ever.
    await statements(
        app,
        "ALTER TABLE t ADD x text DEFAULT 'x'",
        "ALTER TABLE t DROP k",
        "ALTER TABLE t RENAME x TO k",
    )
    assert await following.fingerprints(["public.t"]) != before


async def test_a_column_that_went_away_before_the_stream_was_opened(
    app: AppDatabase, followed: Followed
) -> None:
    await app.execute("ALTER TABLE t DROP k")
    assert await told(*followed) == [
        TableAltered("public.t", "it has no column 'k' that the stream tells")
    ]


async def test_a_huge_transaction_takes_little_memory(app: AppDatabase, followed: Followed) -> None:
    following, start = followed
    await app.execute(
        "INSERT INTO t SELECT i, repeat('x', 200) || i FROM generate_series(1, 100000) i"
    )
    await following.beat()
    seen = largest = 0
    tracemalloc.start()
    try:
        async with following.stream(start, T) as stream:
            while True:
                changes = await stream.read(10)
                largest = max(largest, len(changes))
                seen += sum(isinstance(change, RowChange) for change in changes)
                if any(isinstance(change, Beat) for change in changes):
                    break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 100_000
    assert largest < 10_000
    assert peak < 20 << 20


async def test_a_stream_that_begins_at_an_anchor_begins_with_its_beat(
    app: AppDatabase, followed: Followed
) -> None:
    following, start = followed
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with following.stream(start, T) as stream:
        first = last_beat(await heard(following, stream))
        await app.execute("INSERT INTO t VALUES (2, 'b')")
        changes = await heard(following, stream)
        second = last_beat(changes)
        with pytest.raises(ValueError, match="no beat"):
            stream.acknowledge("F" * 16)
        stream.acknowledge(first.anchor)
        assert isinstance(stream, PostgresStream)
        stream.answer()
        await until(lambda: _confirmed(app, following, first.anchor))
        # Neither time nor answers move it on.
        for _ in range(3):
            stream.answer()
            await stream.read(0.2)
        assert await _confirmed(app, following, first.anchor)
    async with following.stream(Start(start.history, first.anchor), T) as stream:
        again = await heard(following, stream)
    assert again[0] == first
    assert rows_of(again) == [RowChange("public.t", None, 2, ("b",))]
    assert (second.previous, second.counter) == (first.token, first.counter + 1)
    # The place before: the server would leave out what is between.
    assert await lost(following, start) == "position-passed"


async def test_what_was_acknowledged_is_told_however_a_stream_ends(
    app: AppDatabase, followed: Followed
) -> None:
    """A scan opens it for a moment, and ends by a cancellation."""
    following, start = followed
    acknowledged: list[str] = []

    async def cut_short() -> None:
        async with following.stream(start, T) as stream:
            acknowledged.append(last_beat(await heard(following, stream)).anchor)
            stream.acknowledge(acknowledged[0])
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cut_short()
    await until(lambda: _confirmed(app, following, acknowledged[0]))


async def _confirmed(app: AppDatabase, following: PostgresFollowing, anchor: str) -> bool:
    ((number,),) = await app.execute(
        "SELECT (confirmed_flush_lsn - '0/0')::int8 FROM pg_replication_slots WHERE slot_name = ?",
        slot_of(following),
    )
    return f"{number:016X}" == anchor


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        ("SELECT pg_drop_replication_slot('{slot}')", "slot-missing"),
        ("DROP PUBLICATION {slot}", "publication-changed"),
        ("ALTER PUBLICATION {slot} DROP TABLE t", "publication-changed"),
        ("ALTER PUBLICATION {slot} DROP TABLE s3gc.heartbeat", "publication-changed"),
        ("ALTER PUBLICATION {slot} SET (publish = 'insert, update')", "publication-changed"),
        (
            "ALTER PUBLICATION {slot} SET (publish_via_partition_root = false)",
            "publication-changed",
        ),
        (
            "ALTER PUBLICATION {slot} SET TABLE s3gc.heartbeat, t WHERE (id > 0)",
            "publication-changed",
        ),
        ("ALTER PUBLICATION {slot} SET TABLE s3gc.heartbeat, t (id)", "publication-changed"),
        ("ALTER TABLE s3gc.heartbeat DROP token", "heartbeat-missing"),
        (_OTHER_PLUGIN, "slot-missing"),
    ],
)
async def test_a_stream_whose_footing_went_away_is_lost(
    app: AppDatabase, followed: Followed, damage: str, state: str
) -> None:
    following, start = followed
    await statements(app, *damage.format(slot=slot_of(following)).split(";"))
    assert await lost(following, start) == state


async def test_another_history_is_not_gone_on_with(followed: Followed) -> None:
    following, start = followed
    assert await lost(following, Start("1:1", start.position)) == "history-changed"


async def test_a_publication_that_goes_away_under_the_stream(
    app: AppDatabase, followed: Followed
) -> None:
    following, start = followed
    async with following.stream(start, T) as stream:
        await heard(following, stream)
        await app.execute(f"DROP PUBLICATION {slot_of(following)}")
        await app.execute("INSERT INTO t VALUES (1, 'a')")
        with pytest.raises(StreamLost) as gone:
            await heard(following, stream)
    assert gone.value.state == "publication-changed"


async def test_a_slot_whose_log_was_thrown_away(
    followed: Followed, postgres: PostgresServer
) -> None:
    following, start = followed
    async with setting(postgres, "max_slot_wal_keep_size", "1MB"):
        for _ in range(4):
            await on_server(postgres, "SELECT pg_switch_wal()", "CREATE TABLE x ()", "DROP TABLE x")
        await on_server(postgres, "CHECKPOINT")

        async def is_lost() -> bool:
            return (await following.lag(start)).state == "lost"

        await until(is_lost)
        assert await lost(following, start) == "slot-lost"


async def test_a_heartbeat_without_its_row(app: AppDatabase, followed: Followed) -> None:
    following, start = followed
    async with following.stream(start, T) as stream:
        await app.execute("DELETE FROM s3gc.heartbeat")
        with pytest.raises(StreamLost) as heard_of:
            await drained(stream)
    with pytest.raises(StreamLost) as asked:
        await following.beat()
    await app.execute("DROP TABLE s3gc.heartbeat")
    with pytest.raises(StreamLost) as gone:
        await following.beat()
    assert {each.value.state for each in (heard_of, asked, gone)} == {"heartbeat-missing"}


async def test_a_stream_has_one_reader(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3gc_core.databases.postgres_opening.TAKEN_AFTER_SECONDS", 0.3)
    following, start = followed
    async with following.stream(start, T):
        with pytest.raises(StreamTaken):
            async with following.stream(start, T):
                pass
        with pytest.raises(StreamTaken):
            await following.end()
        with pytest.raises(StreamTaken):
            await following.begin(T)
    monkeypatch.undo()
    async with following.stream(start, T):
        waiting = asyncio.create_task(told(following, start))
        await asyncio.sleep(0.1)
    # The one before goes away in time.
    assert await waiting == []


async def test_settling_waits_for_what_the_stream_told_too_early(
    app: AppDatabase, followed: Followed, postgres: PostgresServer
) -> None:
    following, start = followed
    connection = await asyncpg.connect(app.url)
    async with setting(postgres, "synchronous_standby_names", "nobody"):
        await until(lambda: _is_synchronous(connection))
        writing = asyncio.create_task(connection.execute("INSERT INTO t VALUES (1, 'early')"))
        assert await told(following, start) == [RowChange("public.t", None, 1, ("early",))]
        assert await all_rows(app.url, "t", "k") == []
        settling = asyncio.create_task(following.settle())
        done, _ = await asyncio.wait([settling], timeout=0.5)
        assert not done
        assert not writing.done()
    async with asyncio.timeout(30):
        await settling
    assert [row.id for row in await all_rows(app.url, "t", "k")] == [1]
    await writing
    await connection.close()


async def _is_synchronous(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    return bool(await connection.fetchval("SHOW synchronous_standby_names"))


async def test_settling_waits_for_open_transactions_that_have_written(
    app: AppDatabase, follow: Follow
) -> None:
    await simple(app)
    following = follow()
    connection = await asyncpg.connect(app.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO t VALUES (1, 'a')")
    settling = asyncio.create_task(following.settle())
    done, _ = await asyncio.wait([settling], timeout=0.3)
    assert not done
    await transaction.commit()
    async with asyncio.timeout(30):
        await settling
    await connection.close()


@pytest.mark.parametrize("rows", [3, 60_000])
async def test_a_slow_caller_keeps_the_stream(
    app: AppDatabase, followed: Followed, rows: int
) -> None:
    following, start = followed
    database = DatabaseUrl.parse(app.url).database
    await app.execute(f"ALTER DATABASE {database} SET wal_sender_timeout = '2s'")
    async with following.stream(start, T) as stream:
        await app.execute(
            f"INSERT INTO t SELECT i, repeat('x', 300) FROM generate_series(1, {rows}) i"
        )
        changes = list(await stream.read(10))
        # Longer than the server waits; with many rows it is stuck in sending meanwhile.
        await asyncio.sleep(4.5)
        changes += await heard(following, stream)
        assert len(rows_of(changes)) == rows


async def test_a_connection_that_is_cut_can_be_made_again(
    app: AppDatabase, followed: Followed
) -> None:
    following, start = followed
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with following.stream(start, T) as stream:
        await heard(following, stream)
        await app.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = ?",
            slot_of(following),
        )
        with pytest.raises(DatabaseUnreachable):
            await drained(stream)
        with pytest.raises(DatabaseUnreachable):
            await stream.read(1)
    assert await told(following, start) == [RowChange("public.t", None, 1, ("a",))]


async def test_an_open_stream_does_not_keep_the_server_from_stopping() -> None:
    async with PostgresServer() as server:
        app = AppDatabase(await server.create_database())
        await simple(app)
        following = PostgresFollowing(DatabaseUrl.parse(app.url), "main", "stop")
        start = await following.begin(T)
        async with following.stream(start, T) as stream:
            beat = last_beat(await heard(following, stream))
            stream.acknowledge(beat.anchor)
            await app.execute("INSERT INTO t VALUES (1, 'a')")
            await app.close()
            stopping = asyncio.create_task(server.stop())
            with pytest.raises(DatabaseUnreachable):
                await drained(stream)
            async with asyncio.timeout(20):
                await stopping


async def test_options_for_tls_hold_for_the_stream(
    app: AppDatabase, follow: Follow, postgres: PostgresServer, tmp_path: Path
) -> None:
    await simple(app)
    start = await follow(f"{app.url}?sslmode=verify-full&sslrootcert={postgres.certificate}").begin(
        T
    )
    other = tmp_path / "other.crt"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 2 -keyout"
    process = await asyncio.create_subprocess_exec(
        *command.split(), str(tmp_path / "key"), "-out", str(other), stderr=asyncio.subprocess.PIPE
    )
    await process.communicate()
    refused = DatabaseUrl.parse(f"{app.url}?sslmode=verify-full&sslrootcert={other}")
    with pytest.raises(DatabaseUnreachable, match="certificate verify failed"):
        async with replication(refused):
            pass
    url = DatabaseUrl.parse(app.url)
    socket = DatabaseUrl(url.engine, url.database, postgres.socket_folder, url.port, "postgres")
    async with replication(socket) as connection:
        assert (await connection.system()).history == start.history


async def test_a_cancelled_read_loses_only_the_stream(app: AppDatabase, followed: Followed) -> None:
    following, start = followed
    async with following.stream(start, T) as stream:
        reading = asyncio.create_task(stream.read(60))
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    assert await told(following, start) == [RowChange("public.t", None, 1, ("a",))]


async def test_tables_join_and_leave(app: AppDatabase, followed: Followed) -> None:
    following, start = followed
    await app.execute("CREATE TABLE u (id int PRIMARY KEY, k text)")
    before = await following.fingerprints(["public.t", "public.u", "public.none"])
    assert before.keys() == {"public.t", "public.u"}
    assert await lost(following, start, BOTH) == "publication-changed"
    # A transaction that has written to it before it joins is waited for.
    connection = await asyncpg.connect(app.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO u VALUES (1, 'early')")
    extending = asyncio.create_task(following.extend(BOTH))

    async def waits() -> bool:
        assert not extending.done()
        return bool((await app.execute(_WAITING))[0][0])

    await until(waits)
    await connection.execute("INSERT INTO u VALUES (2, 'early')")
    await transaction.commit()
    async with asyncio.timeout(30):
        await extending
    await connection.execute("INSERT INTO u VALUES (3, 'told')")
    await connection.close()
    after = await following.fingerprints(["public.t", "public.u"])
    assert [table for table in after if after[table] != before[table]] == ["public.u"]
    assert await told(following, start, BOTH) == [RowChange("public.u", None, 3, ("told",))]
    await following.extend(BOTH)
    assert await following.fingerprints(["public.t", "public.u"]) == after
    await following.extend(T)
    assert await following.fingerprints(["public.t", "public.u"]) == before
    await app.execute(f"DROP PUBLICATION {slot_of(following)}")
    with pytest.raises(StreamLost) as gone:
        await following.extend(T)
    assert gone.value.state == "publication-changed"


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ("VACUUM FULL p1", True),
        ("ALTER TABLE p DETACH PARTITION p1", True),
        ("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)", True),
        ("ALTER TABLE p ADD more text DEFAULT 'x'", True),
        ("ALTER TABLE p DROP k", True),
        ("TRUNCATE p1", True),
        ("ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo'", True),
        ("ALTER TYPE mood RENAME VALUE 'well' TO 'fine'", True),
        ("ALTER TYPE pair RENAME ATTRIBUTE k TO kk", True),
        ("ALTER TABLE p1 REPLICA IDENTITY FULL", True),
        ("INSERT INTO p VALUES (1, 'a')", False),
        ("ANALYZE p", False),
    ],
)
async def test_a_fingerprint(app: AppDatabase, follow: Follow, change: str, is_other: bool) -> None:
    await statements(
        app,
        "CREATE TYPE mood AS ENUM ('well')",
        "CREATE TYPE pair AS (k text)",
        "CREATE TABLE p (id int PRIMARY KEY, k text, m mood[], c pair) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "INSERT INTO p VALUES (0, 'a')",
    )
    following = follow()
    await following.begin([Watched("public.p", ("k",))])
    before = await following.fingerprints(["public.p"])
    assert before == await following.fingerprints(["public.p"])
    await app.execute(change.format(database=DatabaseUrl.parse(app.url).database))
    assert (await following.fingerprints(["public.p"]) != before) is is_other


async def test_single_rows(app: AppDatabase, follow: Follow) -> None:
    await statements(
        app,
        "CREATE TABLE t (a int, b text, c uuid, k text, PRIMARY KEY (b, a, c))",
        "INSERT INTO t SELECT i, 'b' || i, md5(i::text)::uuid, 'k' || i"
        " FROM generate_series(1, 1300) i",
        "CREATE TABLE n (id numeric PRIMARY KEY, k bytea)",
        "INSERT INTO n VALUES (1.0, '\\x01'), (2, '\\x02')",
        "CREATE TABLE c (id varchar(3) PRIMARY KEY, k text)",
        "INSERT INTO c VALUES ('abc', 'x')",
    )
    following = follow()

    async def found(
        table: str, ids: list[int | str], where: str | None = None
    ) -> dict[object, object]:
        pages = following.rows(TableRead(table, ("k",), where), ids)
        return {row.id: row.values[0] async for page in pages for row in page}

    def identity(number: int) -> str:
        digest = UUID(bytes=md5(str(number).encode()).digest())
        return f'["b{number}",{number},"{digest}"]'

    everything = [identity(number) for number in range(1, 1301)]
    assert await found("t", [*everything, "odd", 5, '["b1",1]']) == {
        identity(number): f"k{number}" for number in range(1, 1301)
    }
    some = [identity(1), identity(2), identity(9999)]
    assert await found("t", list(some), "k = 'k1') OR (false") == {identity(1): "k1"}
    assert await found("t", list(some), "k <> 'k1' -- not the first") == {identity(2): "k2"}
    # Equal to the database, but not the identity that was asked for.
    assert await found("n", ["1.00", "2"]) == {"2": b"\x02"}
    # Cut to the column's length it would be another row.
    assert await found("c", ["abcd"]) == {}
    with pytest.raises(SourceUnreadable, match=r"\$1 has no meaning"):
        await found("c", ["abc"], "k = $1")


async def test_lag_counts_the_transactions_since_one(app: AppDatabase, follow: Follow) -> None:
    """Of the whole server; those that only read, and those of other tests' servers, are none."""
    await simple(app)
    following = follow()
    start = await following.begin(T)
    async with following.stream(start, T) as stream:
        last = [c for c in await heard(following, stream) if isinstance(c, Commit)][-1]
    before = (await following.lag(start, last.transaction)).transactions
    assert before is not None
    await statements(app, *(f"INSERT INTO t VALUES ({row}, 'k')" for row in range(3)))
    await app.execute("SELECT count(*) FROM t")
    after = (await following.lag(start, last.transaction)).transactions
    # The server's own work may take a number too.
    assert after is not None
    assert before + 3 <= after < before + 10
    assert (await following.lag(start)).transactions is None


async def test_the_end_leaves_nothing(app: AppDatabase, follow: Follow) -> None:
    await simple(app)
    one, two = follow(), follow()
    await one.begin(T)
    start = await two.begin(T)
    lag = await two.lag(start)
    assert lag.bytes is not None
    assert lag.state == "reserved"
    left = await one.left_behind([one.name])
    assert [each.name for each in left] == [slot_of(two)] * 2
    for each in left:
        await app.execute(each.mend)
    assert await one.left_behind([one.name]) == []
    assert (await two.lag(start)).state == "missing"
    await one.end()
    assert await app.execute("SELECT count(*) FROM s3gc.heartbeat") == [(1,)]
    await two.end()
    await two.end()
    assert await app.execute("SELECT FROM pg_namespace WHERE nspname = 's3gc'") == []
    assert await one.left_behind([]) == []
