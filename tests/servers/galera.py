"""MariaDB as a node of a Galera cluster (apt's mariadb-server brings Galera and rsync along)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiomysql

from tests.servers.mariadb import MariadbServer
from tests.servers.process import find_program, free_port

# Beside Debian's, where other systems have it.
_PROVIDERS = (
    Path("/usr/lib/galera/libgalera_smm.so"),
    Path("/usr/lib64/galera-4/libgalera_smm.so"),
)
_ACCOUNT = "mysql"  # as root, rsync would write as nobody


class GaleraNode(MariadbServer):
    """One node; `seed` is another one of the cluster that it joins (None: it begins a cluster)."""

    def __init__(self, number: int, seed: GaleraNode | None = None) -> None:
        super().__init__()
        find_program("rsync", [], "apt-get install rsync")
        self.user = _ACCOUNT if os.getuid() == 0 else None
        self._number = number
        self._seed = seed
        self._group = free_port()
        self._transfers = (free_port(), free_port())

    def _as_root(self) -> list[str]:
        return []

    def command(self) -> list[str]:
        provider = next((path for path in _PROVIDERS if path.exists()), _PROVIDERS[0])
        seed = f"127.0.0.1:{self._seed._group}" if self._seed else ""
        incremental, whole = self._transfers
        listens = f"gmcast.listen_addr=tcp://127.0.0.1:{self._group}"
        takes = f"ist.recv_addr=127.0.0.1:{incremental}"
        return [
            *super().command(),
            f"--server-id={self._number}",
            "--wsrep-on=ON",
            f"--wsrep-provider={provider}",
            f"--wsrep-cluster-address=gcomm://{seed}",
            f"--wsrep-node-address=127.0.0.1:{self._group}",
            f"--wsrep-node-incoming-address=127.0.0.1:{self.port}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{whole}",
            f"--wsrep-provider-options={listens};{takes};gcache.size=8M",
            "--innodb-autoinc-lock-mode=2",
        ]

    async def answers(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, aiomysql.Error):
            return False
        try:
            cursor = await connection.cursor()
            await cursor.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")
            ((_, state),) = await cursor.fetchall()
        finally:
            connection.close()
        return bool(state == "Synced")


@asynccontextmanager
async def cluster() -> AsyncIterator[tuple[GaleraNode, GaleraNode]]:
    """Two nodes that have the same tables."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(GaleraNode(1))
        second = await stack.enter_async_context(GaleraNode(2, first))
        yield first, second
