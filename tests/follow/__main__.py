"""`python -m tests.follow [--engine postgres|mariadb|sqlite] [--changes 50000] [--kills 50]
[--bulk 100000]`

Starts SeaweedFS and a database server, lets an application write, follows it in a process that is
killed again and again, and compares at the end; ends with 1 where anything differs. With
`--hand-off ROWS` instead: a table of so many rows is loaded while three writers change it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.database_url import Engine
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.follow import application, hand_off
from tests.follow.file_kills import FileKilling
from tests.follow.hand_off import HandedOff, load_under_writers
from tests.follow.kills import Killing, Outcome
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

_SERVERS: dict[str, type[PostgresServer | MariadbServer]] = {
    "postgres": PostgresServer,
    "mariadb": MariadbServer,
}


async def main() -> int:
    """Run what was asked for; 1 where anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.follow")
    engines = [*sorted(_SERVERS), "sqlite"]
    parser.add_argument("--engine", choices=engines, default="postgres")
    parser.add_argument("--changes", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--bulk", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hand-off", type=int, metavar="ROWS")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3gc-follow-") as made:
        folder = Path(made)
        async with SeaweedServer(folder / "seaweed") as store, AsyncExitStack() as stack:
            url = f"sqlite:///{folder}/app.db"
            if args.engine in _SERVERS:
                server = _SERVERS[args.engine]()
                await stack.enter_async_context(server)
                url = await server.create_database()
            app = AppDatabase(url)
            outcome = await _run(args, store, app, folder)
            await app.close()
    sys.stdout.write("\n".join(outcome.lines()) + "\n")
    return 1 if outcome.differences else 0


async def _run(
    args: argparse.Namespace, store: SeaweedServer, app: AppDatabase, folder: Path
) -> Outcome | HandedOff:
    if args.hand_off:
        config = await _config(store, folder, app.url, hand_off.TRACKED)
        return await load_under_writers(config, app, folder, seed=args.seed, rows=args.hand_off)
    config = await _config(store, folder, app.url, application.TRACKED)
    if app.engine is Engine.SQLITE:
        killing = FileKilling(config, app, folder, args.seed)
        return await killing.run(changes=args.changes, kills=args.kills, bulk_rows=args.bulk)
    return await Killing(config, app, folder, args.seed).run(
        changes=args.changes, kills=args.kills, bulk=args.bulk, writers=args.writers
    )


async def _config(
    store: SeaweedServer, folder: Path, url: str, tables: Mapping[str, object]
) -> Config:
    os.environ["AWS_ACCESS_KEY_ID"] = store.access_key
    os.environ["AWS_SECRET_ACCESS_KEY"] = store.secret_key
    await store.create_bucket("follow")
    (folder / "vault").mkdir(mode=0o700)
    return create_config(
        bucket="follow",
        endpoint_url=store.endpoint,
        vault_path=folder / "vault",
        database={"url": url, "cdc": True},
        tables=tables,
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
