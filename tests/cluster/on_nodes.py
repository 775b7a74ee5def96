"""Two nodes of Galera: what is read from one has what the other committed, and doubts are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, Role, Watched, open_database
from s3gc_core.databases.mysql_following import MysqlFollowing
from tests.core.databases.reading import values
from tests.core.databases.test_cluster import IN_STEP, UNSEEN
from tests.servers.app_database import AppDatabase
from tests.servers.galera import GaleraNode, cluster

_UNSEEN = UNSEEN.format(2)


@dataclass(frozen=True)
class Pair:
    """One database, at the node where it is written and at another one."""

    here: AppDatabase
    there: AppDatabase


@pytest.fixture(scope="module")
async def nodes() -> AsyncIterator[tuple[GaleraNode, GaleraNode]]:
    async with cluster() as both:
        yield both


@pytest.fixture
async def pair(nodes: tuple[GaleraNode, GaleraNode]) -> AsyncIterator[Pair]:
    first, second = nodes
    url = await first.create_database()
    pair = Pair(AppDatabase(url), AppDatabase(second.url(DatabaseUrl.parse(url).database)))
    await pair.here.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT)")
    await pair.here.execute("INSERT INTO t VALUES (1, 'a')")
    yield pair
    await pair.here.close()
    await pair.there.close()


async def role(url: str) -> Role:
    """The role, which is the same for a connection of its own and for a snapshot's."""
    database = open_database(DatabaseConfig(url))
    alone = await database.role()
    async with database.snapshot() as snapshot:
        assert await snapshot.role() == alone
    return alone


async def logged(database: AppDatabase) -> str:
    """Everything in the binary log, with the statements."""
    files = [name for name, *_ in await database.execute("SHOW BINARY LOGS")]
    rows = [
        row for name in files for row in await database.execute(f"SHOW BINLOG EVENTS IN '{name}'")
    ]
    return "\n".join(str(row[-1]) for row in rows)


async def test_a_snapshot_has_what_another_node_committed_before(pair: Pair) -> None:
    url = pair.there.url
    assert await values(url, "t", "k") == ["a"]
    # The node may apply nothing now, so that it lags.
    await pair.there.execute("FLUSH TABLES WITH READ LOCK")
    try:
        await pair.here.execute("INSERT INTO t VALUES (2, 'b')")
        assert await pair.there.execute("SELECT k FROM t") == [("a",)]
        reading = asyncio.create_task(values(url, "t", "k"))
        done, _ = await asyncio.wait({reading}, timeout=1)
        early = [task.result() for task in done]
    finally:
        await pair.there.execute("UNLOCK TABLES")
    assert await reading == ["a", "b"]
    assert early == []


async def test_a_node_is_a_primary_only_while_it_is_in_step(pair: Pair) -> None:
    url = pair.there.url
    assert await role(url) == Role(caution=_UNSEEN)
    for setting, before, words in (
        ("wsrep_desync = ON", "wsrep_desync = OFF", "is Donor/Desynced, not Synced"),
        ("wsrep_on = OFF", "wsrep_on = ON", "wsrep_on is OFF in our session"),
    ):
        await pair.there.execute(f"SET GLOBAL {setting}")
        try:
            found = await role(url)
        finally:
            await pair.there.execute(f"SET GLOBAL {before}")
        assert found.doubt.endswith(words)
        assert (found.mend, found.caution) == (IN_STEP, _UNSEEN)
    assert await role(url) == Role(caution=_UNSEEN)


async def test_no_other_right_is_needed_than_on_a_single_server(pair: Pair) -> None:
    parsed = DatabaseUrl.parse(pair.there.url)
    user = f"reader_{parsed.database}"
    await pair.here.execute(f"CREATE USER {user} IDENTIFIED BY 'pw'")
    await pair.here.execute(f"GRANT SELECT ON {parsed.database}.* TO {user}")
    await pair.here.execute(f"GRANT REPLICA MONITOR ON *.* TO {user}")
    reader = replace(parsed, user=user, password="pw").render()
    assert await role(reader) == Role(caution=_UNSEEN)
    assert await values(reader, "t", "k") == ["a"]


async def test_a_node_is_not_followed(pair: Pair) -> None:
    parsed = DatabaseUrl.parse(pair.there.url)
    following = MysqlFollowing(parsed, "main", "registry_1")
    (found,) = await following.obstacles([Watched(f"{parsed.database}.t", ("k",))])
    assert found.what.startswith("it is a node of a Galera cluster")
    assert "read as a whole" in found.mend


async def test_a_node_may_have_rows_that_its_log_has_not(
    nodes: tuple[GaleraNode, GaleraNode], pair: Pair
) -> None:
    """Why a node is not followed: a state transfer brings rows, and no log of them."""
    async with GaleraNode(3, nodes[0]) as third:
        away = AppDatabase(third.url(DatabaseUrl.parse(pair.here.url).database))
        try:
            assert await away.execute("SELECT k FROM t") == [("a",)]
            found = [await logged(pair.here), await logged(away)]
        finally:
            await away.close()
            await third.stop()  # else the others count it for some seconds
    assert ["VALUES (1, 'a')" in log for log in found] == [True, False]
