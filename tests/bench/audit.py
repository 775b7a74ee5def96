"""`python -m tests.bench --only audit`: checking the whole audit log, beside hashing its bytes.

And the sums that `s3gc metrics` tells, from nothing and carried on.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from s3gc_core.clock import SystemClock
from s3gc_core.vault import AuditLog, Outcome, Result, Totals
from tests.core.vault.builders import OPERATION, intent

_BATCH = 250


async def measure(rows: int) -> None:
    """Fill a log with so many records as executions do, and check it from its first to its last."""
    with tempfile.TemporaryDirectory() as folder:
        vault = Path(folder)
        log = await AuditLog.open(vault, SystemClock())
        try:
            for start in range(0, rows // 2, _BATCH):
                keys = [f"uploads/{n:09}.jpg" for n in range(start, start + _BATCH)]
                await log.append(OPERATION, [intent(key) for key in keys])
                await log.append(OPERATION, [Result(key, Outcome.DELETED) for key in keys])
            await log.anchor()
            began, cpu = time.perf_counter(), time.process_time()
            checked = await log.verify()
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            began = time.perf_counter()
            totals = await log.totals(Totals())
            anew = time.perf_counter() - began
            began = time.perf_counter()
            await log.totals(totals)
            carried = time.perf_counter() - began
        finally:
            await log.close()
        raw = _hashed(vault / "audit.db")
    print(f"audit verify: {checked:,} records in {seconds:.2f} s: {checked / seconds:,.0f} rows/s")
    print(f"totals: {anew:.2f} s from nothing, {1000 * carried:.1f} ms where they are known")
    print(f"  by the processor's time: {checked / cpu:,.0f} rows/s")
    print(f"  reading and hashing the same rows alone, by that time: {checked / raw:,.0f} rows/s")


def _hashed(path: Path) -> float:
    """Seconds of CPU that SQLite takes to give the rows, and SHA-256 to hash their bodies."""
    began = time.process_time()
    with closing(sqlite3.connect(path)) as connection:
        for (body,) in connection.execute("SELECT body FROM audit ORDER BY seq"):
            hashlib.sha256(body).digest()
    return time.process_time() - began
