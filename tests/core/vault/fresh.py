"""Runs a piece of a test in a fresh process, alone or under strace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_fresh(code: str, *arguments: object, strace: Sequence[str] = ()) -> str:
    """Standard output of `code`, a coroutine's body that may use `vault` and `files`."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from s3gc_core.vault import *\n"
        "from tests.core.vault.builders import *\n"
        "async def main(vault, files):\n"
        + textwrap.indent(textwrap.dedent(code), "    ")
        + "\nvault = Path(sys.argv[1])\n"
        "asyncio.run(main(vault, BackupFiles(vault, packed_below=0)))\n"
    )
    ended = subprocess.run(
        [*strace, sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def strace_with(trace: Path, *options: str) -> list[str]:
    """A command line that traces file calls into `trace`."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("strace is missing: apt-get install strace")
    return [strace, "-f", "-y", "-qq", "-o", str(trace), *options]
