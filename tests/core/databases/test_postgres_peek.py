"""Following a real PostgreSQL by peeking in SQL: it tells what the replication stream tells."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from itertools import count, pairwise

import asyncpg
import pytest

from s3gc_core.config import CdcOver, DatabaseConfig
from s3gc_core.databases import (
    Beat,
    Change,
    ChangeStream,
    Commit,
    DatabaseUrl,
    RowChange,
    Start,
    TableAltered,
    TableEmptied,
    Watched,
    open_following,
)
from s3gc_core.databases.postgres_following import PostgresFollowing
from s3gc_core.databases.postgres_peek import PostgresPeek
from s3gc_core.databases.postgres_peeked_slot import PeekedSlot
from s3gc_core.databases.postgres_stream import PostgresStream
from s3gc_core.errors import DatabaseUnreachable, StreamLost, StreamTaken
from tests.core.databases.following import SECONDS, drained, heard, last_beat, rows_of, until
from tests.core.databases.following_postgres import (
    T,
    all_kinds,
    on_server,
    random_work,
    simple,
    slot_of,
    statements,
)
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer

_names = count(1)
_PEEK = "s3gc_core.databases.postgres_peek"


@pytest.fixture
def app(on_postgres: AppDatabase) -> AppDatabase:
    return on_postgres


@pytest.fixture
async def both(app: AppDatabase) -> AsyncIterator[tuple[PostgresFollowing, PostgresFollowing]]:
    """One slot, read over SQL and over a replication connection."""
    sql, replication = ways(app, f"P{next(_names)}")
    yield sql, replication
    await sql.end()


@pytest.fixture
def sql(both: tuple[PostgresFollowing, PostgresFollowing]) -> PostgresFollowing:
    """A slot that is read over SQL."""
    return both[0]


@pytest.fixture
async def start(app: AppDatabase, sql: PostgresFollowing) -> Start:
    """Where the slot begins: before anything is in its empty table `t`."""
    await simple(app)
    return await sql.begin(T)


def ways(app: AppDatabase, name: str) -> tuple[PostgresFollowing, PostgresFollowing]:
    url = DatabaseUrl.parse(app.url)
    return (
        PostgresFollowing(url, "main", name, CdcOver.SQL),
        PostgresFollowing(url, "main", name, CdcOver.REPLICATION),
    )


async def read_to(stream: ChangeStream, token: str) -> list[Change]:
    """What it tells up to the commit of the beat with this token."""
    found: list[Change] = []
    async with asyncio.timeout(SECONDS):
        while True:
            for change in await stream.read(1.0):
                found.append(change)
                if isinstance(change, Commit) and any(
                    isinstance(c, Beat) and c.token == token for c in found
                ):
                    return found


async def confirmed(app: AppDatabase, following: PostgresFollowing) -> str:
    ((number,),) = await app.execute(
        "SELECT (confirmed_flush_lsn - '0/0')::int8 FROM pg_replication_slots WHERE slot_name = ?",
        slot_of(following),
    )
    return f"{number:016X}"


def test_the_configuration_chooses() -> None:
    url = "postgresql://app@db.example/app"
    for over in CdcOver:
        following = open_following(DatabaseConfig(url, cdc=True, cdc_over=over), "one")
        assert vars(following)["_over"] is over


@pytest.mark.parametrize(("messages", "rows"), [(100_000, 200), (40, 7)])
async def test_both_ways_tell_the_same(
    app: AppDatabase,
    both: tuple[PostgresFollowing, PostgresFollowing],
    monkeypatch: pytest.MonkeyPatch,
    messages: int,
    rows: int,
) -> None:
    monkeypatch.setattr(f"{_PEEK}.MESSAGES_PER_PEEK", messages)
    monkeypatch.setattr("s3gc_core.databases.naming.FIRST_PAGE_ROWS", rows)
    sql, replication = both
    tables, columns = await all_kinds(app)
    watched = [Watched(f"public.{table}", columns) for table in tables]
    start = await sql.begin(watched)
    chance = random.Random(7)
    told: list[Change] = []
    async with sql.stream(start, watched) as stream:
        assert isinstance(stream, PostgresPeek)
        for _ in range(3):
            # In one peek with what came before, and is not told again.
            await random_work(app, chance, tables, columns)
            told += await heard(sql, stream)
    async with replication.stream(start, watched) as other:
        assert isinstance(other, PostgresStream)
        assert await read_to(other, last_beat(told).token) == told
    # At once, instead of as it came.
    async with sql.stream(start, watched) as stream:
        assert await read_to(stream, last_beat(told).token) == told
    assert {type(change) for change in told} == {Beat, Commit, RowChange, TableEmptied}
    places = [change.position for change in told if isinstance(change, Commit)]
    assert all(one < next_ for one, next_ in pairwise(places))


async def test_both_ways_leave_an_altered_table(app: AppDatabase) -> None:
    await simple(app)
    await app.execute("CREATE TABLE u (id int PRIMARY KEY, k text)")
    watched = [*T, Watched("public.u", ("k",))]
    sql, _ = ways(app, f"P{next(_names)}")
    _, replication = ways(app, f"P{next(_names)}")
    starts = [await each.begin(watched) for each in (sql, replication)]
    try:
        async with (
            sql.stream(starts[0], watched) as one,
            replication.stream(starts[1], watched) as other,
        ):
            told: list[list[Change]] = []
            for work in (
                ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO u VALUES (1, 'a')"],
                ["ALTER TABLE t ADD x int", "UPDATE t SET k = 'b'", "UPDATE u SET k = 'b'"],
                ["UPDATE t SET k = 'c'", "TRUNCATE u", "INSERT INTO u VALUES (2, 'c')"],
            ):
                await statements(app, *work)
                mine, theirs = await heard(sql, one), await heard(replication, other)
                assert rows_of(mine) == rows_of(theirs)
                told.append(rows_of(mine))
        assert [[type(change) for change in each] for each in told] == [
            [RowChange, RowChange],
            [TableAltered, RowChange],
            [TableEmptied, RowChange],
        ]
    finally:
        await sql.end()
        await replication.end()


async def test_a_column_that_went_away_before_the_stream_was_opened(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("ALTER TABLE t DROP k")
    async with sql.stream(start, T) as stream:
        assert rows_of(await heard(sql, stream)) == [
            TableAltered("public.t", "it has no column 'k' that the stream tells")
        ]


async def test_texts_do_not_depend_on_whose_session_it_was(
    app: AppDatabase, sql: PostgresFollowing
) -> None:
    await app.execute("CREATE TABLE t (id int PRIMARY KEY, k timestamptz)")
    start = await sql.begin(T)
    await app.execute("INSERT INTO t VALUES (1, '2026-01-02 03:04:05+00')")
    async with sql.stream(start, T) as stream:
        # What a pooler does: somebody else had the session meanwhile.
        connection = vars(vars(stream)["_slot"])["_connection"]
        await connection.execute("SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'")
        (change,) = rows_of(await heard(sql, stream))
    assert isinstance(change, RowChange)
    ((text,),) = await app.execute("SELECT k::text FROM t")
    assert change.values == (text,)


async def test_a_huge_transaction_takes_little_memory(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute(
        "INSERT INTO t SELECT i, repeat('x', 200) || i FROM generate_series(1, 100000) i"
    )
    await sql.beat()
    seen: list[object] = []
    largest = 0
    tracemalloc.start()
    try:
        async with sql.stream(start, T) as stream:
            while True:
                changes = await stream.read(10)
                largest = max(largest, len(changes))
                seen += [change.after for change in changes if isinstance(change, RowChange)]
                if any(isinstance(change, Beat) for change in changes):
                    break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == list(range(1, 100_001))
    assert largest < 10_000
    assert peak < 20 << 20


async def test_a_server_that_decodes_is_not_silent(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50000) i")
    async with sql.stream(start, T) as stream:
        assert list(await stream.read(0)) == []
        # It takes longer to decode, and whoever waits at all waits for that.
        assert len(await stream.read(0.001)) > 0
        await heard(sql, stream)
        async with asyncio.timeout(5):
            assert list(await stream.read(0.3)) == []


async def test_what_is_not_acknowledged_does_not_hide_what_follows(
    app: AppDatabase, sql: PostgresFollowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{_PEEK}.MESSAGES_PER_PEEK", 10)
    await simple(app)
    start = await sql.begin(T)
    told: list[Change] = []
    async with sql.stream(start, T) as stream:
        for first in (1, 101):
            for number in range(first, first + 100):
                await app.execute("INSERT INTO t VALUES (?, 'a')", number)
            changes = await heard(sql, stream)
            told += rows_of(changes)
        stream.acknowledge(last_beat(changes).anchor)
        await app.execute("INSERT INTO t VALUES (201, 'a')")
        told += rows_of(await heard(sql, stream))
    assert told == [RowChange("public.t", None, number, ("a",)) for number in range(1, 202)]


async def test_the_server_is_told_of_nothing_beyond_the_anchor(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with sql.stream(start, T) as stream:
        first = last_beat(await heard(sql, stream))
        await app.execute("INSERT INTO t VALUES (2, 'b')")
        second = last_beat(await heard(sql, stream))
        assert await confirmed(app, sql) == start.position
        with pytest.raises(ValueError, match="no beat"):
            stream.acknowledge("F" * 16)
        stream.acknowledge(first.anchor)

        async def is_told() -> bool:
            return await confirmed(app, sql) == first.anchor

        await until(is_told)
        # Neither time nor peeks move it on, and nothing is told twice.
        for _ in range(4):
            assert list(await stream.read(0.2)) == []
        assert await is_told()
        # What is older is no news.
        stream.acknowledge(start.position)
        third = await heard(sql, stream)
        assert rows_of(third) == []
    assert await confirmed(app, sql) == first.anchor
    async with sql.stream(Start(start.history, first.anchor), T) as stream:
        again = await heard(sql, stream)
    assert again[0] == first
    assert isinstance(again[1], Commit)
    assert rows_of(again) == [RowChange("public.t", None, 2, ("b",))]
    beats = [change for change in again if isinstance(change, Beat)]
    assert beats[:3] == [first, second, last_beat(third)]
    # The place before: the server would leave out what is between.
    with pytest.raises(StreamLost) as lost:
        async with sql.stream(start, T):
            pass
    assert lost.value.state == "position-passed"


async def test_what_was_acknowledged_is_told_however_a_stream_ends(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    """A scan opens it for a moment, and ends by a cancellation."""
    acknowledged: list[str] = []

    async def cut_short() -> None:
        async with sql.stream(start, T) as stream:
            acknowledged.append(last_beat(await heard(sql, stream)).anchor)
            stream.acknowledge(acknowledged[0])
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cut_short()
    assert await confirmed(app, sql) == acknowledged[0]


async def test_a_stream_begins_at_its_anchor_whatever_the_server_was_told(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))
    assert await confirmed(app, sql) == start.position
    async with sql.stream(Start(start.history, beat.anchor), T) as stream:
        again = await heard(sql, stream)
    assert again[0] == beat
    assert rows_of(again) == []


async def test_what_is_passed_over_does_not_count_as_an_alteration(
    app: AppDatabase, both: tuple[PostgresFollowing, PostgresFollowing]
) -> None:
    await simple(app)
    sql, _ = both
    start = await sql.begin(T)
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))
    # Before the anchor, the table was another than the one that the catalogue has now.
    await statements(app, "ALTER TABLE t ADD x int", "UPDATE t SET k = 'b'", "TRUNCATE t")
    told: list[list[Change]] = []
    for following in both:
        async with following.stream(Start(start.history, beat.anchor), T) as stream:
            changes = await heard(following, stream)
        assert changes[0] == beat
        told.append(rows_of(changes))
    assert told[0] == told[1] == [RowChange("public.t", 1, 1, ("b",)), TableEmptied("public.t")]


@pytest.mark.parametrize("statement", ["UPDATE t SET k = 'b'", "TRUNCATE t", "DELETE FROM t"])
async def test_a_table_that_was_described_in_what_is_passed_over(
    app: AppDatabase, both: tuple[PostgresFollowing, PostgresFollowing], statement: str
) -> None:
    await simple(app)
    sql, _ = both
    start = await sql.begin(T)
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))
    await app.execute(statement)
    told: list[list[Change]] = []
    for following in both:
        async with following.stream(Start(start.history, beat.anchor), T) as stream:
            told.append(rows_of(await heard(following, stream)))
    assert told[0] == told[1]
    assert len(told[0]) == 1


async def test_only_beats_that_came_are_acknowledged(
    sql: PostgresFollowing, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sql.stream(start, T) as stream:
        first, second = [last_beat(await heard(sql, stream)) for _ in range(2)]
    # A transaction in each portion: its begin and end, the description of the table, and the beat.
    monkeypatch.setattr("s3gc_core.databases.naming.FIRST_PAGE_ROWS", 4)
    monkeypatch.setattr("s3gc_core.databases.naming.PAGE_ROWS", 4)
    async with sql.stream(start, T) as stream:
        assert [c for c in await stream.read(10) if isinstance(c, Beat)] == [first]

        async def is_ahead() -> bool:
            return bool(vars(stream)["_next"].done())

        await until(is_ahead)
        with pytest.raises(ValueError, match="no beat"):
            stream.acknowledge(second.anchor)
        stream.acknowledge(first.anchor)


async def test_a_stream_that_is_open_for_a_moment_tells_what_it_acknowledged(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))
        stream.acknowledge(beat.anchor)
    assert await confirmed(app, sql) == beat.anchor


async def test_one_may_change_over(
    app: AppDatabase, both: tuple[PostgresFollowing, PostgresFollowing]
) -> None:
    await simple(app)
    sql, replication = both
    start = await replication.begin(T)
    known: Beat | None = None
    for number, following in enumerate((sql, replication, sql)):
        await app.execute("INSERT INTO t VALUES (?, 'a')", number)
        async with following.stream(start, T) as stream:
            changes = await heard(following, stream)
            assert known is None or changes[0] == known
            assert rows_of(changes) == [RowChange("public.t", None, number, ("a",))]
            known = last_beat(changes)
            start = Start(start.history, known.anchor)
            stream.acknowledge(known.anchor)
    assert (await sql.begin(T)).history == start.history


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        ("SELECT pg_drop_replication_slot('{slot}')", "slot-missing"),
        ("DROP PUBLICATION {slot}; INSERT INTO t VALUES (1)", "publication-changed"),
        ("DELETE FROM s3gc.heartbeat", "heartbeat-missing"),
        (
            "TRUNCATE t; SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())",
            "position-passed",
        ),
    ],
)
async def test_a_stream_that_loses_its_footing_is_lost(
    app: AppDatabase, sql: PostgresFollowing, start: Start, damage: str, state: str
) -> None:
    async with sql.stream(start, T) as stream:
        await heard(sql, stream)
        for statement in damage.format(slot=slot_of(sql)).split(";"):
            await _done(app, statement)
        for _ in range(2):
            with pytest.raises(StreamLost) as lost:
                await drained(stream)
            assert lost.value.state == state
    if state != "heartbeat-missing":
        with pytest.raises(StreamLost) as lost:
            async with sql.stream(start, T):
                pass
        assert lost.value.state == state


async def _done(app: AppDatabase, statement: str) -> None:
    """Run it; a peek may have the slot for a moment."""

    async def is_done() -> bool:
        try:
            await app.execute(statement)
        except asyncpg.ObjectInUseError:
            return False
        return True

    await until(is_done)


@pytest.mark.parametrize(
    ("taken", "state"),
    [
        ("pg_replication_slot_advance('{slot}', pg_current_wal_lsn())", "position-passed"),
        ("pg_drop_replication_slot('{slot}')", "slot-missing"),
    ],
)
async def test_what_was_taken_out_during_a_peek_is_missed(
    app: AppDatabase,
    sql: PostgresFollowing,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    taken: str,
    state: str,
) -> None:
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    peek = PeekedSlot.peek

    async def overtaken(slot: PeekedSlot, limit: int) -> list[bytes]:
        """After the first look at the slot, and before the peek."""
        await app.execute(f"SELECT {taken.format(slot=slot_of(sql))}")
        await app.execute("INSERT INTO t VALUES (2, 'b')")
        return await peek(slot, limit)

    monkeypatch.setattr(PeekedSlot, "peek", overtaken)
    async with sql.stream(start, T) as stream:
        # Not even what came after it is told.
        with pytest.raises(StreamLost) as lost:
            await stream.read(10)
    assert lost.value.state == state


async def test_another_history(
    app: AppDatabase, sql: PostgresFollowing, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StreamLost) as lost:
        async with sql.stream(Start("1:1", start.position), T):
            pass
    assert lost.value.state == "history-changed"

    async def other(_: object) -> str:
        return "1:1"

    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))

        async def rests() -> bool:
            return not vars(stream)["_is_asking"]

        await until(rests)
        # A pooler goes on with another server, and keeps our connection.
        stream.acknowledge(beat.anchor)
        monkeypatch.setattr("s3gc_core.databases.postgres_peeked_slot.history", other)
        with pytest.raises(StreamLost) as lost:
            await drained(stream)
    assert lost.value.state == "history-changed"
    # That one is not told of our anchors.
    assert await confirmed(app, sql) == start.position


async def test_a_slot_whose_log_was_thrown_away(
    sql: PostgresFollowing, start: Start, postgres: PostgresServer
) -> None:
    limit = "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'"
    await on_server(postgres, limit, "SELECT pg_reload_conf()")
    try:
        async with sql.stream(start, T) as stream:
            await heard(sql, stream)
            for _ in range(4):
                await on_server(
                    postgres, "SELECT pg_switch_wal()", "CREATE TABLE x ()", "DROP TABLE x"
                )
            await on_server(postgres, "CHECKPOINT")
            with pytest.raises(StreamLost) as lost:
                await drained(stream)
            assert lost.value.state == "slot-lost"
    finally:
        reset = "ALTER SYSTEM RESET max_slot_wal_keep_size"
        await on_server(postgres, reset, "SELECT pg_reload_conf()")


async def test_a_slot_that_somebody_reads(
    app: AppDatabase,
    both: tuple[PostgresFollowing, PostgresFollowing],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("s3gc_core.databases.postgres_opening.TAKEN_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(f"{_PEEK}.TAKEN_AFTER_SECONDS", 0.3)
    await simple(app)
    sql, replication = both
    start = await sql.begin(T)
    async with replication.stream(start, T):
        with pytest.raises(StreamTaken):
            async with sql.stream(start, T):
                pass
    monkeypatch.setattr("s3gc_core.databases.postgres_opening.TAKEN_AFTER_SECONDS", 5.0)
    async with sql.stream(start, T) as stream:
        await heard(sql, stream)
        async with replication.stream(start, T):
            for _ in range(2):
                with pytest.raises(StreamTaken):
                    await drained(stream)
    # For a moment only.
    monkeypatch.setattr(f"{_PEEK}.TAKEN_AFTER_SECONDS", 10.0)
    async with sql.stream(start, T) as stream:
        await heard(sql, stream)
        async with replication.stream(start, T):
            assert list(await stream.read(1.0)) == []
        await app.execute("INSERT INTO t VALUES (1, 'a')")
        assert rows_of(await heard(sql, stream)) == [RowChange("public.t", None, 1, ("a",))]


async def test_a_connection_that_is_cut_can_be_made_again(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("INSERT INTO t VALUES (1, 'a')")
    async with sql.stream(start, T) as stream:
        beat = last_beat(await heard(sql, stream))
        stream.acknowledge(beat.anchor)
        await app.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for _ in range(2):
            with pytest.raises(DatabaseUnreachable):
                await drained(stream)
    async with sql.stream(Start(start.history, beat.anchor), T) as stream:
        assert (await heard(sql, stream))[0] == beat


@pytest.mark.parametrize("is_crash", [False, True])
async def test_a_server_that_is_started_again(is_crash: bool) -> None:
    async with PostgresServer() as server:
        app = AppDatabase(await server.create_database())
        await simple(app)
        sql, _ = ways(app, "again")
        start = await sql.begin(T)
        async with sql.stream(start, T) as stream:
            beat = last_beat(await heard(sql, stream))
            stream.acknowledge(beat.anchor)
            await app.execute(
                "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i"
            )
            (told,) = [await stream.read(10)]
            # In the midst of a transaction.
            assert 0 < len(told) < 20_000
            await app.close()
            await (server.kill() if is_crash else server.stop())
            with pytest.raises(DatabaseUnreachable):
                await drained(stream)
        await server.start()
        async with sql.stream(Start(start.history, beat.anchor), T) as stream:
            again = await heard(sql, stream)
        assert again[0] == beat
        ids = [change.after for change in again if isinstance(change, RowChange)]
        assert ids == list(range(1, 20_001))
        await app.close()


async def test_timeouts_of_the_server_end_no_peek(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    await app.execute("INSERT INTO t SELECT i, repeat('x', 99) FROM generate_series(1, 100000) i")
    database = DatabaseUrl.parse(app.url).database
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        await app.execute(f"ALTER DATABASE {database} SET {setting} = '300ms'")
    async with sql.stream(start, T) as stream:
        changes = list(await stream.read(10))
        # The portion after it waits in the open transaction.
        await asyncio.sleep(0.8)
        while len(changes) < 100_000:
            changes += await stream.read(10)
        assert [c.after for c in rows_of(changes) if isinstance(c, RowChange)] == list(
            range(1, 100_001)
        )


async def test_a_cancelled_read_loses_nothing(
    app: AppDatabase, sql: PostgresFollowing, start: Start
) -> None:
    async with sql.stream(start, T) as stream:
        reading = asyncio.create_task(stream.read(60))
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await app.execute("INSERT INTO t VALUES (1, 'a')")
        assert rows_of(await heard(sql, stream)) == [RowChange("public.t", None, 1, ("a",))]


class _WithoutSenders(PostgresServer):
    """No replication connection can be had."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "max_wal_senders=0"]


