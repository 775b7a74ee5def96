"""What a server must have to be followed by its binary log, and what each lack is mended with."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiomysql

from s3gc_core.databases import mysql_heartbeat as heartbeat
from s3gc_core.databases.binlog_retention import of_retention
from s3gc_core.databases.following import Obstacle
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_cluster import cluster_state, is_galera
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch

# Tells whether the server lets us read the file of its log: its refusal, or nothing.
Probe = Callable[[str], Awaitable[str | None]]

# Setting, the value it must have, and why.
_SETTINGS = (
    ("binlog_format", "ROW", "statements tell no rows"),
    ("binlog_row_image", "FULL", "rows are not logged as a whole"),
    ("binlog_row_metadata", "FULL", "the log does not name the columns"),
)
# MySQL only.
_OTHER_SETTINGS = (
    ("binlog_row_value_options", "", "changes of JSON are logged in parts"),
    ("binlog_order_commits", "ON", "commits are not seen in the order of the log"),
)
_OFF = frozenset({"OFF", "0", ""})
_SYNTAX = 1064
_XA_REFUSED = 1401
_HEARTBEAT_RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP"
_GRANT = re.compile(r"GRANT (.*) ON (\S+) TO ", re.S)


async def server_obstacles(
    connection: Connection, schemas: set[str], probe: Probe
) -> list[Obstacle]:
    """Everything of the server that is in the way. Raises the driver's errors."""
    ((version, user),) = await fetch(connection, "SELECT VERSION(), CURRENT_USER()")
    is_mariadb = "mariadb" in str(version).lower()
    account = "@".join(f"'{part}'" for part in str(user).rsplit("@", 1))
    rows = await fetch(
        connection,
        "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'binlog%' OR Variable_name LIKE 'log%'"
        " OR Variable_name IN ('read_only', 'lower_case_table_names')",
    )
    values = {str(name).lower(): str(value) for name, value in rows}
    found = _settings(values, is_mariadb)
    if not any(o.what.startswith("log_bin") for o in found):
        found += await _of_log(connection, schemas, probe, account, is_mariadb)
        found += await of_retention(connection, values, is_mariadb)
    found += await _of_replica(connection, values, account, is_mariadb)
    found += _of_galera(await cluster_state(connection))
    found += await _of_transactions(connection, account)
    return found + await _of_heartbeat(connection, account)


def _settings(values: dict[str, str], is_mariadb: bool) -> list[Obstacle]:
    if values.get("log_bin", "OFF") in _OFF:
        what = "log_bin is OFF: the server writes no binary log"
        mend = (
            "log_bin = binlog and a server_id in the server's configuration, and a restart;"
            " RDS: backup retention above 0; Cloud SQL: point-in-time recovery on"
        )
        return [Obstacle(None, what, mend)]
    found = []
    for name, wanted, why in _SETTINGS:
        value = values.get(name)
        if value is None:
            found.append(Obstacle(None, f"{name} is not known to this server: {why}", ""))
        elif value.upper() != wanted:
            found.append(_setting(name, value, wanted, why, is_mariadb))
    for name, wanted, why in _OTHER_SETTINGS:
        value = values.get(name, wanted)
        if value.upper() != wanted:
            found.append(_setting(name, value, wanted, why, is_mariadb))
    if values.get("lower_case_table_names") == "2":
        found.append(
            Obstacle(None, "lower_case_table_names is 2: the log spells names its way", "")
        )
    return found


def _setting(name: str, value: str, wanted: str, why: str, is_mariadb: bool) -> Obstacle:
    how = "GLOBAL" if is_mariadb else "PERSIST"
    kept = f"{name} = {wanted} in the server's configuration; " if is_mariadb else ""
    mend = (
        f"SET {how} {name} = '{wanted}'; -- {kept}RDS: parameter group, Cloud SQL: flag {name};"
        " then reconnect the application, whose open sessions keep the old value"
    )
    return Obstacle(None, f"{name} is {value or 'empty'}, not {wanted or 'empty'}: {why}", mend)


async def _of_log(
    connection: Connection, schemas: set[str], probe: Probe, account: str, is_mariadb: bool
) -> list[Obstacle]:
    found = []
    try:
        status = await heartbeat.status(connection)
        refused = await probe(str(status[0]))
        if refused is not None:
            what = f"the right REPLICATION SLAVE is missing ({refused})"
            found.append(Obstacle(None, what, f"GRANT REPLICATION SLAVE ON *.* TO {account};"))
        found += _filters(status, schemas)
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        right = "BINLOG MONITOR" if is_mariadb else "REPLICATION CLIENT"
        mend = f"GRANT {right}, REPLICATION SLAVE ON *.* TO {account};"
        found.append(Obstacle(None, f"the right {right} is missing", mend))
    ((logged,),) = await fetch(connection, "SELECT @@SESSION.sql_log_bin")
    if logged != "1":
        what = "sql_log_bin is off in our own session: the log would not have our heartbeat"
        found.append(Obstacle(None, what, "take it out of init_connect"))
    return found


