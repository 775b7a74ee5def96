"""Standard output that goes away, fills up, or speaks another language."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.tui.command_line import CommandLine, Ran, ended
from tests.tui.small_world import FORGOTTEN, HEADERS, PROTECTED, SmallWorld, pieces

# Together more than a pipe holds (64 KiB), so that the writer has to wait for its reader.
MANY = [f"many/{number:04}/{'x' * 240}" for number in range(120)]


async def many_candidates(small: SmallWorld) -> None:
    async with small.world.bucket() as bucket:
        for key in MANY:
            await bucket.put(key, pieces(b"."), 1, HEADERS)
    await small.world.scan()


async def shell(cli: CommandLine, command: str) -> Ran:
    """Run a line of shell in which $S3GC is the command line."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        command,
        cwd=cli.folder,
        env=cli.variables(S3GC=f"{sys.executable} -m s3gc_tui"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await ended(process)


@pytest.mark.parametrize("batch", ["--batch", ""])
async def test_a_reader_that_has_had_enough(small: SmallWorld, batch: str) -> None:
    await many_candidates(small)
    ran = await shell(
        small.cli, f"$S3GC {batch} candidates | head -1; echo ${{PIPESTATUS[0]}} >codes"
    )
    assert len(ran.stdout.splitlines()) == 1
    assert min([*FORGOTTEN, *PROTECTED]).encode() in ran.stdout
    assert (small.cli.folder / "codes").read_text() == "0\n"
    assert ran.stderr == b""
    assert small.cli.crash_reports() == []


async def test_a_disk_that_is_full_is_a_failure_with_one_clear_line(small: SmallWorld) -> None:
    await small.world.scan()
    ran = await shell(small.cli, "$S3GC --batch status >/dev/full")
    assert ran.code == 1
    assert "Traceback" not in ran.complaints
    assert len(ran.complaints.splitlines()) == 1


async def test_a_closed_standard_output_is_no_crash(small: SmallWorld) -> None:
    await small.world.scan()
    ran = await shell(small.cli, "$S3GC --batch status >&-")
    assert (ran.code, ran.stderr) == (0, b"")


async def test_a_terminal_that_is_not_utf_8(small: SmallWorld) -> None:
    async with small.world.bucket() as bucket:
        await bucket.put("日本/ä.jpg", pieces(b"."), 1, HEADERS)
    await small.world.scan()
    ran = await small.cli("candidates", PYTHONIOENCODING="latin-1")
    assert (ran.code, ran.stderr) == (0, b"")
    assert ran.stdout.count(b"\n") == len(FORGOTTEN) + len(PROTECTED) + 1 + 4
    batch = await small.cli.batch("candidates", PYTHONIOENCODING="ascii")
    assert {c["key"] for c in batch.of("candidate")} == {*FORGOTTEN, *PROTECTED, "日本/ä.jpg"}
