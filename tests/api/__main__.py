"""`python -m tests.api [EXAMPLES]`: schemathesis in full, on a world of its own with a scan in it.

Each operation is asked so many times (200 unless given) in both ways, what its description allows
and what it does not. Ends with 1 at the first thing found.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from time import time_ns

from s3gc_core.config import Config
from s3gc_core.database_url import DatabaseUrl, Engine
from tests.api.asking import TOKENS
from tests.api.schema import ask_everything
from tests.servers.app_database import AppDatabase
from tests.servers.seaweed import running_seaweed
from tests.world import World


async def main(examples: int) -> None:
    """Set the scene and ask."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_seaweed(Path(folder)) as server:
            os.environ |= {
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
            }
            await server.create_bucket("photos")
            vault = Path(folder) / "vault"
            app = AppDatabase(DatabaseUrl(Engine.SQLITE, f"{folder}/app.db").render())
            world = World(Config("photos", endpoint_url=server.endpoint, vault_path=vault), app)
            await app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, k TEXT)")
            await app.execute("INSERT INTO files VALUES (1, 'used')")
            world.track({"files": ["k"]}, api={"tokens": TOKENS})
            for key in ("used", "a", "b\x7fä\n", "c/d"):
                await world.put(key)
            world.days(30)
            await world.scan()
            number = time_ns()
            sys.stdout.write(f"number {number}\n")
            asked = await ask_everything(world, examples, number=number)
            sys.stdout.write(f"{asked} requests, nothing found\n")
            await app.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
