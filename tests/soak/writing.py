"""`python -m tests.soak.writing URL BUCKET ENDPOINT KEYS WRITERS SEED LOG`: the application, in a
process of its own.

Says `ready` when every object is there, then how many events there were, and writes until a line
comes on its standard input. LOG is written at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from s3gc_core.bucket.connection import Keys, connect
from s3gc_core.config import Config
from s3gc_core.parallel import in_parallel
from s3gc_tui.demo.seaweed import die_with_parent
from tests.servers.app_database import AppDatabase
from tests.soak.application import Rows, Uploads, Writer, all_keys
from tests.soak.events import Event, save

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60.0
_TELL_SECONDS = 0.1
# The keys of the store, for whoever works in the bucket without s3gc.
ACCESS, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"


@asynccontextmanager
async def s3_client(endpoint: str, bucket: str) -> AsyncIterator[S3Client]:
    """A client of the application's own."""
    keys = Keys(os.environ[ACCESS], os.environ[SECRET])
    async with connect(Config(bucket=bucket, endpoint_url=endpoint), keys=keys) as connection:
        yield connection.s3


class Application:
    """The running process. Made by `writing`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events = 0

    async def ready(self) -> None:
        """Wait until every object is there. Raises `TimeoutError`."""
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await self._line() == "ready"

    async def listen(self) -> None:
        """Hear how many events there were, until it ends."""
        while line := await self._line():
            self.events = int(line)

    async def stop(self) -> None:
        """Every writer ends what it does; then the log is there."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await self._process.wait() == 0

    async def _line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def writing(
    url: str, config: Config, log: Path, *, keys: int, writers: int, seed: int
) -> AsyncIterator[Application]:
    """The application meanwhile; at the end it is killed, if it was not stopped."""
    asked = (url, config.bucket, config.endpoint_url, keys, writers, seed, log)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.writing", *map(str, asked)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        yield Application(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _write(url: str, s3: S3Client, bucket: str, sizes: tuple[int, int, int]) -> list[Event]:
    number, writers, seed = sizes
    log: list[Event] = []
    keys = all_keys(number)
    async with AsyncExitStack() as stack:
        made = []
        for n in range(writers + 1):
            app = AppDatabase(url)
            stack.push_async_callback(app.close)
            rows, uploads = Rows(app, log, n + 1), Uploads(s3, bucket, log)
            own = keys[n::writers] if n < writers else keys[:1]
            made.append(Writer(rows, uploads, Random(f"{seed} {n}"), own, keys))
        [*full_speed, late] = made
        await in_parallel(writer.begin() for writer in full_speed)
        _tell("ready")
        stopped = asyncio.Event()

        async def write(writer: Writer) -> None:
            while not stopped.is_set():
                await writer.write()

        async def write_late() -> None:
            while not stopped.is_set():
                await late.write_late()

        async def tell() -> None:
            while not stopped.is_set():
                _tell(str(len(log)))
                await asyncio.sleep(_TELL_SECONDS)

        async def stop() -> None:
            await asyncio.to_thread(sys.stdin.read)
            stopped.set()

        await in_parallel([*map(write, full_speed), write_late(), tell(), stop()])
    return log


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(url: str, bucket: str, endpoint: str, *rest: str) -> None:
    keys, writers, seed, log = rest
    async with s3_client(endpoint, bucket) as s3:
        sizes = int(keys), int(writers), int(seed)
        save(await _write(url, s3, bucket, sizes), Path(log))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
