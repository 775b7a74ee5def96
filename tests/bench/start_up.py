"""`python -m tests.bench --only start`: from starting the process to the first painted dashboard.

Each run is a fresh process on a pty, from its start until the terminal shows what only the painted
screen holds; beside it a bare Textual application with one DataTable, in turns.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 9
_LIMIT_SECONDS = 60.0

BARE = """
from textual.app import App
from textual.widgets import DataTable

class Bare(App):
    def compose(self):
        yield DataTable()
    def on_mount(self):
        self.query_one(DataTable).add_columns("FirstColumn", "Second")

Bare().run()
"""
CONFIGURATION = """bucket = "photos"
endpoint_url = "http://127.0.0.1:1"
vault_path = "vault"
[database]
url = "sqlite:///app.db"
[tables]
users = ["avatar"]
"""


def seconds_until(marker: bytes, command: Sequence[str], folder: Path) -> float:
    """Run `command` on a pty of 80x24 until it has written `marker`, then end it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while marker not in seen:
            ready, _, _ = select.select([ours], [], [], _LIMIT_SECONDS)
            if not ready:
                raise TimeoutError(f"{command} never wrote {marker!r}: {seen[-500:]!r}")
            seen += os.read(ours, 65_536)
        return time.perf_counter() - begun
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def measure_start_up() -> None:
    """Print both, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="s3gc-bench-") as name:
        folder = Path(name)
        (folder / "bare.py").write_text(BARE)
        (folder / "s3gc.toml").write_text(CONFIGURATION)
        bare: list[float] = []
        ours: list[float] = []
        for _ in range(ROUNDS):
            bare.append(seconds_until(b"FirstColumn", [sys.executable, "bare.py"], folder))
            dashboard = [sys.executable, "-m", "s3gc_tui"]
            ours.append(seconds_until(b"Candidates", dashboard, folder))
        print("\nfirst painted screen, from the start of the process (best, median)")
        print(
            f"  bare Textual with a DataTable  {min(bare):6.2f} s  {statistics.median(bare):6.2f} s"
        )
        print(
            f"  dashboard                      {min(ours):6.2f} s  {statistics.median(ours):6.2f} s"
        )
        ratio = min(ours) / min(bare), statistics.median(ours) / statistics.median(bare)
        print(f"  ratio                          {ratio[0]:6.2f}    {ratio[1]:6.2f}")
