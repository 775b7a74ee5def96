"""The decoder alone, message by message: what it makes of them, and what it refuses."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.databases import (
    Beat,
    Change,
    Commit,
    RowChange,
    TableAltered,
    TableEmptied,
    Untold,
)
from s3gc_core.databases.pgoutput import Decoder
from s3gc_core.databases.pgoutput_rows import Column, Followed
from s3gc_core.errors import StreamLost

UNCHANGED = "unchanged"
Cell = str | None | bytes


def followed(**other: object) -> Followed:
    fields: dict[str, object] = {
        "table": "public.t",
        "oid": 7,
        "schema": "public",
        "name": "t",
        "identity": "d",
        "columns": (
            Column("id", True, 23, -1),
            Column("wide", False, 25, -1),
            Column("k", False, 1043, 13),
        ),
        "key": (("id", int),),
        "values": (("k", bytes.decode),),
        "fills": False,
    }
    return Followed(**(fields | other))  # type: ignore[arg-type]


PAIR = followed(
    table="public.p",
    oid=8,
    name="p",
    columns=(Column("a", True, 23, -1), Column("b", True, 25, -1), Column("k", False, 25, -1)),
    key=(("b", bytes.decode), ("a", int)),
)
FULL = followed(
    table="public.f",
    oid=9,
    name="f",
    identity="f",
    columns=(Column("id", True, 23, -1), Column("k", True, 25, -1)),
    fills=True,
)
HEARTBEAT = Followed(
    "s3gc.heartbeat",
    5,
    "s3gc",
    "heartbeat",
    "d",
    (
        Column("name", True, 25, -1),
        Column("counter", False, 20, -1),
        Column("token", False, 25, -1),
        Column("previous", False, 25, -1),
    ),
    (("name", bytes.decode),),
    (("counter", bytes.decode), ("token", bytes.decode), ("previous", bytes.decode)),
    False,
)


def relation(table: Followed, **other: object) -> bytes:
    """How the server announces a table."""
    oid = other.get("oid", table.oid)
    schema, name = other.get("schema", table.schema), other.get("name", table.name)
    columns = other.get("columns", table.columns)
    identity = other.get("identity", table.identity)
    assert isinstance(columns, tuple)
    parts = [b"R", pack(">I", oid), f"{schema}\0{name}\0{identity}".encode()]
    parts.append(pack(">H", len(columns)))
    for column in columns:
        parts.append(bytes([column.is_key]) + column.name.encode() + b"\0")
        parts.append(pack(">Ii", column.type, column.modifier))
    return b"".join(parts)


def row(*cells: Cell) -> bytes:
    parts = [pack(">H", len(cells))]
    for cell in cells:
        if cell is None:
            parts.append(b"n")
        elif cell is UNCHANGED:
            parts.append(b"u")
        else:
            data = cell if isinstance(cell, bytes) else cell.encode()
            parts.append(b"t" + pack(">I", len(data)) + data)
    return b"".join(parts)


def insert(table: Followed, *cells: Cell) -> bytes:
    return b"I" + pack(">I", table.oid) + b"N" + row(*cells)


def update(table: Followed, new: bytes, old: bytes = b"", kind: bytes = b"K") -> bytes:
    return b"U" + pack(">I", table.oid) + (kind + old if old else b"") + b"N" + new


def delete(table: Followed, old: bytes, kind: bytes = b"K") -> bytes:
    return b"D" + pack(">I", table.oid) + kind + old


def begin(lsn: int) -> bytes:
    return b"B" + pack(">QqI", lsn, 0, 700)


def commit(lsn: int, end: int, microseconds: int) -> bytes:
    return b"C" + pack(">BQQq", 0, lsn, end, microseconds)


def decoder() -> Decoder:
    made = Decoder([followed(), PAIR, FULL], HEARTBEAT, "mine")
    for table in (followed(), PAIR, FULL, HEARTBEAT):
        assert told(made, relation(table)) == []
    return made


def told(made: Decoder, *messages: bytes) -> list[Change]:
    out: list[Change] = []
    for message in messages:
        made.feed(message, out)
    return out


def test_rows() -> None:
    t = followed()
    assert told(
        decoder(),
        insert(t, "1", None, "a"),
        update(t, row("1", UNCHANGED, None)),
        update(t, row("2", "w", UNCHANGED), row("1", None, None)),
        delete(t, row("2", None, None)),
        insert(PAIR, "-5", 'a"é', "k"),
    ) == [
        RowChange("public.t", None, 1, ("a",)),
        RowChange("public.t", 1, 1, (None,)),
        RowChange("public.t", 1, 2, (Untold.UNCHANGED,)),
        RowChange("public.t", 2, None, ()),
        # In the order of the key, not of the columns.
        RowChange("public.p", None, '["a\\"é",-5]', ("k",)),
    ]


def test_an_integer_that_the_registry_cannot_hold_is_a_text() -> None:
    t = followed()
    least = -(2**63)
    (least_change, next_change) = told(
        decoder(), insert(t, str(least), None, "a"), insert(t, str(least + 1), None, "a")
    )
    assert isinstance(least_change, RowChange)
    assert least_change.after == str(least)
    assert isinstance(next_change, RowChange)
    assert next_change.after == least + 1


def test_an_old_row_that_is_full_tells_what_the_new_one_leaves_out() -> None:
    new, old = row("1", UNCHANGED), row("1", "was")
    assert told(decoder(), update(FULL, new, old, b"O")) == [RowChange("public.f", 1, 1, ("was",))]
    # As a key it holds NULL in all other columns.
    assert told(decoder(), update(FULL, new, row("1", None))) == [
        RowChange("public.f", 1, 1, (Untold.UNCHANGED,))
    ]
    t = followed()
    assert told(decoder(), update(t, row("1", None, UNCHANGED), row("1", None, None), b"O")) == [
        RowChange("public.t", 1, 1, (Untold.UNCHANGED,))
    ]


def test_a_long_key_that_did_not_change_is_in_the_old_row_only() -> None:
    new, old = row("1", UNCHANGED, "new"), row("1", "long", None)
    assert told(decoder(), update(PAIR, new, old)) == [
        RowChange("public.p", '["long",1]', '["long",1]', ("new",))
    ]
    made = decoder()
    (altered,) = told(made, update(PAIR, new), insert(PAIR, "1", "b", "c"))
    assert altered == TableAltered("public.p", "a row came without its primary key")


def test_a_transaction_and_a_beat() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    made = decoder()
    microseconds = int((at - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
    assert told(
        made,
        begin(0x1_0000_00AB),
        update(HEARTBEAT, row("other", "3", "x", "y")),
        update(HEARTBEAT, row("mine", "8", "new", "old")),
        b"Y" + b"anything",
        b"O" + b"anything",
        b"M" + b"anything",
        commit(0x1_0000_00AB, 0x1_0000_00FF, microseconds + 678901),
    ) == [
        Beat(8, "new", "old", "00000001000000AB"),
        Commit("00000001000000FF", at, "700"),
    ]
    assert made.told == "00000001000000AB"


def test_a_truncation() -> None:
    message = b"T" + pack(">IBII", 2, 0, 9, 7)
    assert told(decoder(), message) == [TableEmptied("public.f"), TableEmptied("public.t")]


@pytest.mark.parametrize(
    "message",
    [
        delete(HEARTBEAT, row("mine", None, None, None)),
        update(HEARTBEAT, row("else", "1", "b", "a"), row("mine", None, None, None)),
        b"T" + pack(">IBI", 1, 0, 5),
    ],
)
def test_a_heartbeat_that_goes_away_ends_the_stream(message: bytes) -> None:
    with pytest.raises(StreamLost) as lost:
        told(decoder(), message)
    assert lost.value.state == "heartbeat-missing"
    assert told(decoder(), delete(HEARTBEAT, row("other", None, None, None))) == []


@pytest.mark.parametrize(
    "other",
    [
        {"oid": 77},
        {"name": "renamed"},
        {"schema": "elsewhere"},
        {"identity": "f"},
        {"columns": followed().columns[:2]},
        {"columns": (*followed().columns, Column("more", False, 25, -1))},
        {"columns": followed().columns[::-1]},
        {"columns": (Column("id", True, 20, -1), *followed().columns[1:])},
        {"columns": (Column("id", False, 23, -1), *followed().columns[1:])},
        {"columns": (*followed().columns[:2], Column("k", False, 1043, 14))},
    ],
)
def test_a_table_with_another_layout_is_not_decoded_any_more(other: dict[str, object]) -> None:
    t = followed()
    made = decoder()
    (altered,) = told(made, relation(t, **other))
    assert isinstance(altered, TableAltered)
    assert altered.table == "public.t"
    # Neither as it is now nor as it was, while others go on.
    assert told(
        made, insert(t, "1", None, "a"), relation(t), insert(t, "1", None, "a"), relation(FULL)
    ) == ([])
    assert told(made, insert(FULL, "1", "a")) == [RowChange("public.f", None, 1, ("a",))]


def test_an_altered_heartbeat_ends_the_stream() -> None:
    with pytest.raises(StreamLost) as lost:
        told(decoder(), relation(HEARTBEAT, columns=HEARTBEAT.columns[:3]))
    assert lost.value.state == "publication-changed"


def test_other_tables_are_left_out() -> None:
    other = followed(oid=99, name="other")
    assert told(
        decoder(),
        relation(other),
        insert(other, "1", None, "a"),
        update(other, row("x")),
        delete(other, row("x")),
        b"T" + pack(">IBI", 1, 0, 99),
    ) == ([])


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"S" + bytes(20),  # of a later version of the protocol
        b"I" + pack(">I", 1234) + b"N" + row("1"),  # never announced
        insert(followed(), "1", "a"),
        insert(followed(), "1", None, "a")[:-1],
        insert(followed(), "1", None, "a").replace(b"N", b"K"),
        insert(followed(), "1", None, "a").replace(b"t", b"b", 1),
        insert(followed(), "one", None, "a"),
        insert(followed(), "1", None, b"\xff"),
        update(followed(), row("1", None, "a")).replace(b"N", b"X"),
        update(followed(), row("1", None, "a"), row("1", None, None)).replace(b"N", b"K"),
        delete(followed(), row("1", None, None), b"N"),
        update(HEARTBEAT, row("mine", "1", UNCHANGED, "a")),
        b"C" + bytes(5),
        b"R" + pack(">I", 7) + b"public",
    ],
)
def test_what_is_not_understood_ends_the_stream(message: bytes) -> None:
    with pytest.raises(StreamLost) as lost:
        told(decoder(), message)
    assert lost.value.state == "decoding"


@given(st.binary(max_size=60))
def test_no_message_brings_another_error(data: bytes) -> None:
    made = decoder()
    with suppress(StreamLost):
        told(made, data)
