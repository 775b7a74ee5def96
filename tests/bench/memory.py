"""How much memory this process took."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> float:
    """Highest resident memory of this process so far, in MiB.

    Not `ru_maxrss`: that one a process inherits from whoever started it (Linux, `execve`).
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
