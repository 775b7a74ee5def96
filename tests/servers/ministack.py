"""ministack for tests: an S3 that orders keys and answers as AWS does, state in memory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3gc_core.bucket import create_bucket
from s3gc_core.config import Config
from s3gc_core.errors import S3gcError
from s3gc_tui.demo.seaweed import die_with_parent, free_ports

START_SECONDS = 30.0
STOP_SECONDS = 5.0


@dataclass
class Ministack:
    """A running server. It accepts any credentials."""

    endpoint: str
    access_key: str = "test"
    secret_key: str = "test"

    async def create_bucket(self, name: str) -> None:
        config = Config(bucket=name, endpoint_url=self.endpoint)
        await create_bucket(config, access_key=self.access_key, secret_key=self.secret_key)


@asynccontextmanager
async def running_ministack(folder: Path) -> AsyncIterator[Ministack]:
    """A server of our own on loopback; a missing one fails the test loudly."""
    program = Path(sys.executable).parent / "ministack"
    if not program.exists():
        pytest.fail("ministack is not installed: pip install 's3gc[dev]'")
    port = free_ports(1)[0]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3"}
    with (folder / "ministack.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            str(program),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    try:
        server = Ministack(f"http://127.0.0.1:{port}")
        await _until_ready(server, process)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(server: Ministack, process: asyncio.subprocess.Process) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            await server.create_bucket("first")
        except S3gcError as error:
            if process.returncode is not None:
                raise AssertionError("ministack ended; see ministack.log") from error
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
