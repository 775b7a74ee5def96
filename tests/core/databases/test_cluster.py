"""Nodes of a cluster: what they say of themselves, and what follows. On real nodes:
`python -m tests.cluster`.
"""

from __future__ import annotations

import pytest

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import (
    DatabaseUrl,
    Role,
    Watched,
    binlog_settings,
    mysql_cluster,
    open_database,
)
from s3gc_core.databases.mysql import MysqlSnapshot
from s3gc_core.databases.mysql_cluster import caution, doubt, mend
from s3gc_core.databases.mysql_connection import fetch
from s3gc_core.databases.mysql_following import MysqlFollowing
from tests.servers.app_database import AppDatabase

UNSEEN = (
    "it is one of {} nodes of a Galera cluster:"
    " transactions that are open on the others are not seen from here"
)
IN_STEP = "give the address of a node that is in step under [database] url, or wait for this one"
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


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the server says of its cluster from now on: a node that is in step, unless changed."""
    state = dict(GALERA)

    async def cluster_state(connection: object) -> dict[str, str]:
        return state

    monkeypatch.setattr(mysql_cluster, "cluster_state", cluster_state)
    monkeypatch.setattr(binlog_settings, "cluster_state", cluster_state)
    return state


async def test_a_node_is_a_primary_only_while_it_is_in_step(
    on_mariadb: AppDatabase, said: dict[str, str]
) -> None:
    database = open_database(DatabaseConfig(on_mariadb.url))
    for values, doubted in (
        ({}, ""),
        (
            {"wsrep_local_state": "2", "wsrep_local_state_comment": "Donor/Desynced"},
            "its state in the Galera cluster is Donor/Desynced, not Synced",
        ),
    ):
        said |= values
        right = Role(doubted, IN_STEP if doubted else "", UNSEEN.format(3))
        assert await database.role() == right
        async with database.snapshot() as snapshot:
            assert await snapshot.role() == right


async def test_a_single_server_is_no_node(on_mariadb: AppDatabase) -> None:
    assert await open_database(DatabaseConfig(on_mariadb.url)).role() == Role()
    parsed = DatabaseUrl.parse(on_mariadb.url)
    following = MysqlFollowing(parsed, "main", "registry_1")
    found = await following.obstacles([Watched(f"{parsed.database}.t", ("k",))])
    assert not [one for one in found if "Galera" in one.what]


async def test_a_node_is_not_followed(on_mariadb: AppDatabase, said: dict[str, str]) -> None:
    parsed = DatabaseUrl.parse(on_mariadb.url)
    await on_mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, k TEXT)")
    following = MysqlFollowing(parsed, "main", "registry_1")
    obstacles = await following.obstacles([Watched(f"{parsed.database}.t", ("k",))])
    (found,) = [one for one in obstacles if "Galera" in one.what]
    assert found.what.startswith("it is a node of a Galera cluster")
    assert "read as a whole" in found.mend


async def test_a_snapshot_waits_for_others(on_mariadb: AppDatabase) -> None:
    # (This server takes the setting, too.)
    async with open_database(DatabaseConfig(on_mariadb.url)).snapshot() as snapshot:
        assert isinstance(snapshot, MysqlSnapshot)
        connection = snapshot._connection
        assert await fetch(connection, "SELECT @@SESSION.wsrep_sync_wait") == [("1",)]


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
    assert caution(GALERA) == UNSEEN.format(3)
    several = {**GROUP, "group_replication_single_primary_mode": "OFF"}
    assert caution(several).startswith("every member of its replication group takes writes:")


def test_a_missing_right_is_mended_by_its_grant() -> None:
    table = "performance_schema.replication_group_members"
    hidden = {**GROUP, "member_state": f"not known (the right SELECT on {table} is missing)"}
    assert doubt(hidden)
    assert mend(hidden, "'u'@'%'") == f"GRANT SELECT ON {table} TO 'u'@'%';"
    assert mend(GROUP, "'u'@'%'") == IN_STEP


async def test_a_follower_waits_for_others_too(on_mariadb: AppDatabase) -> None:
    # Its beat says: all that was committed before has come.
    following = MysqlFollowing(DatabaseUrl.parse(on_mariadb.url), "main", "registry_1")
    async with following._connection() as connection:
        assert await fetch(connection, "SELECT @@SESSION.wsrep_sync_wait") == [("1",)]
