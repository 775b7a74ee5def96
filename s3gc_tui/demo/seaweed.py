"""A private S3 server for the demo and the tests: SeaweedFS, one process, loopback only."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from s3gc_core.bucket import create_bucket
from s3gc_core.config import Config
from s3gc_core.errors import BucketUnreachable, S3gcError

START_SECONDS = 30.0
POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
START_ATTEMPTS = 3
# weed opens a gRPC port 10,000 above each of its ports. Both lie below the range from which Linux
# takes the ports of outgoing connections (32768 and up), which could be taken any moment.
PORTS = range(12_000, 22_000)
GRPC_OFFSET = 10_000
_PR_SET_PDEATHSIG = 1
_SOCKETS = "/tmp"  # noqa: S108 - fixed inside weed, whatever TMPDIR says


class SeaweedMissing(S3gcError):
    """The `weed` program is not installed."""

    why = "the demo runs on a real S3 server of its own"
    next_step = "pip install 's3gc[demo]'"


class SeaweedServer:
    """`async with SeaweedServer(folder) as server`: a running server with `bucket` created.

    Data stays in `folder` and is there again at the next start; ports and keys are new each time.
    """

    def __init__(self, folder: Path, *, bucket: str = "photos") -> None:
        self.folder = folder
        self.bucket = bucket
        self.access_key = secrets.token_hex(10)
        self.secret_key = secrets.token_urlsafe(30)
        self.endpoint = ""
        self._ports: list[int] = []
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> SeaweedServer:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                await self._start()
                await self._wait_until_ready()
            except BaseException as error:
                await self.stop()
                # Somebody may take a port between our look and weed's start.
                if not isinstance(error, BucketUnreachable) or attempt == START_ATTEMPTS:
                    raise
            else:
                break
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def config(self, bucket: str | None = None) -> Config:
        """A configuration that names this server and nothing else."""
        return Config(bucket=bucket or self.bucket, endpoint_url=self.endpoint)

    async def create_bucket(self, name: str) -> None:
        """Create another bucket. Raises `BucketUnreachable`."""
        await create_bucket(
            self.config(name), access_key=self.access_key, secret_key=self.secret_key
        )

    async def stop(self, patience: float = STOP_SECONDS) -> None:
        """SIGTERM, and SIGKILL for one that does not listen for `patience` seconds.

        Also when we are cancelled.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is not None:
            self._remove_sockets()
            return
        process.terminate()
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except BaseException as error:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
            if not isinstance(error, TimeoutError):
                raise
        finally:
            self._remove_sockets()

    def _remove_sockets(self) -> None:
        """weed leaves a local socket in /tmp for some of its ports; they are named for them."""
        for port in self._ports:
            for number in (port, port + GRPC_OFFSET):
                for left in Path(_SOCKETS).glob(f"seaweedfs-*-{number}.sock"):
                    left.unlink(missing_ok=True)

    async def _start(self) -> None:
        program = find_weed()
        self._ports = ports = free_ports(5)
        data = self.folder / "data"
        identities = self.folder / "identities.json"
        await asyncio.to_thread(self._prepare, data, identities)
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        with (self.folder / "weed.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(program),
                *arguments(data, identities, ports),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Keys and endpoints of the operator's own account are none of its business.
                env={k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "WEED_"))},
                # Ctrl-C is for us: we stop it in order.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )

    def _prepare(self, data: Path, identities: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "s3gc",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        identities.touch(mode=0o600)
        identities.write_text(json.dumps({"identities": [identity]}))

    async def _wait_until_ready(self) -> None:
        """An open port is not enough: weed answers before it can create a bucket."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            try:
                await self.create_bucket(self.bucket)
            except S3gcError as error:
                assert self._process is not None  # noqa: S101 - set by _start
                gone = self._process.returncode is not None
                if gone or loop.time() > deadline:
                    raise BucketUnreachable(
                        f"the S3 server does not start; see {self.folder / 'weed.log'}"
                    ) from error
                await asyncio.sleep(POLL_SECONDS)
            else:
                return


def find_weed() -> Path:
    """The weed program: beside this Python, or on PATH. Raises `SeaweedMissing`."""
    beside = Path(sys.executable).parent / "weed"
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("weed")
    if found is None:
        raise SeaweedMissing("the SeaweedFS program `weed` is not installed")
    return Path(found)


def arguments(data: Path, identities: Path, ports: list[int]) -> list[str]:
    """weed's command line: without these flags it listens on all interfaces and phones home."""
    s3, master, volume, filer, admin = ports
    return [
        "-logtostderr=true",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={identities}",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.port={s3}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-admin.port={admin}",
    ]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now, together with their gRPC twins."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if _is_free(port) and _is_free(port + GRPC_OFFSET):
            found.append(port)
            if len(found) == count:
                return found
    raise BucketUnreachable("there are not enough free ports for the S3 server")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def die_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel kills the child when we die, even by `kill -9` (Linux only).

    Everything is looked up before the fork; after it, only two system calls are made.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died in between
            os._exit(1)

    return ask_the_kernel
