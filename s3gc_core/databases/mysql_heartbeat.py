"""Our row in `s3gc.heartbeat`, and the server's end of its binary log."""

from __future__ import annotations

import secrets
from typing import Any

import aiomysql

from s3gc_core.databases.changes import Beat
from s3gc_core.databases.following import LeftBehind
from s3gc_core.databases.mysql_catalogue import NO_RIGHT
from s3gc_core.databases.mysql_connection import Connection, error_code, fetch
from s3gc_core.errors import StreamLost

_SQL_NAME = "`s3gc`.`heartbeat`"
_SCHEMA = "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 's3gc'"
_CREATE = f"""
    CREATE TABLE {_SQL_NAME} (
        name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
        counter BIGINT NOT NULL,
        token VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        previous VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
    ) ENGINE=InnoDB
"""
_NO_TABLE = frozenset({1049, 1146})
_SYNTAX = 1064


async def write_rows(connection: Connection) -> None:
    """Log this session's changes as rows, where the user may say so (it is the default anyway)."""
    try:
        await fetch(connection, "SET SESSION binlog_format = ROW")
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise


async def exists(connection: Connection) -> bool:
    """Whether the table is there, as far as we may see it."""
    query = (
        "SELECT 1 FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = 's3gc' AND TABLE_NAME = 'heartbeat'"
    )
    return bool(await fetch(connection, query))


async def refused(connection: Connection) -> str | None:
    """Why we may not use the table, None where we may. Changes nothing."""
    try:
        for statement in (
            f"SELECT name, counter, token, previous FROM {_SQL_NAME} LIMIT 0",
            f"EXPLAIN UPDATE {_SQL_NAME} SET counter = 0, token = '', previous = ''",
            f"EXPLAIN INSERT INTO {_SQL_NAME} VALUES ('', 0, '', '')",
            f"EXPLAIN DELETE FROM {_SQL_NAME} WHERE name = ''",
        ):
            await fetch(connection, statement)
    except aiomysql.Error as error:
        if error_code(error) not in NO_RIGHT:
            raise
        return str(error.args[-1])
    return None


async def make_row(connection: Connection, name: str) -> None:
    """Make the database, the table and our row, as far as they are missing; give it a new token."""
    if not await exists(connection):
        # Asked first: where it is there, the server's note would be a warning of the driver's.
        if not await fetch(connection, _SCHEMA):
            await fetch(connection, "CREATE DATABASE `s3gc`")
        await fetch(connection, _CREATE.replace("TABLE", "TABLE IF NOT EXISTS", 1))
    token = secrets.token_hex(16)
    await fetch(
        connection,
        f"INSERT INTO {_SQL_NAME} (name, counter, token, previous) VALUES (%s, 0, %s, '')"
        " ON DUPLICATE KEY UPDATE counter = 0, token = %s, previous = ''",
        name,
        token,
        token,
    )
    await fetch(connection, "COMMIT")


async def beat(connection: Connection, name: str) -> Beat:
    """One more change of our row. Raises `StreamLost` where it is missing."""
    token = secrets.token_hex(16)
    try:
        await fetch(connection, "START TRANSACTION")
        await fetch(
            connection,
            f"UPDATE {_SQL_NAME} SET previous = token, counter = counter + 1, token = %s"
            " WHERE name = %s",
            token,
            name,
        )
        found = await fetch(
            connection,
            f"SELECT counter, token, previous FROM {_SQL_NAME} WHERE name = %s FOR UPDATE",
            name,
        )
    except aiomysql.Error as error:
        if error_code(error) not in _NO_TABLE:
            raise
        found = []
    if not found or found[0][1] != token:
        raise StreamLost("heartbeat-missing", f"the row {name!r} of s3gc.heartbeat is missing")
    await fetch(connection, "COMMIT")
    ((counter, _, previous),) = found
    return Beat(int(counter), token, previous)


async def remove_row(connection: Connection, name: str) -> None:
    """Delete our row; and the table and the database when nothing else is in them."""
    if not await exists(connection):
        return
    await fetch(connection, f"DELETE FROM {_SQL_NAME} WHERE name = %s", name)
    await fetch(connection, "COMMIT")
    if await fetch(connection, f"SELECT 1 FROM {_SQL_NAME} LIMIT 1"):
        return
    await fetch(connection, f"DROP TABLE {_SQL_NAME}")
    query = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 's3gc' LIMIT 1"
    if not await fetch(connection, query):
        await fetch(connection, "DROP DATABASE `s3gc`")


async def names(connection: Connection) -> list[str]:
    """The names of all rows."""
    if not await exists(connection):
        return []
    return sorted(name for (name,) in await fetch(connection, f"SELECT name FROM {_SQL_NAME}"))


async def left_behind(connection: Connection, known: list[str]) -> list[LeftBehind]:
    """The rows of registries that are not known."""
    return [
        LeftBehind(name, None, f"DELETE FROM {_SQL_NAME} WHERE name = {_text(name)};")
        for name in await names(connection)
        if name not in known
    ]


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


async def status(connection: Connection) -> tuple[Any, ...]:
    """The server's word of the file that it writes, its length, and the filters of the log.

    Raises the driver's errors, `StreamLost` where the server writes none.
    """
    try:
        rows = await fetch(connection, "SHOW MASTER STATUS")
    except aiomysql.Error as error:
        if error_code(error) != _SYNTAX:  # MySQL 8.4 has another name for it
            raise
        rows = await fetch(connection, "SHOW BINARY LOG STATUS")
    if not rows:
        raise StreamLost("binlog-off", "the server writes no binary log")
    return rows[0]


async def end_of_log(connection: Connection) -> tuple[str, int]:
    """The file that is written, and its length. Raises what `status` raises."""
    file, offset, *_ = await status(connection)
    return str(file), int(offset)


async def log_files(connection: Connection) -> list[tuple[str, int]]:
    """Every file of the log that is there, and its length. Raises the driver's errors."""
    return [(str(row[0]), int(row[1])) for row in await fetch(connection, "SHOW BINARY LOGS")]
