"""A connection to MySQL or MariaDB: with TLS that cannot be talked away, and a time-out."""

from __future__ import annotations

import asyncio
import ssl
import struct
from typing import Any

import aiomysql

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.naming import unreachable

CONNECT_TIMEOUT_SECONDS = 10.0
# Flag of the server's greeting: it can speak TLS (MySQL manual, "Capabilities Flags").
_CLIENT_SSL = 0x800
UNKNOWN_VARIABLE = 1193
DRIVER_ERRORS = (aiomysql.Error, OSError, UnicodeDecodeError)
# What a peer that is not a MySQL server can make the driver's parser raise while connecting.
_GREETING_ERRORS = (*DRIVER_ERRORS, RuntimeError, ValueError, LookupError, struct.error)


class Connection(aiomysql.Connection):  # type: ignore[misc]  # aiomysql has no types
    """aiomysql's connection, which would go on in clear text where the server offers no TLS."""

    require_tls = False

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self.require_tls and not self.server_capabilities & _CLIENT_SSL:
            # Raised before anything of the password is sent.
            raise aiomysql.OperationalError(2026, "the server offers no TLS, ssl-mode demands it")


async def connect(url: DatabaseUrl, address: str) -> Connection:
    """Connect and log in within `CONNECT_TIMEOUT_SECONDS`. Raises `DatabaseUnreachable`."""
    connection: Connection | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            connection = Connection(**_arguments(url))
            connection.require_tls = _must_encrypt(url)
            await connection._connect()
            if connection.require_tls:
                await _check_tls(connection)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, _GREETING_ERRORS):
            raise unreachable(address, error.__cause__ or error) from error
        raise
    return connection


def _arguments(url: DatabaseUrl) -> dict[str, Any]:
    socket = url.host if url.host is not None and url.host.startswith("/") else None
    # The driver encodes the password as Latin-1; this makes the bytes on the wire UTF-8.
    password = (url.password or "").encode().decode("latin-1")
    return {
        "host": None if socket else url.host,
        "unix_socket": socket,
        "port": url.port or 3306,
        "user": url.user,
        "password": password,
        "db": url.database,
        "charset": "utf8mb4",
        "autocommit": None,
        "conv": {},  # every value as the server wrote it; we convert by the column's type
        "ssl": None if socket else _tls(url),
    }


def _must_encrypt(url: DatabaseUrl) -> bool:
    certificates = {"ssl-ca", "ssl-cert", "ssl-key"} & url.options.keys()
    mode = url.options.get("ssl-mode", "required" if certificates else "preferred")
    return mode not in {"disabled", "preferred"}


def _tls(url: DatabaseUrl) -> ssl.SSLContext | None:
    """The TLS settings, None for none. An `ssl-ca` given is always checked."""
    options = url.options
    mode = options.get("ssl-mode", "preferred")
    if mode == "disabled":
        return None
    context = ssl.create_default_context(cafile=options.get("ssl-ca"))
    context.check_hostname = mode == "verify-identity"
    if mode not in {"verify-ca", "verify-identity"} and "ssl-ca" not in options:
        context.verify_mode = ssl.CERT_NONE
    if "ssl-cert" in options:
        context.load_cert_chain(options["ssl-cert"], options.get("ssl-key"))
    return context


async def _check_tls(connection: Connection) -> None:
    """Ask the server whether this connection is encrypted: belt and braces to the greeting."""
    rows = await fetch(connection, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    if not any(cipher for _, cipher in rows):
        raise aiomysql.OperationalError(2026, "the connection is not encrypted")


async def fetch(connection: Connection, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    """Run one small statement and return its rows. Raises the driver's errors."""
    cursor = await connection.cursor(aiomysql.Cursor)
    await cursor.execute(query, arguments or None)
    return list(await cursor.fetchall() or ())


async def limit_statements(connection: Connection, seconds: float) -> None:
    """Let no statement take longer than `seconds`; 0 takes every limit away."""
    # MariaDB's (seconds) and MySQL's (milliseconds). Each knows its own.
    for setting in (
        f"max_statement_time = {seconds}",
        f"max_execution_time = {seconds * 1000:.0f}",
    ):
        try:
            await fetch(connection, f"SET SESSION {setting}")
        except aiomysql.Error as error:
            if error_code(error) != UNKNOWN_VARIABLE:
                raise


def error_code(error: BaseException) -> int | None:
    """The server's error number, where the error has one."""
    code = error.args[0] if error.args else None
    return code if isinstance(error, aiomysql.Error) and isinstance(code, int) else None
