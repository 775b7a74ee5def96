"""The reader of MySQL's row packets: any bytes, cut anywhere; and what breaks is never an end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import aiomysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.databases import DatabaseUrl
from s3gc_core.databases.mysql_connection import connect, fetch
from s3gc_core.databases.mysql_rows import ResultRows
from s3gc_core.errors import DatabaseUnreachable
from tests.core.databases.reading import all_rows, opened, read, rest
from tests.servers.app_database import AppDatabase

EOF = b"\xfe\x00\x00\x02\x00"
ERROR = b"\xff\x25\x05#70100Query execution was interrupted"
SequenceOfRows = Sequence[tuple[bytes | None, ...]]


@pytest.fixture
def app(on_mariadb: AppDatabase) -> AppDatabase:
    return on_mariadb


def text_row(values: Sequence[bytes | None]) -> bytes:
    """A row of the text protocol."""
    parts = []
    for value in values:
        if value is None:
            parts.append(b"\xfb")
            continue
        size = len(value)
        if size < 251:
            head = bytes([size])
        elif size < 1 << 16:
            head = b"\xfc" + size.to_bytes(2, "little")
        else:
            head = b"\xfd" + size.to_bytes(3, "little")
        parts.append(head + value)
    return b"".join(parts)


def packets(payloads: Sequence[bytes], first: int = 5) -> bytes:
    return b"".join(
        len(payload).to_bytes(3, "little") + bytes([(first + i) % 256]) + payload
        for i, payload in enumerate(payloads)
    )


class Result(SimpleNamespace):
    """What the reader uses of the driver's own result."""

    unbuffered_active = True

    def _check_packet_is_eof(self, packet: Any) -> bool:
        return bool(packet.is_eof_packet())


def reader_of(stream: asyncio.StreamReader, columns: int) -> ResultRows:
    connection: Any = SimpleNamespace(_reader=stream, _next_seq_id=5, encoding="utf8")
    return ResultRows(connection, SimpleNamespace(_result=Result(field_count=columns)))


def transposed(columns: Sequence[Sequence[bytes | None]]) -> list[tuple[bytes | None, ...]]:
    return list(zip(*columns, strict=True))


async def feed(stream: asyncio.StreamReader, data: bytes, cuts: Sequence[int]) -> None:
    at = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        if data[at:cut]:
            stream.feed_data(data[at:cut])
        at = cut
        await asyncio.sleep(0)
    stream.feed_eof()


VALUES = (
    st.none()
    | st.binary(max_size=4)
    | st.sampled_from(
        [b"x" * n for n in (8, 249, 250, 251, 252, 253, 254, 255, 256, 65_535, 65_536)]
    )
)
ROWS = st.integers(1, 4).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[VALUES] * n), max_size=12))
)


@given(table=ROWS, cuts=st.lists(st.integers(0, 1 << 20), max_size=12), count=st.integers(1, 9))
def test_rows_come_as_they_were_sent_however_they_arrive(
    table: tuple[int, SequenceOfRows], cuts: list[int], count: int
) -> None:
    width, rows = table
    data = packets([*map(text_row, rows), EOF])

    async def run() -> tuple[list[tuple[bytes | None, ...]], bool]:
        stream = asyncio.StreamReader()
        feeding = asyncio.create_task(feed(stream, data, cuts))
        found = reader_of(stream, width)
        got: list[tuple[bytes | None, ...]] = []
        while page := transposed(await found.fetch(count)):
            assert len(page) == count or found.ended
            got += page
        await feeding
        return got, found.ended

    assert asyncio.run(run()) == (list(rows), True)


@given(table=ROWS, data=st.data())
def test_a_stream_that_stops_is_never_an_end(
    table: tuple[int, SequenceOfRows], data: st.DataObject
) -> None:
    width, rows = table
    whole = packets([*map(text_row, rows), EOF])
    kept = data.draw(st.integers(0, len(whole) - 1))

    async def run() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(whole[:kept])
        stream.feed_eof()
        found = reader_of(stream, width)
        with pytest.raises(aiomysql.OperationalError, match="left in the middle"):
            await found.drain()
        assert not found.ended

    asyncio.run(run())


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packets([ERROR]), "interrupted"),
        (packets([EOF], first=7), "out of sequence"),
        (packets([text_row([b"a", b"b", b"c"]), EOF]), "malformed"),
        (packets([b"\x05abc", EOF]), "malformed"),
        (packets([b""]), "malformed"),
        (packets([b"\xfc"]), "malformed"),
        (packets([b"\x01a" * 2, b"\x01a"]), "malformed"),
        (packets([b"\x01a\xff"]), "malformed"),
    ],
    ids=["error", "sequence", "columns", "length", "empty", "cut", "few", "mark"],
)
async def test_what_breaks_raises(data: bytes, message: str, width: int) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    with pytest.raises(aiomysql.Error, match=message):
        await reader_of(stream, width).drain()


@pytest.mark.parametrize("size", [16_777_208, 16_777_209, 16_777_210, 40_000_000])
async def test_rows_of_several_packets(app: AppDatabase, size: int) -> None:
    # With 16_777_209 the row fills a packet exactly, and an empty one follows.
    ((before,),) = await app.execute("SELECT @@global.max_allowed_packet")
    await app.execute("SET GLOBAL max_allowed_packet = 67108864")
    try:
        connection = await connect(DatabaseUrl.parse(app.url), app.url)
        try:
            query = f"SELECT 1, REPEAT('x', {size}) UNION ALL SELECT 2, 'y'"
            found = await ResultRows.start(connection, query)
            ids, values = await found.fetch(10)
            assert (ids, found.ended) == ([b"1", b"2"], True)
            assert [len(value or b"") for value in values] == [size, 1]
            # Nothing of the result is left over.
            assert await fetch(connection, "SELECT 'next'") == [("next",)]
        finally:
            connection.close()
    finally:
        await app.execute(f"SET GLOBAL max_allowed_packet = {before}")


async def test_a_server_that_goes_away_in_the_middle_is_no_end(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(99))")
    await app.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x" * 90) for i in range(60_000)])
    async with opened(app.url).snapshot() as snapshot:
        thread = snapshot._connection.thread_id()  # type: ignore[attr-defined]
        stream = snapshot.rows(read("t", "k"))
        assert len(await anext(stream)) == 200
        await app.execute(f"KILL CONNECTION {thread}")
        with pytest.raises(DatabaseUnreachable):
            await rest(stream)


async def test_numbers_and_bytes_of_a_mixed_key(app: AppDatabase) -> None:
    await app.execute(
        "CREATE TABLE t (n BIGINT, b BINARY(2), s CHAR(2), k TEXT, PRIMARY KEY (n, b, s))"
    )
    await app.execute("INSERT INTO t VALUES (7, x'00ff', 'é', NULL)")
    (row,) = await all_rows(app.url, "t", "k")
    assert (row.id, row.values) == ('[7,"0x00ff","é"]', (None,))
