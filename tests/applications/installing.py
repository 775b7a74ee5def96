"""Installing an application in a prefix of its own, from PyPI, npm or Debian; once per cache."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from platformdirs import user_cache_path

_STAMP = "installed"  # written last: a folder without it is a half-made one
_SHOWN = 4000  # characters of a failed command's output worth reading


def default_cache() -> Path:
    """Where installed applications stay between runs: the user's cache folder."""
    return user_cache_path("s3gc-tests") / "applications"


class CommandFailedError(Exception):
    """A command of the installation or of the application failed; the message has its output."""


async def run(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run a command to its end, `env` on top of our environment; returns what it printed.

    Raises CommandFailedError when it does not exit with 0.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    printed = output.decode(errors="replace")
    if process.returncode != 0:
        raise CommandFailedError(
            f"{' '.join(map(str, command))[:300]} exited with {process.returncode}:\n"
            f"{printed[-_SHOWN:]}"
        )
    return printed


async def install(
    cache: Path, name: str, wanted: Sequence[str], make: Callable[[Path], Awaitable[None]]
) -> Path:
    """The folder of an installation, made by `make(folder)` unless the cache has it.

    `wanted` says what is installed, with versions: another list is another folder. Two processes
    that want the same one wait for each other. Raises what `make` raises.
    """
    digest = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    async with _locked(cache / f"{folder.name}.lock"):
        if not (folder / _STAMP).exists():
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)
            folder.mkdir()
            await make(folder)
            (folder / _STAMP).touch()
    return folder


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


async def python_environment(cache: Path, name: str, pins: Sequence[str]) -> Path:
    """The interpreter of a virtual environment with exactly the pinned packages of PyPI."""

    async def make(folder: Path) -> None:
        # This environment's own pip serves the new one too, which saves installing another.
        await run(sys.executable, "-m", "venv", "--without-pip", folder)
        await run(
            *(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"),
            *("--quiet", "--no-deps", "--only-binary=:all:", "--no-compile", *pins),
        )

    return await install(cache, name, pins, make) / "bin" / "python"


async def debian_prefix(
    cache: Path, name: str, programs: Sequence[str], data: Sequence[str]
) -> Path:
    """A folder with Debian packages unpacked in it; nothing of the machine is touched.

    `programs` come with the libraries this machine lacks, `data` without what they depend on;
    versions as apt takes them (`wordpress=6.1.*`).
    """

    async def make(folder: Path) -> None:
        archives = folder / "archives"
        for part in (archives / "partial", folder / "lists" / "partial"):
            part.mkdir(parents=True)
        apt = (
            *("apt-get", "-qq", "-y", "-o", f"Dir::State::lists={folder / 'lists'}"),
            *("-o", f"Dir::Cache={folder}", "-o", "Debug::NoLocking=1"),
            *(("-o", "APT::Sandbox::User=root") if os.getuid() == 0 else ()),
        )
        await run(*apt, "update")
        fetch = ("install", "--download-only", "--no-install-recommends", "--reinstall")
        await run(*apt, *fetch, *programs)
        await run(*apt, "download", *data, cwd=archives)
        for package in sorted(archives.glob("*.deb")):
            await run("dpkg-deb", "--extract", package, folder)
        for waste in (archives, folder / "lists"):
            await asyncio.to_thread(shutil.rmtree, waste)

    return await install(cache, name, [*programs, *data], make)


async def npm_folder(cache: Path, name: str, pins: Sequence[str], before: str) -> Path:
    """The folder of a `node_modules` with the pinned packages of npm.

    What those depend on is of the versions of the day `before` (YYYY-MM-DD). No package's own
    install script is run: such scripts fetch programs from elsewhere.
    """

    async def make(folder: Path) -> None:
        (folder / "package.json").write_text('{"private": true}\n')
        quiet = ("--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts")
        # Peers are pinned by us; npm would take the newest of each, and more of them.
        versions = ("--legacy-peer-deps", f"--before={before}")
        await run("npm", "install", *quiet, *versions, *pins, cwd=folder)

    return await install(cache, name, [*pins, before], make)
