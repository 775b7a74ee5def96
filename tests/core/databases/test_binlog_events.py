"""Parts of the decoder without a server: checksums, compression, MySQL's payloads, statements."""

from __future__ import annotations

import zlib

import aiomysql
import pytest
import zstandard

from s3gc_core.databases.binlog_decoder import Decoder
from s3gc_core.databases.binlog_events import (
    ARTIFICIAL,
    Kind,
    Query,
    Undecodable,
    packed,
    parse,
    uncompressed,
)
from s3gc_core.databases.binlog_payload import inner_events
from s3gc_core.databases.binlog_statements import effects
from s3gc_core.databases.binlog_stream import refusal
from s3gc_core.databases.changes import Change, TableAltered, TableEmptied
from s3gc_core.errors import StreamLost, StreamTaken

ALL: list[Change] = [TableAltered(None, "")]
T: list[Change] = [TableAltered("app.t", "")]


def event(kind: int, body: bytes, *, end: int = 0, flags: int = 0, checksum: bool = False) -> bytes:
    size = 19 + len(body) + 4 * checksum
    head = b"\0\0\0\0" + bytes([kind]) + b"\1\0\0\0" + size.to_bytes(4, "little")
    data = head + end.to_bytes(4, "little") + flags.to_bytes(2, "little") + body
    return data + zlib.crc32(data).to_bytes(4, "little") if checksum else data


def head(checksums: int = 1) -> bytes:
    body = b"\4\0" + b"11.0".ljust(50, b"\0") + bytes(4) + bytes([19]) + bytes(40)
    return event(Kind.FORMAT_DESCRIPTION, body + bytes([checksums]), checksum=True)


def decoder(offset: int = 500) -> Decoder:
    return Decoder("name", "binlog", 1, offset, {"app.t": ("k",)}, {}, {})


def begun(offset: int = 500) -> Decoder:
    found = decoder(offset)
    assert list(found.packet(head())) == []
    return found


def told(found: Decoder, data: bytes) -> list[Change]:
    return [change for part in found.packet(data) for change in part]


def gtid(at: int, flags: int = 1) -> bytes:
    body = bytes(12) + bytes([flags]) + bytes(6)
    return event(Kind.MARIADB_GTID, body, end=(at + 42) % (1 << 32), checksum=True)


def statement(at: int, text: str) -> bytes:
    body = bytes(8) + b"\3" + bytes(4) + b"app\0" + text.encode()
    size = 19 + len(body) + 4
    return event(Kind.QUERY, body, end=(at + size) % (1 << 32), checksum=True)


def test_a_broken_checksum_or_length_is_refused() -> None:
    data = event(Kind.XID, bytes(8), end=5, checksum=True)
    assert parse(data, True).kind is Kind.XID
    for broken in (data[:25] + b"x" + data[26:], data[:-1], data + b"\0", b""):
        with pytest.raises(Undecodable):
            parse(broken, True)


@pytest.mark.parametrize("kind", [0, 1, 20, 21, 22, 39, 43, 99, 159, 172, 255])
def test_an_event_of_no_known_type_ends_the_stream(kind: int) -> None:
    with pytest.raises(StreamLost) as lost:
        told(begun(), event(kind, bytes(9), end=532, checksum=True))
    assert lost.value.state == "decoding"


def test_an_incident_ends_the_stream() -> None:
    with pytest.raises(StreamLost) as lost:
        told(begun(), event(Kind.INCIDENT, b"\1\0", end=525, checksum=True))
    assert lost.value.state == "incident"


def test_offsets_go_on_beyond_32_bits_and_never_jump() -> None:
    at = (1 << 32) - 42
    found = begun(at)
    assert told(found, gtid(at)) == []
    (altered, commit) = told(found, statement(1 << 32, "CALL x()"))
    assert isinstance(altered, TableAltered)
    assert commit.position == f"0000000001:{(1 << 32) + 19 + 17 + 8 + 4:012d}"  # type: ignore[union-attr]
    for wrong in (499, 501):
        with pytest.raises(StreamLost):
            told(begun(), gtid(wrong))


def test_transactions_neither_overlap_nor_span_files() -> None:
    found = begun()
    told(found, gtid(500, 0))
    with pytest.raises(StreamLost):
        told(found, gtid(542, 0))
    found = begun()
    told(found, gtid(500, 0))
    rotate = event(Kind.ROTATE, (4).to_bytes(8, "little") + b"binlog.000002", flags=ARTIFICIAL)
    with pytest.raises(StreamLost):
        told(found, rotate)
    found = begun()
    assert told(found, rotate) == []
    assert found.position == "0000000002:000000000004"
    for name in (b"binlog.000004", b"other.000003", b"binlog.000001"):
        with pytest.raises(StreamLost):
            told(found, event(Kind.ROTATE, (4).to_bytes(8, "little") + name, flags=ARTIFICIAL))


