"""For how long a server keeps its binary log: what it throws away at once cannot be followed."""

from __future__ import annotations

from collections.abc import Mapping

import aiomysql

from s3gc_core.databases.following import Obstacle
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch

# Restarting a follower, or its server, must not lose a stream.
_LEAST_SECONDS = 3600
_WANTED_SECONDS = 7 * 86_400
# RDS keeps what it says there, whatever the server's own settings are.
_RDS = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
_NOT_RDS = NO_RIGHT | {1049, 1146}


async def of_retention(
    connection: Connection, values: Mapping[str, str], is_mariadb: bool
) -> list[Obstacle]:
    """What is too short. `values` are the server's settings. Raises the driver's errors."""
    found = []
    seconds = int(values.get("binlog_expire_logs_seconds", "0"))
    if 0 < seconds < _LEAST_SECONDS:
        what = f"binlog_expire_logs_seconds is {seconds}: the log may be gone before it is read"
        # With GLOBAL the value is gone after a restart; MariaDB knows nothing else.
        how = "GLOBAL" if is_mariadb else "PERSIST"
        mend = f"SET {how} binlog_expire_logs_seconds = {_WANTED_SECONDS};"
        found.append(Obstacle(None, what, mend))
    try:
        rows = await fetch(connection, _RDS)
    except aiomysql.Error as error:
        if error_code(error) not in _NOT_RDS:
            raise
        return found
    if rows and rows[0][0] is None:
        what = "RDS throws its binary log away at once (binlog retention hours is not set)"
        mend = f"CALL mysql.rds_set_configuration('binlog retention hours', {7 * 24});"
        found.append(Obstacle(None, what, mend))
    return found
