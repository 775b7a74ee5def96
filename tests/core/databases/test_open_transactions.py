"""Since when a transaction is open, at the latest: also of those that are hidden or prepared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, mysql_transactions, open_database
from s3gc_core.databases.postgres_transactions import OpenNow, oldest
from tests.servers.app_database import AppDatabase

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=30)


async def since(url: str) -> datetime | None:
    return await open_database(DatabaseConfig(url)).oldest_transaction()


@asynccontextmanager
async def other_user(app: AppDatabase) -> AsyncIterator[tuple[str, str]]:
    """A user without rights on the server: its name, and its URL."""
    url = DatabaseUrl.parse(app.url)
    user = f"seer_{url.database}"
    is_postgres = app.url.startswith("postgres")
    login = "ROLE {} LOGIN PASSWORD 'pw'" if is_postgres else "USER {} IDENTIFIED BY 'pw'"
    await app.execute(f"CREATE {login.format(user)}")
    if not is_postgres:
        await app.execute(f"GRANT SELECT ON {url.database}.* TO {user}")
    try:
        yield user, replace(url, user=user, password="pw").render()
    finally:
        await app.execute(f"DROP {'ROLE' if is_postgres else 'USER'} {user}")


async def test_a_session_of_the_same_user_is_seen(on_postgres: AppDatabase) -> None:
    app = on_postgres
    assert await since(app.url) is None
    await app.execute("BEGIN")
    ((began,),) = await app.execute("SELECT now()")
    assert await since(app.url) == began
    await app.execute("ROLLBACK")
    assert await since(app.url) is None


async def test_a_hidden_transaction_may_be_as_old_as_the_server(on_postgres: AppDatabase) -> None:
    app = on_postgres
    ((started,),) = await app.execute("SELECT pg_postmaster_start_time()")
    async with other_user(app) as (user, url):
        # A session that this user may not look into, and that has no transaction.
        assert await since(url) is None
        await app.execute("BEGIN")
        ((began,),) = await app.execute("SELECT now()")
        assert await since(url) == started
        await app.execute("ROLLBACK")
        await app.execute(f"GRANT pg_read_all_stats TO {user}")
        await app.execute("BEGIN")
        ((began,),) = await app.execute("SELECT now()")
        assert await since(url) == began
        await app.execute("ROLLBACK")
        await app.execute("SET track_activities = off")
        assert await since(url) is None
        await app.execute("BEGIN")
        assert await since(url) == started
        await app.execute("ROLLBACK")


async def test_hidden_transactions_that_come_and_go_are_young(
    on_postgres: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = on_postgres
    waits = 0
    async with other_user(app) as (_, url):
        connection = await asyncpg.connect(app.url)

        async def another(_: float) -> None:
            nonlocal waits
            waits += 1
            await connection.execute("ROLLBACK")
            await connection.execute("BEGIN")

        await connection.execute("BEGIN")
        ((before,),) = await app.execute("SELECT clock_timestamp()")
        monkeypatch.setattr(asyncio, "sleep", another)
        found = await since(url)
        await connection.close()
    assert waits == 1
    assert found is not None
    assert before < found < before + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (OpenNow(NOW, STARTED, False, None, frozenset()), None, None),
        (OpenNow(NOW, STARTED, False, EARLIER, frozenset()), None, EARLIER),
        (OpenNow(NOW, STARTED, True, EARLIER, frozenset()), None, LONG_AGO),
        (OpenNow(NOW, STARTED, False, EARLIER, frozenset({"3/7"})), None, STARTED),
        (
            OpenNow(NOW, STARTED, False, None, frozenset({"3/7", "4/1"})),
            OpenNow(NOW, STARTED, False, None, frozenset({"3/8", "4/1"})),
            STARTED,
        ),
        (
            OpenNow(NOW, STARTED, False, None, frozenset({"3/7"})),
            OpenNow(NOW, STARTED, False, None, frozenset({"3/8"})),
            NOW,
        ),
        (
            OpenNow(NOW, STARTED, False, None, frozenset({"3/7"})),
            OpenNow(NOW, STARTED, False, EARLIER, frozenset({"3/8"})),
            EARLIER,
        ),
        (
            OpenNow(NOW, STARTED, False, None, frozenset({"3/7"})),
            OpenNow(NOW, STARTED, False, None, frozenset()),
            None,
        ),
    ],
)
def test_by_what_two_questions_tell(
    first: OpenNow, last: OpenNow | None, expected: datetime | None
) -> None:
    assert oldest(first, last or first) == expected


async def test_mariadb(on_mariadb: AppDatabase) -> None:
    app = on_mariadb
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    async with other_user(app) as (user, url):
        ((now,),) = await app.execute("SELECT UNIX_TIMESTAMP()")
        ((_, up),) = await app.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
        started = await since(url)
        assert started is not None
        assert abs(started.timestamp() - (float(now) - float(up))) < 5
        await app.execute(f"GRANT PROCESS ON *.* TO {user}")
        assert await since(url) is None
        await app.execute("BEGIN")
        await app.execute("INSERT INTO t VALUES (1)")
        began = await since(url)
        await app.execute("ROLLBACK")
        assert began is not None
        assert abs(began - datetime.now(UTC)) < timedelta(seconds=60)
        await app.execute("XA START 'x'")
        await app.execute("INSERT INTO t VALUES (2)")
        await app.execute("XA END 'x'")
        await app.execute("XA PREPARE 'x'")
        try:
            assert await since(url) == LONG_AGO
        finally:
            await app.execute("XA ROLLBACK 'x'")
        assert await since(url) is None


async def test_a_file_tells_of_no_transaction(tmp_path: Path) -> None:
    assert await since(f"sqlite:///{tmp_path / 'app.db'}") is None


async def test_one_that_ends_at_once_is_not_told(on_mariadb: AppDatabase) -> None:
    app = on_mariadb
    await app.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    await app.execute("BEGIN")
    await app.execute("INSERT INTO t VALUES (1)")
    asking = asyncio.create_task(since(app.url))
    await asyncio.sleep(3 * mysql_transactions._COPY_SECONDS)
    await app.execute("COMMIT")
    assert await asking is None
