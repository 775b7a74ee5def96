"""Whether a server of MySQL or MariaDB is the one that the application writes to."""

from __future__ import annotations

from typing import Any

import aiomysql

from s3gc_core.databases import mysql_cluster as cluster
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch
from s3gc_core.databases.protocol import Role

_MEND = "give the primary's address under [database] url"
_SYNTAX = 1064
_OFF = frozenset({"OFF", "0"})
# A reader of Aurora says it by InnoDB's setting alone.
_READ_ONLY = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only',"
    " 'innodb_read_only')"
)


async def role(connection: Connection) -> Role:
    """What the server says of itself, and of this session. Raises the driver's errors."""
    ((version, user),) = await fetch(connection, "SELECT VERSION(), CURRENT_USER()")
    is_mariadb = "mariadb" in str(version).lower()
    account = "@".join(f"'{part}'" for part in str(user).rsplit("@", 1))
    try:
        sources = await _sources(connection, is_mariadb)
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        right = "REPLICA MONITOR" if is_mariadb else "REPLICATION CLIENT"
        doubt = f"whether it is a replica cannot be told: the right {right} is missing"
        return Role(doubt, f"GRANT {right} ON *.* TO {account};")
    if sources:
        return Role("it is a replica: it replays what another server wrote", _MEND)
    for name, value in await fetch(connection, _READ_ONLY):
        if str(value).upper() not in _OFF:
            return Role(f"{name} is {value}: the application cannot write here", _MEND)
    state = await cluster.cluster_state(connection)
    doubt = cluster.doubt(state)
    mend = cluster.mend(state, account) if doubt else ""
    return Role(doubt, mend, cluster.caution(state))


async def _sources(connection: Connection, is_mariadb: bool) -> list[tuple[Any, ...]]:
    """The servers that it replicates from, be it stopped or not."""
    if is_mariadb:
        # The other statement shows one connection of several.
        return await fetch(connection, "SHOW ALL SLAVES STATUS")
    try:
        return await fetch(connection, "SHOW REPLICA STATUS")
    except aiomysql.Error as error:
        if error_code(error) != _SYNTAX:
            raise
        return await fetch(connection, "SHOW SLAVE STATUS")
