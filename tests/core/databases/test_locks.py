"""What is searched keeps nobody from altering a table for longer than it takes to read that one."""

from __future__ import annotations

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import TableRead, open_database
from s3gc_core.references import Course, DatabaseSearch, KeySearch
from tests.servers.app_database import AppDatabase

KEYS = ["photos/a_first.jpg", "photos/b_second.jpg"]
ROWS = 2_000
# Seconds: without a limit the alteration would wait for the search, and that for it.
IMPATIENT = {"postgresql": "SET lock_timeout = '5s'", "mysql": "SET lock_wait_timeout = 5"}


@pytest.fixture(params=["on_postgres", "on_mariadb"])
def app(request: pytest.FixtureRequest) -> AppDatabase:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, AppDatabase)
    return found


async def test_a_table_that_was_searched_can_be_altered(app: AppDatabase) -> None:
    for table in ("a_first", "b_second"):
        await app.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k TEXT)")
        rows = [(n, f"photos/{table}.jpg") for n in range(ROWS)]
        await app.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    database = open_database(DatabaseConfig(app.url))
    await app.execute(IMPATIENT[DatabaseConfig(app.url).engine])
    altered: set[str] = set()
    search = DatabaseSearch([database], KeySearch(KEYS), (), (), Course(), {})
    async for mentions in search.mentions():
        for place in {mention.place.rpartition(".")[0] for mention in mentions}:
            if place.endswith("b_second") and not altered:
                await app.execute("ALTER TABLE a_first ADD COLUMN n INTEGER")
                altered.add("a_first")
    assert altered == {"a_first"}


async def test_postgres_lets_go_within_one_snapshot(on_postgres: AppDatabase) -> None:
    for table, kind in (("first", "TEXT"), ("raw", "BYTEA"), ("second", "TEXT")):
        await on_postgres.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, k {kind})")
        value = b"x" if kind == "BYTEA" else "x"
        await on_postgres.executemany(
            f"INSERT INTO {table} VALUES (?, ?)", [(n, value) for n in range(ROWS)]
        )
    await on_postgres.execute(IMPATIENT["postgresql"])
    seen = []
    async with open_database(DatabaseConfig(on_postgres.url)).snapshot() as snapshot:
        for table in ("first", "raw"):
            read = TableRead(table, ("k",))
            seen.append(sum([len(page) async for page in snapshot.rows(read)]))
            await on_postgres.execute(f"ALTER TABLE {table} ADD COLUMN n INTEGER")
        # It is the same moment all the while.
        await on_postgres.execute("INSERT INTO second SELECT id + 10000, k FROM first")
        read = TableRead("second", ("k",))
        seen.append(sum([len(page) async for page in snapshot.rows(read)]))
    assert seen == [ROWS, ROWS, ROWS]
