"""`--forbid-skips`, which the gate relies on, really fails a run in which something was skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(folder: Path, *options: str) -> int:
    (folder / "test_two.py").write_text(
        "import pytest\n\ndef test_runs(): pass\n\n@pytest.mark.skip\ndef test_skipped(): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.forbid_skips", *options]
    # The gate's own options must not reach the run that is looked at.
    clean = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [*command, f"--rootdir={folder}", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env=clean,
    ).returncode


def test_a_skip_fails_the_run_only_where_skips_are_forbidden(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    assert run(tmp_path, "--forbid-skips") == 1
