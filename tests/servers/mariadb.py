"""MariaDB for tests: a private instance with a row binlog, one fresh database per call."""

from __future__ import annotations

import os
import signal

import aiomysql

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.servers.process import DatabaseServer, find_program

INSTALL = "apt-get install mariadb-server"
USER = "app"
PASSWORD = "mariadb-test"


class MariadbServer(DatabaseServer):
    """`async with MariadbServer() as server: url = await server.create_database()`."""

    stop_signal = signal.SIGTERM
    kill_signal = signal.SIGKILL
    extra: tuple[str, ...] = ()  # more options, such as `--skip-ssl`, for the next start

    def __init__(self) -> None:
        self._install = find_program("mariadb-install-db", [], INSTALL)
        self._program = find_program("mariadbd", [], INSTALL)
        super().__init__(user=None)

    def url(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """The URL of one database of this server."""
        return DatabaseUrl(Engine.MYSQL, database, "127.0.0.1", self.port, user, password).render()

    @property
    def socket(self) -> str:
        """The server's unix socket."""
        return str(self.folder / "server.sock")

    async def prepare(self) -> None:
        account = f"'{USER}'@'%'"
        (self.folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"
        )
        await self.run(
            self._install,
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
            *self._as_root(),
        )

    def command(self) -> list[str]:
        return [
            str(self._program),
            "--no-defaults",
            *self._as_root(),
            f"--datadir={self.folder / 'data'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-networking=0",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'server.pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--server-id=1",
            "--log-bin=binlog",
            "--binlog-format=ROW",
            "--binlog-row-image=FULL",
            "--binlog-row-metadata=FULL",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=2",  # survives our `kill`, not a power cut
            "--innodb-doublewrite=0",
            "--sync-binlog=0",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.folder / 'server.key'}",
            *self.extra,
        ]

    def _as_root(self) -> list[str]:
        # Under another account MariaDB refuses the option; under root it demands it.
        return ["--user=root"] if os.getuid() == 0 else []

    async def answers(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, aiomysql.Error):
            return False
        await connection.ensure_closed()
        return True

    async def create_database(self) -> str:
        """A fresh, empty database. Returns its URL."""
        name = self.next_database()
        connection = await self._connect()
        try:
            cursor = await connection.cursor()
            await cursor.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.ensure_closed()
        return self.url(name)

    async def _connect(self) -> aiomysql.Connection:
        return await aiomysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, connect_timeout=5
        )