async def test_no_replication_connection_is_needed() -> None:
    async with _WithoutSenders() as server:
        app = AppDatabase(await server.create_database())
        await simple(app)
        sql, replication = ways(app, "plain")
        (obstacle,) = await replication.obstacles(T)
        assert "replication connections" in obstacle.what
        assert await sql.obstacles(T) == []
        start = await sql.begin(T)
        await app.execute("INSERT INTO t VALUES (1, 'a')")
        async with sql.stream(start, T) as stream:
            told = await heard(sql, stream)
        assert rows_of(told) == [RowChange("public.t", None, 1, ("a",))]
        await sql.end()
        # What became of the server is noticed at once, before its first checkpoint.
        await app.close()
        start = await sql.begin(T)
        await server.stop()
        await server.run("touch", server.folder / "data" / "standby.signal")
        await server.start()
        await app.execute("SELECT pg_promote()")
        with pytest.raises(StreamLost) as lost:
            async with sql.stream(start, T):
                pass
        assert lost.value.state == "history-changed"
        await app.close()


async def test_the_rights_it_takes(app: AppDatabase) -> None:
    url = DatabaseUrl.parse(app.url)
    user = f"peeker_{url.database}"
    await simple(app)
    await statements(
        app,
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'",
        f"GRANT CREATE ON DATABASE {url.database} TO {user}",
        f"ALTER TABLE t OWNER TO {user}",
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
    )
    mine = DatabaseUrl(url.engine, url.database, url.host, url.port, user, "pw")
    sql = PostgresFollowing(mine, "main", f"P{next(_names)}", CdcOver.SQL)
    try:
        found = await sql.obstacles(T)
        assert [obstacle.what for obstacle in found] == [
            f"the user {user} may not replicate",
            f"the user {user} may not ask which server this is",
        ]
        for obstacle in found:
            await app.execute(obstacle.mend.partition(" (RDS")[0])
        assert await sql.obstacles(T) == []
        start = await sql.begin(T)
        async with sql.stream(start, T) as stream:
            await heard(sql, stream)
        await sql.end()
    finally:
        await statements(app, f"DROP OWNED BY {user} CASCADE", f"DROP ROLE {user}")