def test_compressed_bytes_are_as_long_as_they_say() -> None:
    plain = b"abc" * 1000
    packed_ = b"\x82" + len(plain).to_bytes(2, "big") + zlib.compress(plain)
    assert uncompressed(packed_) == plain
    wrong = b"\x82" + (len(plain) - 1).to_bytes(2, "big") + zlib.compress(plain)
    for data in (wrong, packed_[:-9], b"\x92" + packed_[1:], b"", b"\x80"):
        with pytest.raises(Undecodable):
            uncompressed(data)


def payload(inner: bytes, kind: int, total: int | None = None) -> bytes:
    data = zstandard.ZstdCompressor().compress(inner) if kind == 0 else inner
    size = len(inner) if total is None else total
    fields = b""
    for number, value in ((2, kind), (3, size), (1, len(data))):
        text = bytes([value]) if value < 251 else b"\xfd" + value.to_bytes(3, "little")
        fields += bytes([number, len(text)]) + text
    return fields + b"\0" + data


@pytest.mark.parametrize("kind", [0, 255])
def test_the_events_of_a_compressed_transaction_are_found(kind: int) -> None:
    """Also of one that MySQL put into such an event and left as it was."""
    inner = [event(Kind.QUERY, bytes([n % 256]) * 3000) for n in range(300)]
    found = inner_events(payload(b"".join(inner), kind))
    assert [e.body for e in found] == [data[19:] for data in inner]


def test_a_compressed_transaction_that_is_cut_is_refused() -> None:
    inner = event(Kind.QUERY, bytes(300)) * 3
    for body in (
        payload(inner[:-1], 0),
        payload(inner, 0, len(inner) + 1),
        payload(inner, 0)[:-3],
        payload(inner, 7),
        b"\x09\1\1\0",
    ):
        with pytest.raises((Undecodable, IndexError)):
            list(inner_events(body))


def test_lengths_are_read_in_all_widths() -> None:
    for value, data in ((250, b"\xfa"), (300, b"\xfc\x2c\1"), (1 << 20, b"\xfd\0\0\x10")):
        assert packed(data, 0) == (value, len(data))
    for wrong in (b"\xfb", b"\xff", b"\xfc\1"):
        with pytest.raises(Undecodable):
            packed(wrong, 0)


STATEMENTS: dict[str, list[Change]] = {
    "INSERT INTO x VALUES (1)": ALL,
    "CALL p()": ALL,
    "SELECT f()": ALL,
    "LOAD DATA INFILE 'x' INTO TABLE y": ALL,
    "CREATE TABLE x SELECT f(1)": ALL,
    "/*!50001 ALTER TABLE x ADD y INT */": ALL,
    "nonsense": ALL,
    "": ALL,
    "ALTER TABLE t ADD x INT": T,
    "ALTER TABLE app.T ADD x INT": T,
    "/* by a tool */ alter table `t` add x int": T,
    "ALTER TABLE x EXCHANGE PARTITION p WITH TABLE t": T,
    "RENAME TABLE x TO t": T,
    "DROP TABLE a, b, t": T,
    "DROP DATABASE app": T,
    "CREATE OR REPLACE DATABASE app": T,
    "CREATE TABLE IF NOT EXISTS t (id INT)": T,
    "TRUNCATE t PARTITION (p)": T,
    "TRUNCATE TABLE T": T,
    "TRUNCATE TABLE t": [TableEmptied("app.t")],
    "truncate `app`.`t` ;": [TableEmptied("app.t")],
    "TRUNCATE TABLE other.t": [],
    "TRUNCATE TABLE t2": [],
    "ALTER TABLE t2 ADD x INT": [],
    "ALTER TABLE users_t ADD x INT": [],
    "CREATE USER t": [],
    "GRANT ALL ON app.t TO x": [],
    "CREATE TEMPORARY TABLE t (id INT)": [],
    "DROP TEMPORARY TABLE IF EXISTS `t` /* generated by server */": [],
    "ANALYZE TABLE t": [],
    "FLUSH TABLES": [],
}


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_a_statement_may_have_done(text: str) -> None:
    found = effects(Query("app", text.encode()), ["app.t"])
    assert [TableAltered(c.table, "") if isinstance(c, TableAltered) else c for c in found] == (
        STATEMENTS[text]
    )


def test_a_statement_of_another_schema_is_another_table() -> None:
    assert effects(Query("other", b"ALTER TABLE t ADD x INT"), ["app.t"]) == []
    assert effects(Query("other", b"ALTER TABLE app.t ADD x INT"), ["app.t"]) != []
    assert effects(Query("app", b"ALTER TABLE \xff ADD x INT"), ["app.t"]) == [
        TableAltered(None, "a statement that cannot be read")
    ]


def test_errors_of_the_dump_are_told_apart() -> None:
    for code, text, state in (
        (1236, "Could not find first log file name in binary log index file", "binlog-purged"),
        (1236, "Client requested source to start from position > file size", "position-impossible"),
        (1236, "log event entry exceeded max_allowed_packet", "binlog-refused"),
    ):
        error = refusal("x", aiomysql.OperationalError(code, text))
        assert isinstance(error, StreamLost)
        assert error.state == state
    for code, text in ((4052, "x"), (1236, "A replica with the same server_uuid/server_id ...")):
        assert isinstance(refusal("x", aiomysql.OperationalError(code, text)), StreamTaken)
