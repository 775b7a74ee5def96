"""A database server of our own: started, asked until it answers, taken away, brought back."""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import shutil
import signal
import socket
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import pytest

from s3gc_tui.demo.seaweed import die_with_parent

START_SECONDS = 60.0
STOP_SECONDS = 30.0


# Below those that the kernel gives to outgoing connections (a server listens seconds after its port
# was chosen), and apart from those of the S3 server.
_PORTS = range(6_000, 12_000)


def free_port() -> int:
    """A port of loopback that is free now, and that no connection is given later."""
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def find_program(name: str, folders: list[Path], install: str) -> Path:
    """The program, from `folders` or the path; a missing one fails the test loudly."""
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: {install}")
    return Path(found)


class DatabaseServer(ABC):
    """One private server on loopback with its data in a folder that goes away with it.

    As root it runs as `user`, because PostgreSQL refuses to run as root.
    """

    stop_signal: signal.Signals
    kill_signal: signal.Signals

    def __init__(self, user: str | None) -> None:
        self.user = user if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="s3gc-db-"))
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._databases = 0

    @property
    def certificate(self) -> Path:
        """The server's self-signed certificate for 127.0.0.1, which is its own authority."""
        return self.folder / "server.crt"

    @abstractmethod
    async def prepare(self) -> None:
        """Make the data folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """How to run the server in the foreground."""

    @abstractmethod
    async def answers(self) -> bool:
        """Whether it can be talked to."""

    async def __aenter__(self) -> Self:
        try:
            if self.user is not None:
                os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
            await self._certify()
            await self.prepare()
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.kill()
        await asyncio.to_thread(shutil.rmtree, self.folder)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self.user,
                env=self.environment(),
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await self.answers():
            late = asyncio.get_running_loop().time() > deadline
            if late or self._process.returncode is not None:
                raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")
            await asyncio.sleep(0.05)

    def environment(self) -> dict[str, str]:
        """That of its processes: MariaDB clears all temporary tables away when it starts, also
        those of other servers in the same folder, which may crash by that.
        """
        return {**os.environ, "TMPDIR": str(self.folder)}

    async def stop(self) -> None:
        """Shut it down in order."""
        await self._end(self.stop_signal)

    async def kill(self) -> None:
        """Take it away at once, in the middle of whatever it does."""
        await self._end(self.kill_signal)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(how)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def run(self, *command: str | Path) -> None:
        """Run a program of the server's to its end, as the server's user."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=self.user,
            env=self.environment(),
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode(errors="replace")

    async def _certify(self) -> None:
        openssl = find_program("openssl", [], "apt-get install openssl")
        names = "subjectAltName=IP:127.0.0.1"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        files = ("-keyout", str(self.folder / "server.key"), "-out", str(self.certificate))
        subject = ("-subj", "/CN=s3gc tests", "-addext", names, "-days", "2")
        await self.run(openssl, "req", "-x509", *curve, *files, *subject)

    def next_database(self) -> str:
        """A name no other database of this server has."""
        self._databases += 1
        return f"app_{self._databases}"
