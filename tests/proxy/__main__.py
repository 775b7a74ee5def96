"""`python -m tests.proxy --rounds 200 --seed 1 [--rate 0.1]`: rounds until a promise is broken.

Each is a scan, an execution and a restore through a proxy that lets about one request in
1/rate go wrong. Prints what went wrong how often, and what the objects came to. `--server
ministack` runs on that one. Ends with 1 at the first promise that is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from s3gc_core.config import Config
from tests.faults.oracle import PromiseBroken
from tests.proxy.rounds import Told, ground_on, quick
from tests.servers.ministack import running_ministack
from tests.servers.seaweed import S3Server, drop_bucket, running_seaweed

# The oracle reads the log of the vault whole: a new one now and then keeps that short.
ROUNDS_A_VAULT = 10


async def run(rounds: int, seed: int, rate: float, server: str) -> int:
    """Run the rounds; 1 where a promise was broken."""
    told, fired, began = Told(), Counter[str](), time.monotonic()
    broken: PromiseBroken | None = None
    done = 0
    with tempfile.TemporaryDirectory() as name:
        async with _running(server, Path(name)) as running, quick():
            while done < rounds and broken is None:
                share = min(ROUNDS_A_VAULT, rounds - done)
                folder = Path(name) / f"from-{done}"
                folder.mkdir()
                config = await _new(running, folder, done)
                async with ground_on(config, running, folder, seed + done) as ground:
                    ground.told = told
                    for _ in range(share):
                        try:
                            await ground.round(rate * random.Random(seed + done).uniform(0.2, 1.8))
                        except PromiseBroken as error:
                            broken = error
                            break
                        done += 1
                    fired += ground.misbehaving.fired
                if server == "seaweed":
                    await drop_bucket(running, config.bucket)  # type: ignore[arg-type]
                sys.stdout.write(f"{done} rounds, {time.monotonic() - began:.0f} s\n")
                sys.stdout.flush()
    for what, counts in (("faults", fired), ("outcomes", told.outcomes), ("errors", told.errors)):
        sys.stdout.write(f"{what}: {counts.total()}\n")
        sys.stdout.writelines(f"  {count:6} {name}\n" for name, count in counts.most_common())
    sys.stdout.write(f"{told.only_in_vault} objects were in the vault only; seed {seed}\n")
    if broken is not None:
        sys.stdout.write(f"BROKEN in round {done + 1}: {broken}\n")
    return 1 if broken else 0


@asynccontextmanager
async def _running(server: str, folder: Path) -> AsyncIterator[S3Server]:
    running = running_ministack if server == "ministack" else running_seaweed
    (folder / "server").mkdir()
    async with running(folder / "server") as started:
        with pytest.MonkeyPatch.context() as environment:
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
                environment.delenv(name, raising=False)
            environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
            environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
            environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
            environment.setenv("AWS_ACCESS_KEY_ID", started.access_key)
            environment.setenv("AWS_SECRET_ACCESS_KEY", started.secret_key)
            yield started


async def _new(server: S3Server, folder: Path, number: int) -> Config:
    name = f"proxied-{number}"
    await server.create_bucket(name)
    vault = folder / "vault"
    vault.mkdir(mode=0o700)
    return Config(bucket=name, endpoint_url=server.endpoint, vault_path=vault)


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.proxy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.1, help="share of requests that go wrong")
    parser.add_argument("--server", choices=("seaweed", "ministack"), default="seaweed")
    chosen = parser.parse_args()
    return asyncio.run(run(chosen.rounds, chosen.seed, chosen.rate, chosen.server))


if __name__ == "__main__":
    sys.exit(main())
