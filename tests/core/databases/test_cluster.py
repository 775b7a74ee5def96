"""Nodes of a cluster: what is read has what the others committed, and what is doubtful says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, Role, Watched, open_database
from s3gc_core.databases.mysql_cluster import caution, doubt, mend
from s3gc_core.databases.mysql_connection import fetch
from s3gc_core.databases.mysql_following import MysqlFollowing
from tests.core.databases.reading import values
from tests.servers.app_database import AppDatabase
from tests.servers.galera import GaleraNode, cluster

_ONE_OF_TWO = (
    "it is one of 2 nodes of a Galera cluster:"
    " transactions that are open on the others are not seen from here"
)
_IN_STEP = "give the address of a node that is in step under [database] url, or wait for this one"
GALERA = {
    "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
    "wsrep_on": "ON",
    "wsrep_connected": "ON",
    "wsrep_cluster_status": "Primary",
    "wsrep_cluster_size": "3",
    "wsrep_local_state": "4",
    "wsrep_local_state_comment": "Synced",
    "wsrep_sync_wait": "1",
    "wsrep_dirty_reads": "OFF",
}
GROUP = {
    "group_replication_group_name": "0ddb8c2e-0000-11ef-8000-000000000000",
    "group_replication_consistency": "BEFORE",
    "group_replication_single_primary_mode": "ON",
    "member_state": "ONLINE",
}


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
    assert await role(url) == Role(caution=_ONE_OF_TWO)
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
        assert (found.mend, found.caution) == (_IN_STEP, _ONE_OF_TWO)
    assert await role(url) == Role(caution=_ONE_OF_TWO)


async def test_no_other_right_is_needed_than_on_a_single_server(pair: Pair) -> None:
    parsed = DatabaseUrl.parse(pair.there.url)
    user = f"reader_{parsed.database}"
    await pair.here.execute(f"CREATE USER {user} IDENTIFIED BY 'pw'")
    await pair.here.execute(f"GRANT SELECT ON {parsed.database}.* TO {user}")
    await pair.here.execute(f"GRANT REPLICA MONITOR ON *.* TO {user}")
    reader = replace(parsed, user=user, password="pw").render()
    assert await role(reader) == Role(caution=_ONE_OF_TWO)
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


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ""),
        # MariaDB and Percona's servers as they are without a cluster.
        ({"wsrep_on": "OFF", "wsrep_provider": "none", "wsrep_sync_wait": "0"}, ""),
        ({"wsrep_on": "ON", "wsrep_provider": "none", "wsrep_connected": "OFF"}, ""),
        ({**GALERA, "wsrep_on": "OFF", "wsrep_connected": "OFF"}, ""),
        (GALERA, ""),
        ({**GALERA, "wsrep_sync_wait": "7"}, ""),
        ({**GALERA, "wsrep_sync_wait": "0"}, "what it reads may be old"),
        ({**GALERA, "wsrep_sync_wait": "6"}, "what it reads may be old"),
        ({**GALERA, "wsrep_dirty_reads": "ON"}, "what it reads may be old"),
        ({**GALERA, "wsrep_on": "OFF"}, "wsrep_on is OFF in our session"),
        ({**GALERA, "wsrep_cluster_status": "non-Primary"}, "is non-Primary, not Primary"),
        ({**GALERA, "wsrep_connected": "OFF", "wsrep_cluster_status": "Disconnected"}, "Primary"),
        (
            {**GALERA, "wsrep_local_state": "3", "wsrep_local_state_comment": "Joined"},
            "its state in the Galera cluster is Joined, not Synced",
        ),
        ({"wsrep_provider": "x.so", "wsrep_on": "1"}, "is not known, not Primary"),
        (GROUP, ""),
        ({**GROUP, "group_replication_group_name": ""}, ""),
        ({**GROUP, "group_replication_consistency": "BEFORE_AND_AFTER"}, ""),
        ({**GROUP, "group_replication_consistency": "EVENTUAL"}, "what it reads may be old"),
        ({**GROUP, "group_replication_consistency": "AFTER"}, "what it reads may be old"),
        ({**GROUP, "member_state": "RECOVERING"}, "is RECOVERING, not ONLINE"),
        ({"group_replication_group_name": "x"}, "is OFFLINE, not ONLINE"),
    ],
)
def test_doubts_by_what_a_server_says(values: dict[str, str], words: str) -> None:
    found = doubt(values)
    assert bool(found) == bool(words)
    assert found.endswith(words)


def test_what_is_not_seen_from_here() -> None:
    assert caution({}) == caution(GROUP) == caution({**GALERA, "wsrep_cluster_size": "1"}) == ""
    assert caution(GALERA) == _ONE_OF_TWO.replace("2", "3")
    several = {**GROUP, "group_replication_single_primary_mode": "OFF"}
    assert caution(several).startswith("every member of its replication group takes writes:")


def test_a_missing_right_is_mended_by_its_grant() -> None:
    table = "performance_schema.replication_group_members"
    hidden = {**GROUP, "member_state": f"not known (the right SELECT on {table} is missing)"}
    assert doubt(hidden)
    assert mend(hidden, "'u'@'%'") == f"GRANT SELECT ON {table} TO 'u'@'%';"
    assert mend(GROUP, "'u'@'%'") == _IN_STEP


async def test_a_follower_waits_for_others_too(on_mariadb: AppDatabase) -> None:
    # Its beat says: all that was committed before has come. (This server takes the setting, too.)
    following = MysqlFollowing(DatabaseUrl.parse(on_mariadb.url), "main", "registry_1")
    async with following._connection() as connection:
        assert await fetch(connection, "SELECT @@SESSION.wsrep_sync_wait") == [("1",)]
