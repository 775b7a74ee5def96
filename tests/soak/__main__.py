"""`python -m tests.soak [--events 100000] [--engine postgres|mariadb] [--executions 5]
[--keys 300] [--seed 1]`

Starts SeaweedFS and a database server, and soaks; ends with 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from s3gc_core.config import Config
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.soak.soak import Soak, soaked_config
from tests.soak.writing import ACCESS, SECRET

_SERVERS: dict[str, type[PostgresServer | MariadbServer]] = {
    "postgres": PostgresServer,
    "mariadb": MariadbServer,
}
_BUCKET = "soak"


async def main() -> int:
    """Run what was asked for; 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--engine", choices=sorted(_SERVERS), default="postgres")
    parser.add_argument("--events", type=int, default=100_000, help="at least so many")
    parser.add_argument("--executions", type=int, default=5, help="at least so many that delete")
    parser.add_argument("--keys", type=int, default=300, help="how many objects")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3gc-soak-") as made:
        folder = Path(made)
        async with SeaweedServer(folder / "seaweed") as store, _SERVERS[args.engine]() as server:
            os.environ[ACCESS], os.environ[SECRET] = store.access_key, store.secret_key
            await store.create_bucket(_BUCKET)
            vault = folder / "vault"
            vault.mkdir(mode=0o700)
            in_bucket = Config(_BUCKET, endpoint_url=store.endpoint, vault_path=vault)
            app = AppDatabase(await server.create_database())
            config = soaked_config(in_bucket, app.url)
            soak = Soak(config, app, folder, keys=args.keys, seed=args.seed)
            outcome = await soak.run(events=args.events, executions=args.executions, told=_tell)
            await app.close()
    sys.stdout.write("\n".join(outcome.lines()) + "\n")
    return 0 if outcome.is_clean else 1


def _tell(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
