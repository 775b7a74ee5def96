"""`python -m tests.bench [--objects 10000 100000] [--only WHAT]`

Starts SeaweedFS and fills it and an SQLite database with N objects of 2 kB, half of them
referenced; measures scan and execution in fresh processes, each beside its reference. `--only list`
needs no server: the dashboard's list over N candidates, beside Textual's DataTable. Nor does
`--only start`: the time to the first painted screen, beside a bare Textual application. Of `--only
references [--rows 1000000]` see `references`, of `--only following [--rows 200000]` `following`, of
`--only search [--rows 1000000]` `search`, of `--only collect [--objects 3000] [--far 20]`
`collecting`, of `--only audit [--rows 100000]` `audit`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite

from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_core.parallel import in_parallel
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.bench import audit, candidate_list, collecting, following, references, search
from tests.bench.start_up import measure_start_up

HEADERS = ObjectHeaders(content_type="application/octet-stream", metadata={"from": "bench"})
SIZE = 2_000
ONLY = ("scan", "execute", "list", "start", "references", "following", "search", "collect", "audit")


async def main() -> None:
    """Run what was asked for and print a table a size."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--objects", type=int, nargs="+")
    parser.add_argument("--only", choices=ONLY)
    parser.add_argument("--rows", type=int, help="of references, following, search, audit")
    parser.add_argument("--far", type=int, default=0, help="of collect: ms of a round trip")
    args = parser.parse_args()
    if args.only == "list":
        await candidate_list.measure(args.objects or [10_000, 100_000, 1_000_000])
        return
    if args.only == "references":
        await references.measure(args.rows or 1_000_000)
        return
    if args.only == "following":
        await following.measure(args.rows or 200_000)
        return
    if args.only == "search":
        await search.measure(args.rows or 1_000_000)
        return
    if args.only == "audit":
        await audit.measure(args.rows or 100_000)
        return
    if args.only == "start":
        await asyncio.to_thread(measure_start_up)
        return
    with tempfile.TemporaryDirectory(prefix="s3gc-bench-") as folder:
        async with SeaweedServer(Path(folder) / "seaweed") as server:
            os.environ["AWS_ACCESS_KEY_ID"] = server.access_key
            os.environ["AWS_SECRET_ACCESS_KEY"] = server.secret_key
            if args.only == "collect":
                for count in args.objects or [3_000]:
                    await collecting.measure(server, Path(folder), count, args.far)
                return
            for count in args.objects or [10_000, 100_000]:
                await measure(server, Path(folder), count, args.only)


async def measure(server: SeaweedServer, folder: Path, count: int, only: str | None) -> None:
    """Fill a bucket with `count` objects and print the measurements."""
    bucket = f"bench-{count}"
    await server.create_bucket(bucket)
    settings: dict[str, Any] = {
        "bucket": bucket,
        "endpoint_url": server.endpoint,
        "mode": "execute",
        "vault_path": str(folder / bucket / "vault"),
        "database": f"sqlite:///{folder / bucket}.db",
        "tables": {"files": ["path"]},
        "guards": {"max_share": 1.0, "max_objects": count},
    }
    await fill(server.config(bucket), folder / f"{bucket}.db", count)
    print(f"\n{count:,} objects of {SIZE:,} bytes, half of them referenced")
    if only != "execute":
        show_scan(await in_a_process("scan", settings))
    if only != "scan":
        show_execute(await in_a_process("execute", settings))


def show_scan(m: dict[str, float]) -> None:
    """Scan beside one raw listing and one raw pass over the column."""
    print(f"  reference (raw listing + raw column)  {m['reference']:8.2f} s   ratio")
    for name in ("first", "second"):
        wall, cpu = m[name] / m["reference"], m[f"{name}_cpu"] / m["reference_cpu"]
        print(f"  {name:<7}scan                          {m[name]:8.2f} s   {wall:5.2f}", end="")
        print(f"   (CPU {cpu:.2f})")
    print(f"  memory: {m['base_mib']:.0f} MiB at start, {m['reference_mib']:.0f} after the", end="")
    print(f" reference, {m['peak_mib']:.0f} at the peak; {m['orphans']:.0f} orphans")


def show_execute(m: dict[str, float]) -> None:
    """Execution beside a plain loop of get + zstd + fsync + delete."""
    plain = m["plain"] / m["plain_objects"] * 1000
    ours = m["execute"] / m["deleted"] * 1000
    print(f"  plain loop (get, zstd, fsync, delete) {plain:8.2f} ms an object   ratio")
    print(f"  execute    (proven, audited)          {ours:8.2f} ms an object   {ours / plain:5.2f}")
    print(f"  memory: {m['scan_mib']:.0f} MiB after the scan, {m['peak_mib']:.0f} at the", end="")
    print(f" peak; {m['deleted']:.0f} deleted")


async def in_a_process(what: str, settings: dict[str, Any]) -> dict[str, float]:
    """Measure in a fresh process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.measured",
        what,
        json.dumps(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    measured: dict[str, float] = json.loads(out)
    return measured


async def fill(config: Config, database: Path, count: int) -> None:
    """Upload the objects and write the rows of every second one."""
    chance = random.Random(count)
    keys = [f"media/{n % 97:02}/{chance.randrange(1 << 32):08x}-{n}.bin" for n in range(count)]
    body = chance.randbytes(SIZE // 2) + b"x" * (SIZE // 2)
    async with aiosqlite.connect(database) as connection:
        await connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await connection.executemany(
            "INSERT INTO files (path) VALUES (?)", [(key,) for key in keys[::2]]
        )
        await connection.commit()
    async with Bucket.open(config, SystemClock()) as bucket:
        waiting = iter(keys)

        async def upload() -> None:
            for key in waiting:
                await bucket.put(key, _once(body), len(body), HEADERS)

        await in_parallel(upload() for _ in range(16))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


if __name__ == "__main__":
    asyncio.run(main())
