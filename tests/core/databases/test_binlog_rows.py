"""Our decoder against the tables themselves, and against another reader of the same log."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent

from s3gc_core.databases import UNTOLD, Row, RowChange, RowId, Start, TableRead
from tests.core.databases.following_mysql import Followed, row_changes
from tests.core.databases.reading import all_rows
from tests.servers.mariadb import PASSWORD, USER

# Column type, the SQL of some values, and whether its values are told.
COLUMNS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "vc": ("VARCHAR(300)", tuple(map(repr, ("a", "", " b ", "é", "🔑", "x" * 290))), True),
    "vl": ("VARCHAR(200) CHARACTER SET latin1", ("'é'", "'€ '", "'a'"), True),
    "va": ("VARCHAR(20) CHARACTER SET ascii", ("'a'", "''"), True),
    "vu": ("VARCHAR(20) CHARACTER SET utf16", ("'é🔑'", "''"), True),
    "vw": ("VARCHAR(20) CHARACTER SET ucs2", ("'é'", "''"), True),
    "vg": ("VARCHAR(20) CHARACTER SET gbk", ("'a'", "''"), False),
    "ch": ("CHAR(9)", ("'a'", "' a '", "'é'"), True),
    "cx": ("CHAR(200)", ("'a'", "REPEAT('é', 200)"), True),
    "tt": ("TINYTEXT", ("'a'", "''"), True),
    "te": ("TEXT", ("'a'", "REPEAT('x', 5000)"), True),
    "lt": ("LONGTEXT", ("'a'", "REPEAT('y', 70000)"), True),
    "js": ("JSON", ('\'{"k": [1, "é"]}\'',), True),
    "bi": ("BINARY(5)", ("x'00ff00'", "x''", "x'2020'"), True),
    "vb": ("VARBINARY(300)", ("x'00ff00'", "x''", "REPEAT('z', 300)"), True),
    "bl": ("BLOB", ("x'00'", "x'ff2000'"), True),
    "ti": ("TINYINT", ("-128", "0", "127"), True),
    "su": ("SMALLINT UNSIGNED", ("65535", "0"), True),
    "mi": ("MEDIUMINT", ("-8388608", "8388607"), True),
    "iz": ("INT(5) ZEROFILL", ("42",), False),
    "bu": ("BIGINT UNSIGNED", ("18446744073709551615", "0"), True),
    "de": ("DECIMAL(30,7)", ("-12345.6789",), False),
    "fl": ("FLOAT", ("1.5",), False),
    "db": ("DOUBLE", ("1e300",), False),
    "da": ("DATE", ("'2026-01-02'",), False),
    "dt": ("DATETIME(3)", ("'2026-01-02 03:04:05.678'",), False),
    "ts": ("TIMESTAMP(6) NULL", ("'2026-01-02 03:04:05.678901'",), False),
    "tm": ("TIME(2)", ("'-26:00:00.25'",), False),
    "ye": ("YEAR", ("2026",), False),
    "en": ("ENUM('x','y')", ("'y'",), False),
    "se": ("SET('x','y')", ("'x,y'",), False),
    "bt": ("BIT(12)", ("5",), False),
    "uu": ("UUID", ("'0b0e3d2c-0000-4000-8000-00000000000a'",), False),
    "ip": ("INET6", ("'::1'",), False),
}
KEYS = {
    "INT": ("-5", "0", "7", "2147483647"),
    "BIGINT UNSIGNED": ("1", "9223372036854775807", "9223372036854775808", "18446744073709551615"),
    "VARCHAR(40)": ("'a'", "'é'", "'key/1'", "''"),
    "CHAR(9) CHARACTER SET latin1": ("'a'", "'é'", "' b'"),
    "BINARY(4)": ("x'00ff0000'", "x'00'", "x'20'"),
    "VARBINARY(9)": ("x''", "x'00'", "x'0000'"),
    "DATE": ("'2026-01-02'", "'1000-01-01'", "'9999-12-31'"),
    "DATETIME": ("'2026-01-02 03:04:05'", "'1000-01-01'", "'9999-12-31 23:59:59'"),
    "DATETIME(3)": ("'2026-01-02 03:04:05.678'", "'2026-01-02 03:04:05'"),
    "DATETIME(6)": ("'2026-01-02 03:04:05.000001'", "'2026-01-02 03:04:05.999999'"),
}


def replayed(changes: list[RowChange]) -> dict[RowId, tuple[object, ...]]:
    """The table as the changes leave it."""
    rows: dict[RowId, tuple[object, ...]] = {}
    for change in changes:
        if change.before is not None:
            del rows[change.before]
        if change.after is not None:
            assert change.after not in rows
            rows[change.after] = change.values
    return rows


def equal_or_untold(told: tuple[object, ...], row: Row) -> bool:
    pairs = zip(told, row.values, strict=True)
    return all(a is UNTOLD or (a == b and type(a) is type(b)) for a, b in pairs)


@pytest.mark.filterwarnings("ignore:'db' is deprecated")  # the other reader's
@pytest.mark.parametrize("seed", range(3))
async def test_random_changes_of_every_type_are_those_of_the_table(db: Followed, seed: int) -> None:
    chance = random.Random(seed)
    names = list(COLUMNS)
    columns = ", ".join(f"{name} {COLUMNS[name][0]} NULL" for name in names)
    await db.app.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})")
    start = await db.following.begin([db.watched("t", *names)])

    def value(name: str) -> str:
        return "NULL" if chance.random() < 0.3 else chance.choice(COLUMNS[name][1])

    ids: list[int] = []
    for step in range(60):
        if not ids or chance.random() < 0.5:
            ids.append(step)
            values = ", ".join(map(value, names))
            await db.app.execute(f"INSERT INTO t VALUES ({step}, {values})")
        elif chance.random() < 0.6:
            some = chance.sample(names, 4)
            parts = ", ".join(f"{name} = {value(name)}" for name in some)
            await db.app.execute(f"UPDATE t SET {parts} WHERE id % 3 = {step % 3}")
        elif chance.random() < 0.5:
            old = ids.pop(chance.randrange(len(ids)))
            ids.append(1000 + step)
            await db.app.execute(f"UPDATE t SET id = {ids[-1]} WHERE id = {old}")
        else:
            old = ids.pop(chance.randrange(len(ids)))
            await db.app.execute(f"DELETE FROM t WHERE id = {old}")
    told = await db.told(start, db.watched("t", *names))
    changes = row_changes(told)
    assert len(changes) == len(told)
    left = replayed(changes)
    rows = await all_rows(db.url.render(), "t", *names)
    assert sorted(left) == sorted(row.id for row in rows) == sorted(ids)
    assert [row.id for row in rows if not equal_or_untold(left[row.id], row)] == []
    for place, name in enumerate(names):
        seen = [change.values[place] for change in changes if change.values]
        untold = [value for value in seen if value is UNTOLD]
        filled = [value for value in seen if value is not None]
        assert untold == ([] if COLUMNS[name][2] else filled), name
    assert [shape(change) for change in changes] == await others(db, start)


def shape(change: RowChange) -> tuple[object, object, object]:
    values = dict(zip(COLUMNS, change.values, strict=True)) if change.values else {}
    return change.before, change.after, values.get("te")


async def others(db: Followed, start: Start) -> list[tuple[object, object, object]]:
    """The same from mysql-replication."""
    index, offset = map(int, start.position.split(":"))

    def read() -> list[tuple[object, object, object]]:
        reader = BinLogStreamReader(
            connection_settings={
                "host": "127.0.0.1",
                "port": db.url.port,
                "user": USER,
                "password": PASSWORD,
            },
            server_id=4_711,
            blocking=False,
            log_file=f"binlog.{index:06d}",
            log_pos=offset,
            resume_stream=True,
            only_schemas=[db.schema],
            only_events=[DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent],
        )
        found: list[tuple[object, object, object]] = []
        try:
            for event in reader:
                for row in event.rows:
                    found.append(other(row, isinstance(event, DeleteRowsEvent)))
        finally:
            reader.close()
        return found

    return await asyncio.to_thread(read)


def other(row: dict[str, Any], is_deletion: bool) -> tuple[object, object, object]:
    if "after_values" in row:
        after = row["after_values"]
        return row["before_values"]["id"], after["id"], after["te"]
    if is_deletion:
        return row["values"]["id"], None, None
    return None, row["values"]["id"], row["values"]["te"]


@pytest.mark.parametrize("kind", KEYS)
async def test_identities_are_those_of_a_read(db: Followed, kind: str) -> None:
    await db.app.execute(f"CREATE TABLE one (id {kind} PRIMARY KEY, k TEXT)")
    await db.app.execute(f"CREATE TABLE two (k TEXT, n INT, id {kind}, PRIMARY KEY (id, n))")
    watched = [db.watched("one", "k", "id"), db.watched("two", "k")]
    start = await db.following.begin(watched)
    for value in KEYS[kind]:
        await db.app.execute(f"INSERT INTO one VALUES ({value}, 'x')")
        await db.app.execute(f"INSERT INTO two VALUES ('x', 5, {value})")
    told = row_changes(await db.told(start, *watched))
    for table in ("one", "two"):
        ids = {c.after for c in told if c.table == f"{db.schema}.{table}"}
        rows = {row.id for row in await all_rows(db.url.render(), table, "k")}
        assert ids == rows
        assert len(rows) == len(KEYS[kind])
        read = db.following.rows(TableRead(table, ("k",)), sorted(rows, key=str))
        assert {row.id async for page in read for row in page} == rows


async def test_a_compressed_column_is_not_told(db: Followed) -> None:
    columns = "v VARCHAR(200) COMPRESSED, w TEXT COMPRESSED, b BLOB COMPRESSED, k TEXT"
    await db.app.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})")
    watched = db.watched("t", "v", "w", "b", "k")
    start = await db.following.begin([watched])
    long = "REPEAT('q', 150)"
    await db.app.execute(f"INSERT INTO t VALUES (1, {long}, {long}, {long}, 'x')")
    await db.app.execute("INSERT INTO t VALUES (2, NULL, NULL, NULL, 'y')")
    assert await db.told(start, watched) == [
        RowChange(watched.table, None, 1, (UNTOLD, UNTOLD, UNTOLD, "x")),
        RowChange(watched.table, None, 2, (None, None, None, "y")),
    ]
