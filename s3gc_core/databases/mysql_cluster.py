"""Servers that take writes together: Galera (so XtraDB Cluster), MySQL's group replication.

A node passes as a primary, and may yet lack for a while what was committed on another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiomysql

from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import UNKNOWN_VARIABLE, Connection, error_code, fetch

# Before each of our transactions the server waits for all that the cluster committed before it:
# 1 is the bit of reads, START TRANSACTION among them. Dirty reads would not wait.
_WAITING = (
    "wsrep_dirty_reads = OFF",
    "wsrep_sync_wait = 1",
    "group_replication_consistency = 'BEFORE'",
)
_OFF = frozenset({"OFF", "0", ""})
_VARIABLES = (
    "SHOW SESSION VARIABLES WHERE Variable_name LIKE 'wsrep%'"
    " OR Variable_name LIKE 'group_replication%'"
)
_STATUS = "SHOW GLOBAL STATUS LIKE 'wsrep%'"
_MEMBERS = "performance_schema.replication_group_members"
_HIDDEN = f"not known (the right SELECT on {_MEMBERS} is missing)"
_TAKES_PART = ("wsrep_on", "wsrep_connected")
_SYNCED = "4"
_WAITS = frozenset({"BEFORE", "BEFORE_AND_AFTER"})


async def wait_for_others(connection: Connection) -> None:
    """Let this session's transactions begin behind what the cluster committed before.

    Not every server knows of this, nor lets everybody say so: what came of it, `doubt` tells.
    Raises the driver's errors.
    """
    for setting in _WAITING:
        try:
            await fetch(connection, f"SET SESSION {setting}")
        except aiomysql.Error as error:
            if error_code(error) not in {UNKNOWN_VARIABLE, *NO_RIGHT}:
                raise


async def cluster_state(connection: Connection) -> dict[str, str]:
    """What the server says of its cluster, and of this session, by names in lower case.

    `member_state` is what it is to its group; missing where it is in none. Raises the driver's
    errors.
    """
    rows: list[tuple[Any, ...]] = []
    for question in (_VARIABLES, _STATUS):
        rows += await fetch(connection, question)
    values = {str(name).lower(): str(value) for name, value in rows}
    if _is_of_group(values):
        values |= await _member_state(connection)
    return values


async def _member_state(connection: Connection) -> dict[str, str]:
    query = f"SELECT MEMBER_STATE FROM {_MEMBERS} WHERE MEMBER_ID = @@server_uuid"
    try:
        rows = await fetch(connection, query)
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        return {"member_state": _HIDDEN}
    return {"member_state": str(rows[0][0])} if rows else {}


def is_galera(values: Mapping[str, str]) -> bool:
    """Whether this is a node of a Galera cluster, be it connected or not."""
    if values.get("wsrep_provider", "none").lower() in {"", "none"}:
        return False
    return any(values.get(name, "OFF").upper() not in _OFF for name in _TAKES_PART)


def _is_of_group(values: Mapping[str, str]) -> bool:
    return bool(values.get("group_replication_group_name"))


def doubt(values: Mapping[str, str]) -> str:
    """Why this session may lack what was committed on another node; empty: it does not."""
    if is_galera(values):
        return _doubt_of_galera(values)
    if not _is_of_group(values):
        return ""
    state = values.get("member_state", "OFFLINE")
    if state != "ONLINE":
        return f"its state in its replication group is {state}, not ONLINE"
    waits = values.get("group_replication_consistency", "EVENTUAL").upper()
    if waits not in _WAITS:
        return f"group_replication_consistency is {waits} in our session: what it reads may be old"
    return ""


def _doubt_of_galera(values: Mapping[str, str]) -> str:
    if values.get("wsrep_on", "OFF").upper() in _OFF:
        return "it is a node of a Galera cluster, but wsrep_on is OFF in our session"
    status = values.get("wsrep_cluster_status", "not known")
    if status != "Primary":
        return f"the part of the Galera cluster that it is in is {status}, not Primary"
    if values.get("wsrep_local_state") != _SYNCED:
        state = values.get("wsrep_local_state_comment", "not known")
        return f"its state in the Galera cluster is {state}, not Synced"
    if not int(values.get("wsrep_sync_wait", "0")) & 1 or (
        values.get("wsrep_dirty_reads", "OFF").upper() not in _OFF
    ):
        return "wsrep_sync_wait is off in our session: what it reads may be old"
    return ""


def mend(values: Mapping[str, str], account: str) -> str:
    """What to do about a doubt; `account` is ours, as SQL names it."""
    if values.get("member_state") == _HIDDEN:
        return f"GRANT SELECT ON {_MEMBERS} TO {account};"
    return "give the address of a node that is in step under [database] url, or wait for this one"


def caution(values: Mapping[str, str]) -> str:
    """What is not seen from here, however current the reads are; empty: nothing."""
    nodes = values.get("wsrep_cluster_size", "1")
    single = values.get("group_replication_single_primary_mode", "ON").upper()
    if is_galera(values) and nodes != "1":
        what = f"it is one of {nodes} nodes of a Galera cluster"
    elif _is_of_group(values) and single in _OFF:
        what = "every member of its replication group takes writes"
    else:
        return ""
    return f"{what}: transactions that are open on the others are not seen from here"
