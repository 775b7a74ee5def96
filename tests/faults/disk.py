"""A disk of its own in a file, whose power can go: what was not synced is not on it then.

Needs root, loop mounts and mkfs.ext4. A copy of the image file holds only the blocks that the file
system has handed to the disk: dirty pages of the mounted one are not in it. It stands for a disk
that finishes writes in their order; a cache that reorders them is not simulated.

ext4 loses less than it may: a file's pages that are dropped from memory (the read-back does that)
are written first, and the next sync of any file brings their size to the disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.children import LIMIT_SECONDS, Ended, Running

SIZE = 256 << 20
# Longer than any process works: by itself the journal would write what nobody synced.
OPTIONS = "loop,commit=300,noatime"
# Of SQLite: rebuilt by whoever comes first, and nothing of it is ever synced.
SHARED_MEMORY = "-shm"


class NoDisk(Exception):
    """This machine cannot mount a file system in a file."""


class Disk:
    """A small ext4 in a file, mounted at `point`."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "image"
        self._copy = folder / "copy"
        self.point = folder / "disk"

    def make(self) -> None:
        """Make and mount it. Raises `NoDisk`."""
        mkfs = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if mkfs is None or os.geteuid() != 0:
            raise NoDisk("power cuts need root and mkfs.ext4")
        self.point.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        _run(mkfs, "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount it: ext4 goes through its journal, as after a power cut."""
        _run("mount", "-o", OPTIONS, str(self._image), str(self.point))

    def unmount(self) -> None:
        _run("umount", str(self.point))

    def sync(self) -> None:
        """Write everything down, as time would."""
        _run("sync", "-f", str(self.point))

    def copy(self) -> None:
        """Keep the disk as it is now. Nobody may write meanwhile; what the kernel writes by itself
        makes another copy of it.
        """
        before = None
        while before != (before := self._image.stat().st_mtime_ns):
            _run("cp", "--reflink=auto", "--sparse=auto", str(self._image), str(self._copy))

    def cut(self) -> None:
        """Go on with the copy. Nobody may have a file of it open."""
        self.unmount()
        self._copy.replace(self._image)
        self.mount()


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A new disk; unmounted in the end. Raises `NoDisk`."""
    disk = Disk(folder)
    disk.make()
    try:
        yield disk
    finally:
        disk.unmount()


def contents(folder: Path) -> dict[str, str]:
    """Every file below, and the SHA-256 of what can be read of it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(SHARED_MEMORY)
    }


async def until_all_stopped(running: Running, ending: asyncio.Task[Ended]) -> bool:
    """Poll until each thread of a process is stopped, in no system call; False where it ended."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LIMIT_SECONDS
    while not ending.done():
        states = _states(running.pid)
        if states == {"T"}:
            return True
        assert loop.time() < deadline, f"the process did not stop: {states}"
        await asyncio.sleep(0.002)
    return False


def _states(pid: int) -> set[str]:
    """Of its threads; a thread, or the process, may end meanwhile."""
    found = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            found.add(stat.read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            found.add("ended")
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDisk(f"{command[0]}: {done.stderr.strip()}")