class _Pooler:
    """Lets everybody through to a server but those who ask for replication."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        startup = await self._packet(reader)
        if startup[4:8] == (80877103).to_bytes(4, "big"):
            # It wants TLS.
            writer.write(b"N")
            startup = await self._packet(reader)
        if b"replication" in startup:
            error = b"SFATAL\0C08P01\0Munsupported startup parameter: replication\0\0"
            writer.write(b"E" + (len(error) + 4).to_bytes(4, "big") + error)
            writer.close()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        forth.write(startup)
        await asyncio.gather(self._pass(reader, forth), self._pass(back, writer))

    async def _packet(self, reader: asyncio.StreamReader) -> bytes:
        size = await reader.readexactly(4)
        return size + await reader.readexactly(int.from_bytes(size, "big") - 4)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_the_way_out_is_named(app: AppDatabase, postgres: PostgresServer) -> None:
    await simple(app)
    pooler = await asyncio.start_server(_Pooler(postgres.port).client, "127.0.0.1", 0)
    url = DatabaseUrl.parse(app.url)
    port = pooler.sockets[0].getsockname()[1]
    behind = DatabaseUrl(url.engine, url.database, url.host, port, url.user, url.password)
    name = f"P{next(_names)}"
    sql = PostgresFollowing(behind, "main", name, CdcOver.SQL)
    async with pooler:
        (obstacle,) = await PostgresFollowing(behind, "main", name).obstacles(T)
        assert "no replication connection" in obstacle.what
        assert 'cdc_over = "sql"' in obstacle.mend
        assert await sql.obstacles(T) == []
        start = await sql.begin(T)
        async with sql.stream(start, T) as stream:
            await app.execute("INSERT INTO t VALUES (1, 'a')")
            assert rows_of(await heard(sql, stream)) == [RowChange("public.t", None, 1, ("a",))]
        await sql.end()
