"""`python -m tests.bench --only collect [--objects 3000] [--far 20]`: to the vault and back.

Objects of 10 kB, half of each compressible, in SeaweedFS. Deleting with a durable, proven backup,
beside (a) a plain loop of get, zstd, fsync, delete, one object after the other; (b) `rclone move`
to a folder, which proves nothing (needs `pip install '.[bench]'`); (c) the same GETs and batch
deletes with nothing done to the bytes. Restoring, beside the same PUTs. What we are compared with
uses aiobotocore as it is. Both once more with encryption. Each in a fresh process.
The store is on this machine; with `--far` it is so many milliseconds of a round trip away.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiosqlite

from s3gc_core.bucket import Bucket, ObjectHeaders
from s3gc_core.clock import ShiftedClock, SystemClock
from s3gc_core.collection import Selection
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.parallel import in_parallel
from s3gc_core.vault import Keyring, generate
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.bench.far import far_away
from tests.bench.measured import plain_client, plain_loop, timed
from tests.bench.memory import peak_mib

SIZE = 10_000
# How many the plain loop does; its rate is what is compared.
LOOP = 500
BATCH = 1_000
# The same once more, with encrypted backups.
SEALED = ("sealed", "unsealed")
HEADERS = ObjectHeaders(content_type="image/jpeg", metadata={"from": "bench"})


async def measure(server: SeaweedServer, folder: Path, count: int, far: int = 0) -> None:
    """Fill a bucket, and print rates and their ratios. `far`: milliseconds of a round trip."""
    bucket = f"collect-{count}"
    await server.create_bucket(bucket)
    await _fill(server.config(bucket), folder / f"{bucket}.db", count)
    async with far_away(server.endpoint, far) as endpoint:
        await _compare(server, endpoint, folder, bucket, count)


async def _compare(
    server: SeaweedServer, endpoint: str, folder: Path, bucket: str, count: int
) -> None:
    settings: dict[str, Any] = {
        "bucket": bucket,
        "endpoint_url": endpoint,
        "mode": "execute",
        "vault_path": str(folder / bucket / "vault"),
        "database": f"sqlite:///{folder / bucket}.db",
        "tables": {"files": ["path"]},
        "guards": {"max_share": 1.0, "max_objects": count},
    }
    found: dict[str, dict[str, float]] = {}
    for what in ("loop", "rclone", "raw", "ours", "restore", "sealed", "unsealed", "puts"):
        if what == "rclone":
            found[what] = await _rclone(server, endpoint, bucket, folder, count)
        else:
            encrypted = _encrypted(folder, bucket) if what in SEALED else {}
            found[what] = await _in_a_process(what, settings | encrypted)
    _show(found, count)


def _encrypted(folder: Path, bucket: str) -> dict[str, Any]:
    """Settings for a second vault, encrypted for two, one of whom restores here."""
    keys = [folder / f"{bucket}.{name}" for name in ("key", "escrow")]
    if not keys[0].exists():
        for key in keys:
            generate(key)
    return {
        "vault_path": str(folder / bucket / "encrypted"),
        "encryption": "age",
        "encryption_recipients": [str(*Keyring.public_keys(key)) for key in keys],
        "encryption_identity_file": str(keys[0]),
    }


def _show(found: dict[str, dict[str, float]], count: int) -> None:
    rate = {what: m["objects"] / m["seconds"] for what, m in found.items() if m}
    print(f"\n{count:,} objects of {SIZE:,} bytes; objects a second, and how ours compares")
    for what, told in (
        ("loop", "(a) plain loop: get, zstd, fsync, delete"),
        ("rclone", "(b) rclone move to a folder, unproven"),
        ("raw", "(c) the same GETs and batch deletes"),
    ):
        if what in rate:
            print(f"  {told:<42}{rate[what]:8.0f}   {rate['ours'] / rate[what]:6.2f} times")
        else:
            print(f"  {told:<42}   not installed: pip install '.[bench]'")
    print(f"  {'execute, durable, read back, audited':<42}{rate['ours']:8.0f}")
    print(
        f"  {'the same PUTs':<42}{rate['puts']:8.0f}   {rate['restore'] / rate['puts']:6.2f} times"
    )
    print(f"  {'restore, proven before and after':<42}{rate['restore']:8.0f}")
    for what, plain in (("sealed", "ours"), ("unsealed", "restore")):
        told = f"{plain} with encryption"
        print(f"  {told:<42}{rate[what]:8.0f}   {rate[what] / rate[plain]:6.2f} times")
    for what in ("raw", "ours", "puts", "restore", *SEALED):
        cpu = found[what]["seconds_cpu"] / found[what]["objects"] * 1000
        print(f"  {what:<8} CPU {cpu:6.2f} ms an object, peak {found[what]['peak_mib']:5.0f} MiB")


async def _fill(config: Config, database: Path, count: int) -> None:
    """Objects for each way of deleting, and one that is in use."""
    chance = random.Random(count)
    names = {"loop": min(count, LOOP), "rclone": count, "raw": count, "ours": count}
    keys = [
        "used.bin",
        *(f"{way}/{n % 97:02}/{n}.bin" for way, n_ in names.items() for n in range(n_)),
    ]
    async with aiosqlite.connect(database) as connection:
        await connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await connection.execute("INSERT INTO files (path) VALUES ('used.bin')")
        await connection.commit()
    async with Bucket.open(config, SystemClock()) as bucket:
        waiting = iter(keys)

        async def upload() -> None:
            for key in waiting:
                body = chance.randbytes(SIZE // 2) + b"x" * (SIZE // 2)
                await bucket.put(key, _once(body), len(body), HEADERS)

        await in_parallel(upload() for _ in range(16))


async def _rclone(
    server: SeaweedServer, endpoint: str, bucket: str, folder: Path, count: int
) -> dict[str, float]:
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if rclone is None:
        return {}
    remote = (
        f":s3,provider=Other,endpoint='{endpoint}',access_key_id={server.access_key}"
        f",secret_access_key={server.secret_key}:{bucket}/rclone"
    )
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        rclone, "move", remote, str(folder / "rclone"), "--transfers", "16", "--config", os.devnull
    )
    if await process.wait():
        raise SystemExit("rclone failed")
    return {"objects": count, "seconds": time.perf_counter() - began}


async def _in_a_process(what: str, settings: dict[str, Any]) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.collecting", what, json.dumps(settings)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{what} ended with {process.returncode}")
    found: dict[str, float] = json.loads(out)
    return found


async def _measured(what: str, config: Config) -> dict[str, float]:
    result: dict[str, float] = {}
    if what in ("ours", "restore", *SEALED):
        async with Collector.open(config, clock=ShiftedClock(timedelta(days=10))) as collector:
            result["objects"] = await _by_us(what, collector, result)
    else:
        async with Bucket.open(config, SystemClock()) as bucket:
            pages = bucket.list_pages("" if what == "puts" else f"{what}/")
            there = [(entry.key, entry.etag) async for page in pages for entry in page]
        async with plain_client(config, config.max_concurrency) as s3:
            result["objects"] = await _by_hand(what, s3, there, config, result)
    result["peak_mib"] = peak_mib()
    return result


async def _by_us(what: str, collector: Collector, result: dict[str, float]) -> int:
    if what in ("ours", "sealed"):
        summary = await collector.scan()
        plan = await collector.approve(summary.plan_id or "", reason="bench")
        async with timed(result, "seconds"):
            done = await collector.execute(plan.plan_id, confirm=plan.confirmation)
        return done.counts["deleted"]
    async with timed(result, "seconds"):
        done = await collector.restore(Selection(prefix="ours/"))
    return done.counts["restored"]


async def _by_hand(
    what: str, s3: Any, items: list[tuple[str, str]], config: Config, result: dict[str, float]
) -> int:
    """With aiobotocore's own client: nothing of ours makes what we compare with any faster."""
    if what == "loop":
        with tempfile.TemporaryDirectory(dir=config.vault_path.parent) as folder:
            async with timed(result, "seconds"):
                await plain_loop(s3, config.bucket, items, Path(folder))
        return len(items)
    if what == "puts":
        return await _puts(s3, config, result)
    async with timed(result, "seconds"):
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            waiting = iter(batch)
            await in_parallel(
                _read(s3, config.bucket, waiting) for _ in range(config.max_concurrency)
            )
            objects = [{"Key": key, "ETag": etag} for key, etag in batch]
            await s3.delete_objects(
                Bucket=config.bucket, Delete={"Objects": objects, "Quiet": True}
            )
    return len(items)


async def _read(s3: Any, bucket: str, waiting: Iterator[tuple[str, str]]) -> None:
    for key, etag in waiting:
        answer = await s3.get_object(Bucket=bucket, Key=key, IfMatch=etag)
        async with answer["Body"] as body:
            await body.read()


async def _puts(s3: Any, config: Config, result: dict[str, float]) -> int:
    body, count = random.Random(1).randbytes(SIZE), config.guards.max_objects
    waiting = iter(range(count))

    async def write() -> None:
        for n in waiting:
            await s3.put_object(
                Bucket=config.bucket,
                Key=f"puts/{n}.bin",
                Body=body,
                ContentType="image/jpeg",
                Metadata={"from": "bench"},
            )

    async with timed(result, "seconds"):
        await in_parallel(write() for _ in range(config.max_concurrency))
    return count


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


if __name__ == "__main__":
    chosen: Config = create_config(**json.loads(sys.argv[2]))
    chosen.vault_path.parent.mkdir(exist_ok=True)
    print(json.dumps(asyncio.run(_measured(sys.argv[1], chosen))))
