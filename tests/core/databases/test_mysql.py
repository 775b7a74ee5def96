"""What only MySQL and MariaDB have: types, engines, limits that cut silently, TLS that may lack."""

from __future__ import annotations

import pytest

from s3gc_core.databases import DatabaseUrl, Row
from s3gc_core.databases.mysql_connection import Connection
from s3gc_core.errors import DatabaseUnreachable, SourceMissing, SourceUnreadable
from tests.core.databases.reading import all_rows, opened, pages, read, rest, shape, values
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer


@pytest.fixture
def app(on_mariadb: AppDatabase) -> AppDatabase:
    return on_mariadb


async def test_every_type_has_its_text(app: AppDatabase) -> None:
    cases: dict[str, tuple[str, str | bytes]] = {
        "CHAR(9)": ("'a'", "a"),
        "VARCHAR(9) CHARACTER SET latin1": ("'é'", "é"),
        "VARCHAR(9) CHARACTER SET utf16": ("'é🔑'", "é🔑"),
        "TINYTEXT": ("''", ""),
        "TEXT": ("'a'", "a"),
        "MEDIUMTEXT": ("'a'", "a"),
        "LONGTEXT": ("'a'", "a"),
        "JSON": ("'[\"a\\\\/b\"]'", '["a\\/b"]'),
        "ENUM('x','y')": ("'y'", "y"),
        "SET('x','y')": ("'x,y'", "x,y"),
        "INT": ("-5", "-5"),
        "BIGINT UNSIGNED": ("18446744073709551615", "18446744073709551615"),
        "INT(5) ZEROFILL": ("42", "00042"),
        "DECIMAL(30,2)": ("1234567890123456789.5", "1234567890123456789.50"),
        "DOUBLE": ("0.1", "0.1"),
        "DATE": ("'2026-01-02'", "2026-01-02"),
        "DATETIME": ("'2026-01-02 03:04:05'", "2026-01-02 03:04:05"),
        "TIME": ("'-26:00:00'", "-26:00:00"),
        "YEAR": ("2026", "2026"),
        "BIT(12)": ("b'101000000001'", "2561"),
        "UUID": ("'0b0e3d2c-0000-4000-8000-00000000000a'", "0b0e3d2c-0000-4000-8000-00000000000a"),
        "INET6": ("'::1'", "::1"),
        "BINARY(3)": ("x'00ff61'", b"\x00\xff\x61"),
        "VARBINARY(9)": ("x'ff'", b"\xff"),
        "TINYBLOB": ("x'ff'", b"\xff"),
        "LONGBLOB": ("''", b""),
        "TEXT CHARACTER SET binary": ("x'ff'", b"\xff"),
    }
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(cases))
    await app.execute(f"CREATE TABLE t (id INT PRIMARY KEY, {columns})")
    await app.execute(f"INSERT INTO t VALUES (1, {', '.join(v for v, _ in cases.values())})")
    (row,) = await all_rows(app.url, "t", *(f"c{i}" for i in range(len(cases))))
    assert dict(zip(cases, row.values, strict=True)) == {
        kind: expected for kind, (_, expected) in cases.items()
    }


async def test_a_type_without_a_text_is_refused_by_name(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, place POINT, k TEXT)")
    await app.execute("INSERT INTO t VALUES (1, POINT(1, 2), 'x')")
    with pytest.raises(SourceUnreadable, match="column 'place' of table 't' has type point"):
        await shape(app.url, "t", "place")
    assert await values(app.url, "t", "k") == ["x"]


async def test_tables_of_another_database_and_of_another_case(
    app: AppDatabase, mariadb: MariadbServer
) -> None:
    other = DatabaseUrl.parse(await mariadb.create_database()).database
    await app.execute(f"CREATE TABLE {other}.`My.Table` (id INT PRIMARY KEY, `K` TEXT)")
    await app.execute(f"INSERT INTO {other}.`My.Table` VALUES (1, 'x')")
    assert await all_rows(app.url, f'{other}."My.Table"', "K") == [Row(1, ("x",))]
    assert await all_rows(app.url, f"{other}.`My.Table`", "K") == [Row(1, ("x",))]
    with pytest.raises(SourceMissing, match=f"did you mean '{other}.My.Table'"):
        await shape(app.url, f'{other}."my.table"', "K")
    with pytest.raises(SourceMissing, match="there is no table"):
        await shape(app.url, "no_such_database.t", "K")


