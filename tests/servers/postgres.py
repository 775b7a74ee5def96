"""PostgreSQL for tests: a private instance with logical decoding, one fresh database per call."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import asyncpg

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.servers.process import DatabaseServer, find_program

INSTALL = "apt-get install postgresql"
PASSWORD = "postgres-test"


def _account() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


class PostgresServer(DatabaseServer):
    """`async with PostgresServer() as server: url = await server.create_database()`."""

    stop_signal = signal.SIGINT  # "fast": sessions are ended, data is written
    kill_signal = signal.SIGQUIT  # "immediate": as after a crash, but no process stays behind

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self._initdb = find_program("initdb", found, INSTALL)
        self._program = find_program("postgres", found, INSTALL)
        super().__init__(user=_account())

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD) -> str:
        """The URL of one database of this server."""
        return DatabaseUrl(
            Engine.POSTGRESQL, database, "127.0.0.1", self.port, user, password
        ).render()

    @property
    def socket_folder(self) -> str:
        """The folder of the server's unix socket, which asks for no password."""
        return str(self.folder)

    async def prepare(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user is not None:
            os.chown(secret, pwd.getpwnam(self.user).pw_uid, -1)
        await self.run(
            self._initdb,
            *("-D", self._data, "-U", "postgres", f"--pwfile={secret}", "--no-sync"),
            *("-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"),
        )

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "wal_level": "logical",
            "max_wal_senders": 20,
            # Databases of tests that have ended keep theirs.
            "max_replication_slots": 500,
            "max_connections": 100,
            "shared_buffers": "64MB",
            "fsync": "off",  # what was committed survives our `kill`, not a power cut
            "full_page_writes": "off",
            "ssl": "on",
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.folder / "server.key",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._program), "-D", str(self._data), *options]

    async def answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def create_database(self, options: str = "") -> str:
        """A fresh, empty database; `options` goes to CREATE DATABASE. Returns its URL."""
        name = self.next_database()
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name} {options}")
        finally:
            await connection.close()
        return self.url(name)
