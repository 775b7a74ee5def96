"""`python -m tests.tui.accidents --keys 100000 [--seed 1]`: all of the fuzz, on its own world."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from s3gc_core.config import Config
from s3gc_core.databases import DatabaseUrl, Engine
from tests.servers.app_database import AppDatabase
from tests.servers.seaweed import running_seaweed
from tests.tui.accidents.fuzz import Fuzz, Ran
from tests.tui.command_line import CommandLine
from tests.tui.small_world import SmallWorld, furnish
from tests.tui.whole import furnished, opened
from tests.world import World


async def run(folder: Path, inputs: int, seed: int) -> Ran:
    """The fuzz, and that the bucket is what it was."""
    operator = folder / "operator"
    for made in (operator, folder / "vault"):
        made.mkdir(mode=0o700)
    os.chdir(operator)
    async with running_seaweed(folder) as server:
        os.environ.update(
            AWS_ACCESS_KEY_ID=server.access_key,
            AWS_SECRET_ACCESS_KEY=server.secret_key,
            AWS_EC2_METADATA_DISABLED="true",
            AWS_CONFIG_FILE=str(folder / "no-config"),
            AWS_SHARED_CREDENTIALS_FILE=str(folder / "no-credentials"),
        )
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
            os.environ.pop(name, None)
        await server.create_bucket("accidents")
        config = Config("accidents", endpoint_url=server.endpoint, vault_path=folder / "vault")
        database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(folder / "app.db")).render())
        world = World(config, database)
        small = SmallWorld(world, CommandLine(operator))
        try:
            await furnish(world)
            small.write_config()
            told = await furnished(small)
            async with opened(small, told, running=True, stays=True) as whole:
                ran = await Fuzz(whole, seed).run(inputs)
                await whole.assert_nothing_happened()
                return ran
        finally:
            await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.accidents")
    parser.add_argument("--keys", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="s3gc-accidents-") as folder:
        ran = asyncio.run(run(Path(folder), args.keys, args.seed))
    sys.stdout.write(f"{ran}\nno execution in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
