"""PostgreSQL and MariaDB as servers: logins, TLS, time-outs, and being taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from s3gc_core.databases import DatabaseUrl, Engine, Row
from s3gc_core.errors import DatabaseUnreachable, RightMissing
from tests.core.databases.reading import all_rows, opened, pages, read, rest
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

Server = PostgresServer | MariadbServer
PASSWORD = "p@ss:w/o#r?d%&'\"üß€🔑 \\"


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def app(server: Server) -> AsyncIterator[AppDatabase]:
    database = AppDatabase(await server.create_database())
    await database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(200))")
    await database.execute("INSERT INTO t VALUES (1, 'x')")
    yield database
    await database.close()


async def create_user(app: AppDatabase, name: str, password: str) -> None:
    if app.engine is Engine.POSTGRESQL:
        quoted = password.replace("'", "''")
        await app.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{quoted}'")
    else:
        await app.execute(f"CREATE USER {name}@'%' IDENTIFIED BY ?", password)


async def drop_user(app: AppDatabase, name: str) -> None:
    if app.engine is Engine.POSTGRESQL:
        await app.execute(f"DROP OWNED BY {name}")
    await app.execute(f"DROP USER {name}")


def as_user(app: AppDatabase, user: str, password: str) -> str:
    url = DatabaseUrl.parse(app.url)
    return DatabaseUrl(url.engine, url.database, url.host, url.port, user, password).render()


async def test_an_odd_password_really_connects(app: AppDatabase) -> None:
    await create_user(app, "odd_password", PASSWORD)
    try:
        await app.execute("GRANT SELECT ON t TO odd_password")
        assert await all_rows(as_user(app, "odd_password", PASSWORD), "t", "k") == [Row(1, ("x",))]
        url = DatabaseUrl.parse(app.url)
        raw = f"{url.engine}://odd_password:{PASSWORD}@{url.host}:{url.port}/{url.database}"
        assert await all_rows(raw, "t", "k") == [Row(1, ("x",))]
    finally:
        await drop_user(app, "odd_password")


async def test_a_wrong_password_or_name_is_unreachable(app: AppDatabase, server: Server) -> None:
    wrong = as_user(app, DatabaseUrl.parse(app.url).user or "", "wr0ng")
    for url in (wrong, server.url("no_such_database")):
        with pytest.raises(DatabaseUnreachable) as caught:
            await opened(url).identity()
        assert opened(url).address in caught.value.what
        assert "wr0ng" not in str(caught.value)


async def test_a_missing_right_is_named(app: AppDatabase) -> None:
    await create_user(app, "poor", "pw")
    poor = as_user(app, "poor", "pw")
    try:
        await app.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, k VARCHAR(9))")
        await app.execute("GRANT SELECT ON other TO poor")
        with pytest.raises(RightMissing, match="the right SELECT on table 't' is missing"):
            await all_rows(poor, "t", "k")
        await app.execute("GRANT INSERT ON t TO poor")
        with pytest.raises(RightMissing, match=r"the right SELECT on .*table 't' is missing"):
            await all_rows(poor, "t", "k")
        await app.execute("GRANT SELECT (id) ON t TO poor")
        with pytest.raises(RightMissing, match="SELECT on column 'k' of table 't' is missing"):
            await all_rows(poor, "t", "k")
        await app.execute("GRANT SELECT (k) ON t TO poor")
        assert await all_rows(poor, "t", "k") == [Row(1, ("x",))]
        await app.execute("ALTER TABLE t ADD COLUMN gone INTEGER")
        with pytest.raises(RightMissing, match="the right SELECT on table 't' is missing"):
            await all_rows(poor, "t", "k", where="gone IS NULL")
    finally:
        await drop_user(app, "poor")


async def test_a_key_that_may_not_be_read_is_named(app: AppDatabase) -> None:
    await create_user(app, "keyless", "pw")
    try:
        await app.execute("GRANT SELECT (k) ON t TO keyless")
        if app.engine is Engine.POSTGRESQL:
            match = "SELECT on column 'id' of table 't' is missing"
        else:
            # The server does not even tell this user that there is a key.
            match = ""
        if match:
            with pytest.raises(RightMissing, match=match):
                await all_rows(as_user(app, "keyless", "pw"), "t", "k")
        else:
            (row,) = await all_rows(as_user(app, "keyless", "pw"), "t", "k")
            assert (row.values, str(row.id)[:4]) == (("x",), "row:")
    finally:
        await drop_user(app, "keyless")


async def test_a_server_killed_midway_is_an_error_and_not_the_end(
    app: AppDatabase, server: Server
) -> None:
    rows = [(i, "y" * 190) for i in range(2, 60_000)]
    await app.executemany("INSERT INTO t VALUES (?, ?)", rows)
    await app.close()
    database = opened(app.url)
    try:
        async with database.snapshot() as snapshot:
            stream = snapshot.rows(read("t", "k"))
            assert len(await anext(stream)) == 200
            await server.kill()
            with pytest.raises(DatabaseUnreachable) as caught:
                await rest(stream)
        assert database.address in caught.value.what
        with pytest.raises(DatabaseUnreachable):
            await database.identity()
    finally:
        await server.start()
    # The same object works again: every snapshot is a new connection.
    async with database.snapshot() as snapshot:
        found = await pages(snapshot, read("t", "k"))
    assert sum(map(len, found)) == 59_999


async def test_after_the_server_left_the_snapshot_says_so_again(
    app: AppDatabase, server: Server
) -> None:
    await app.close()
    async with opened(app.url).snapshot() as snapshot:
        await server.stop()
        try:
            for _ in range(2):
                with pytest.raises(DatabaseUnreachable):
                    await snapshot.describe(read("t", "k"))
        finally:
            await server.start()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_server_that_says_nothing_runs_into_the_time_out(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "postgres" if scheme == "postgresql" else "mysql_connection"
    monkeypatch.setattr(f"s3gc_core.databases.{module}.CONNECT_TIMEOUT_SECONDS", 0.2)
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(5):
            with pytest.raises(DatabaseUnreachable, match=f"{scheme}://u@127.0.0.1:{port}/db"):
                await opened(f"{scheme}://u:pw@127.0.0.1:{port}/db").identity()
    finally:
        silent.close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        await silent.wait_closed()


async def test_tls_is_used_and_checked_as_asked(app: AppDatabase, server: Server) -> None:
    postgres = app.engine is Engine.POSTGRESQL
    mode, ca = ("sslmode", "sslrootcert") if postgres else ("ssl-mode", "ssl-ca")
    full = "verify-full" if postgres else "verify-identity"
    for options in (
        f"{mode}=disable{'' if postgres else 'd'}",
        f"{mode}=require{'' if postgres else 'd'}",
        f"{mode}=verify-ca&{ca}={server.certificate}",
        f"{mode}={full}&{ca}={server.certificate}",
    ):
        assert await all_rows(f"{app.url}?{options}", "t", "k") == [Row(1, ("x",))]
    # The system does not know the authority, so the server's word is not enough.
    for verifying in ("verify-ca", full):
        with pytest.raises(DatabaseUnreachable):
            await opened(f"{app.url}?{mode}={verifying}").identity()
    # The certificate is for 127.0.0.1, not for another name of this address.
    other = app.url.replace("@127.0.0.1:", "@localhost:")
    accepted = f"{other}?{mode}=verify-ca&{ca}={server.certificate}"
    assert await all_rows(accepted, "t", "k") == [Row(1, ("x",))]
    with pytest.raises(DatabaseUnreachable, match="not valid for 'localhost'"):
        await opened(f"{other}?{mode}={full}&{ca}={server.certificate}").identity()


async def test_a_unix_socket_is_enough(app: AppDatabase, server: Server) -> None:
    url = DatabaseUrl.parse(app.url)
    socket = server.socket_folder if isinstance(server, PostgresServer) else server.socket
    by_socket = DatabaseUrl(
        url.engine, url.database, socket, url.port, url.user, url.password
    ).render()
    assert await all_rows(by_socket, "t", "k") == [Row(1, ("x",))]


def sleeping(app: AppDatabase, seconds: float, *, after: int = 0) -> str:
    """A condition that holds for every row and takes `seconds` for each row after `after`."""
    if app.engine is Engine.POSTGRESQL:
        return f"id <= {after} OR pg_sleep({seconds}) IS NOT NULL"
    return f"id <= {after} OR SLEEP({seconds}) = 0"


async def test_a_page_that_never_comes_is_unreachable(
    app: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "postgres" if app.engine is Engine.POSTGRESQL else "mysql"
    monkeypatch.setattr(f"s3gc_core.databases.{module}.PAGE_TIMEOUT_SECONDS", 0.3)
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseUnreachable):
            await all_rows(app.url, "t", "k", where=sleeping(app, 30))


async def test_a_locked_table_is_unreachable(
    app: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = app.engine is Engine.POSTGRESQL
    module = "postgres" if postgres else "mysql_catalogue"
    monkeypatch.setattr(f"s3gc_core.databases.{module}.CATALOGUE_TIMEOUT_SECONDS", 0.3)
    await app.execute("BEGIN" if postgres else "LOCK TABLES t WRITE")
    if postgres:
        await app.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    async with asyncio.timeout(10):
        with pytest.raises(DatabaseUnreachable):
            await all_rows(app.url, "t", "k")
    await app.execute("COMMIT" if postgres else "UNLOCK TABLES")
    assert await all_rows(app.url, "t", "k") == [Row(1, ("x",))]


async def test_leaving_a_slow_read_does_not_wait_for_its_end(app: AppDatabase) -> None:
    await app.executemany("INSERT INTO t VALUES (?, ?)", [(i, "y" * 190) for i in range(2, 1_000)])
    async with asyncio.timeout(10), opened(app.url).snapshot() as snapshot:
        # The rest would take more than a minute.
        stream = snapshot.rows(read("t", "k", where=sleeping(app, 0.1, after=300)))
        assert len(await anext(stream)) == 200
        await stream.aclose()  # type: ignore[attr-defined]
        assert sum(map(len, await pages(snapshot, read("t", "k")))) == 999
