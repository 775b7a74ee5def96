"""What an open transaction refers to is seen by nobody else: nothing younger goes, followed or not.

A row that is written and not yet committed, perhaps for longer than the retention time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from s3gc_core.actions.doctor import examine
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.world import World

ORPHANS = {"import/1.jpg", "import/2.jpg"}


@pytest.fixture(params=["postgres", "mariadb"])
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """The server of `app_database`: those that tell of their transactions."""
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def writer(world: World) -> AsyncIterator[AppDatabase]:
    """A session of the application's that writes a row for each upload, and has not committed."""
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO t VALUES (1, 'used.jpg')")
    world.track({"t": ["k"]})
    writer = AppDatabase(world.app.url)
    try:
        for key in ("used.jpg", *ORPHANS):
            await world.put(key)
        world.days(10)
        yield writer
    finally:
        await writer.close()


async def begin(writer: AppDatabase) -> None:
    await writer.execute("BEGIN")
    await writer.execute("INSERT INTO t VALUES (2, 'import/1.jpg')")


async def test_a_scan_holds_what_is_younger(world: World, writer: AppDatabase) -> None:
    await begin(writer)
    summary = await world.scan()
    assert (summary.blocked, summary.plan_id) == ([], None)
    judged = await world.judged()
    assert {key: j.verdict.value for key, j in judged.items()} == dict.fromkeys(ORPHANS, "held")
    for one in judged.values():
        assert "younger than a transaction that may be open since" in one.reason
    await writer.execute("COMMIT")
    await world.collect()
    assert await world.keys() == {"used.jpg", "import/1.jpg"}


async def test_the_last_check_keeps_what_is_younger(world: World, writer: AppDatabase) -> None:
    summary = await world.scan()
    assert (summary.orphans, summary.plan_id is not None) == (2, True)
    await begin(writer)
    assert summary.plan_id is not None
    done = await world.execute(summary.plan_id)
    assert done.counts == {"kept": 2}
    await writer.execute("COMMIT")
    assert await world.keys() == {"used.jpg", *ORPHANS}


async def test_the_doctor_tells_of_one_that_is_prepared(
    world: World, writer: AppDatabase, request: pytest.FixtureRequest
) -> None:
    if "postgres" in request.node.name:
        return  # prepared transactions are off there, unless somebody wants them
    await writer.execute("XA START 'forgotten'")
    await writer.execute("INSERT INTO t VALUES (2, 'import/1.jpg')")
    await writer.execute("XA END 'forgotten'")
    await writer.execute("XA PREPARE 'forgotten'")
    try:
        [check] = [
            check
            async for check in examine(world.config)
            if check.name == "database main, transactions"
        ]
        assert (check.ok, "since 2000-01-01" in check.detail) == (False, True)
        assert "PROCESS ON *.*" in check.fix
        summary = await world.scan()
        assert (summary.orphans, summary.held) == (0, 2)
    finally:
        await writer.execute("XA ROLLBACK 'forgotten'")
    assert (await world.scan()).orphans == 2