async def test_keys_of_other_types(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE big (id BIGINT UNSIGNED PRIMARY KEY, k TEXT)")
    await app.execute(
        "INSERT INTO big VALUES (9223372036854775807, 'a'), (9223372036854775808, 'b')"
    )
    assert set(await all_rows(app.url, "big", "k")) == {
        Row(2**63 - 1, ("a",)),
        Row("9223372036854775808", ("b",)),
    }
    await app.execute("CREATE TABLE raw (id BINARY(3) PRIMARY KEY, k TEXT)")
    await app.execute("INSERT INTO raw VALUES (x'00ff61', 'a')")
    assert await all_rows(app.url, "raw", "k") == [Row("0x00ff61", ("a",))]


async def test_equal_rows_without_a_key_share_their_hash(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (a INT, k TEXT, g POINT)")
    await app.execute("INSERT INTO t VALUES (1, 'x', NULL), (1, 'x', NULL), (1, 'x', POINT(1, 2))")
    found = await all_rows(app.url, "t", "k")
    assert [row.values for row in found] == [("x",)] * 3
    assert len({row.id for row in found}) == 2


async def test_a_table_without_snapshots_is_refused(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT) ENGINE=MyISAM")
    with pytest.raises(SourceUnreadable, match="engine MyISAM has no consistent snapshot"):
        await shape(app.url, "t", "k")
    await app.execute("ALTER TABLE t ENGINE=InnoDB")
    assert (await shape(app.url, "t", "k")).primary_key == ("id",)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("sql_select_limit", "10"), ("max_statement_time", "0.001"), ("net_write_timeout", "1")],
)
async def test_limits_of_the_server_neither_cut_nor_end_a_read(
    app: AppDatabase, setting: str, value: str
) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(9))")
    await app.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x") for i in range(2_000)])
    ((before,),) = await app.execute(f"SELECT @@global.{setting}")
    await app.execute(f"SET GLOBAL {setting} = {value}")
    try:
        rows = await all_rows(app.url, "t", "k", where="id > 0 OR SLEEP(0.05) = 0")
        assert len(rows) == 2_000
    finally:
        await app.execute(f"SET GLOBAL {setting} = {before}")


async def test_a_slow_reader_is_not_dropped(app: AppDatabase) -> None:
    async with opened(app.url).snapshot() as snapshot:
        cursor = await snapshot._connection.cursor()  # type: ignore[attr-defined]
        await cursor.execute("SELECT @@net_write_timeout, @@tx_isolation")
        assert await cursor.fetchone() == ("3600", "REPEATABLE-READ")


async def test_a_second_read_inside_the_first_is_an_error_and_no_deadlock(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(9))")
    await app.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x") for i in range(500)])
    async with opened(app.url).snapshot() as snapshot:
        async for _ in snapshot.rows(read("t", "k")):
            with pytest.raises(RuntimeError, match="still open in this task"):
                await pages(snapshot, read("t", "k"))


async def test_a_killed_statement_is_no_end(app: AppDatabase) -> None:
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(99))")
    await app.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x" * 90) for i in range(60_000)])
    async with opened(app.url).snapshot() as snapshot:
        thread = snapshot._connection.thread_id()  # type: ignore[attr-defined]
        stream = snapshot.rows(read("t", "k"))
        assert len(await anext(stream)) == 200
        await app.execute(f"KILL QUERY {thread}")
        with pytest.raises(DatabaseUnreachable, match="interrupted"):
            await rest(stream)


@pytest.mark.parametrize("guard", ["greeting", "afterwards"])
async def test_encryption_that_is_asked_for_is_never_given_up(
    mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    if guard == "afterwards":
        monkeypatch.delattr(Connection, "_get_server_information")
    message = {"greeting": "the server offers no TLS", "afterwards": "is not encrypted"}[guard]
    url = await mariadb.create_database()
    await mariadb.stop()
    mariadb.extra = ("--skip-ssl",)
    try:
        await mariadb.start()
        assert await opened(url).identity() == await opened(f"{url}?ssl-mode=disabled").identity()
        for options in ("ssl-mode=required", f"ssl-ca={mariadb.certificate}"):
            with pytest.raises(DatabaseUnreachable, match=message):
                await opened(f"{url}?{options}").identity()
    finally:
        await mariadb.stop()
        mariadb.extra = ()
        await mariadb.start()


async def test_identity_is_host_port_folder_and_database(
    app: AppDatabase, mariadb: MariadbServer
) -> None:
    ((host,),) = await app.execute("SELECT @@hostname")
    assert await opened(app.url).identity() == (
        f"mariadb:{host}:{mariadb.port}:{mariadb.folder}/data/:{DatabaseUrl.parse(app.url).database}"
    )
