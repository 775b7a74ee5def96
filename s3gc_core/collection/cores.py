"""How many processor cores this process may really use: a container often has a few of many."""

from __future__ import annotations

import os
from pathlib import Path

# Control groups, version 2: "QUOTA PERIOD" in microseconds, or "max PERIOD" (kernel documentation).
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Cores that this process may run on, and no more than its quota pays for; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(allowed or 1, _paid_for(cpu_max) or allowed or 1))


def _paid_for(cpu_max: Path) -> int | None:
    """The quota, rounded up; None where none is set, or the system knows no such file."""
    try:
        quota, _, period = cpu_max.read_text().partition(" ")
    except OSError:
        return None
    if not quota.isdecimal() or not period.strip().isdecimal() or int(period) == 0:
        return None
    return -(-int(quota) // int(period))