def _filters(status: tuple[Any, ...], schemas: set[str]) -> list[Obstacle]:
    """The log's own choice of schemas, which it compares with a session's default one, too."""
    done, ignored = (str(part or "") for part in status[2:4])
    if not done and not ignored:
        return []
    kept = set(filter(None, done.split(",")))
    lost = schemas & set(ignored.split(","))
    if (not kept or schemas <= kept) and not lost:
        return []
    what = f"the log leaves schemas out (binlog_do_db {done!r}, binlog_ignore_db {ignored!r})"
    mend = "take binlog_do_db and binlog_ignore_db out of the server's configuration, and restart"
    return [Obstacle(None, what, mend)]


async def _of_replica(
    connection: Connection, values: dict[str, str], account: str, is_mariadb: bool
) -> list[Obstacle]:
    """A replica that does not log what it replicates has a log without the application's rows."""
    if values.get("log_slave_updates", values.get("log_replica_updates", "OFF")) not in _OFF:
        return []
    try:
        try:
            rows = await fetch(connection, "SHOW SLAVE STATUS")
        except aiomysql.Error as error:
            if error_code(error) != _SYNTAX:
                raise
            rows = await fetch(connection, "SHOW REPLICA STATUS")
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        right = "REPLICA MONITOR" if is_mariadb else "REPLICATION CLIENT"
        what = f"whether it is a replica cannot be told: the right {right} is missing"
        return [Obstacle(None, what, f"GRANT {right} ON *.* TO {account};")]
    if not rows and values.get("read_only", "OFF") in _OFF:
        return []
    what = "it is a replica (or read_only) and does not log what it replicates"
    return [
        Obstacle(None, what, "follow the primary, or set log_slave_updates = ON there and restart")
    ]


def _of_galera(state: dict[str, str]) -> list[Obstacle]:
    """A node that was away gets the others' tables, and a log without what came meanwhile.

    Measured (MariaDB 10.11, rsync): the files of its log were gone, the donor's newest in their
    place. Without log_slave_updates a log may lack all that was written on other nodes, besides.
    """
    if not is_galera(state):
        return []
    what = "it is a node of a Galera cluster: a state transfer leaves changes out of its log"
    return [Obstacle(None, what, "take cdc out of [database]: its tables are then read as a whole")]


async def _of_transactions(connection: Connection, account: str) -> list[Obstacle]:
    found = []
    try:
        await fetch(connection, "SELECT 1 FROM information_schema.INNODB_TRX LIMIT 1")
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        what = "the right PROCESS is missing, which shows how old open transactions are"
        found.append(Obstacle(None, what, f"GRANT PROCESS ON *.* TO {account};"))
    try:
        await fetch(connection, "XA RECOVER")
    except aiomysql.Error as error:
        if error_code(error) not in {*NO_RIGHT, _XA_REFUSED}:
            raise
        what = "the right XA_RECOVER_ADMIN is missing, which shows prepared transactions"
        found.append(Obstacle(None, what, f"GRANT XA_RECOVER_ADMIN ON *.* TO {account};"))
    return found


async def _of_heartbeat(connection: Connection, account: str) -> list[Obstacle]:
    """Rights on our own table: of one that is there, asked of the server; else by the grants."""
    mend = f"GRANT {_HEARTBEAT_RIGHTS} ON s3gc.* TO {account};"
    if await heartbeat.exists(connection):
        missing = await heartbeat.refused(connection)
    else:
        missing = await _not_granted(connection)
    if missing is None:
        return []
    return [Obstacle(None, f"rights on the table of our heartbeat are missing ({missing})", mend)]


async def _not_granted(connection: Connection) -> str | None:
    ((role,),) = await fetch(connection, "SELECT CURRENT_ROLE()")
    if role not in (None, "NONE"):
        return None  # what a role has is not listed everywhere; making the table will tell
    rights: set[str] = set()
    for (grant,) in await fetch(connection, "SHOW GRANTS"):
        match = _GRANT.match(str(grant))
        if match and match[2].replace("`", "").replace("\\", "") in ("*.*", "s3gc.*"):
            rights |= {right.strip().upper() for right in match[1].split(",")}
    wanted = set(_HEARTBEAT_RIGHTS.split(", "))
    if "ALL PRIVILEGES" in rights or wanted <= rights:
        return None
    return ", ".join(sorted(wanted - rights))


def describe(found: list[Obstacle], name: str) -> str:
    """All obstacles in one text; `name` stands for the database."""
    return "; ".join(f"{o.table or name}: {o.what}" for o in found)
