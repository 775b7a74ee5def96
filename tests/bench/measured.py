"""One measurement in a process of its own: `python -m tests.bench.measured WHAT SETTINGS`.

A process of its own, so that its peak memory is its own. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import zstandard
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from s3gc_core.bucket.parsing import parse_timestamp
from s3gc_core.clock import ShiftedClock
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.databases import open_database
from s3gc_core.references import table_read
from tests.bench.memory import peak_mib

# How many objects the plain loop does; its rate is what is compared.
PLAIN_LOOP = 500


@asynccontextmanager
async def timed(result: dict[str, float], name: str) -> AsyncIterator[None]:
    """Seconds of wall time and of this process's CPU, into `result`."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    result[name] = time.perf_counter() - wall
    result[f"{name}_cpu"] = time.process_time() - cpu


async def reference(config: Config, result: dict[str, float]) -> None:
    """One raw listing and one raw pass over the column; nothing is kept.

    The listing is aiobotocore's own, with the timestamp parser that makes it three times as fast.
    """
    session = get_session()
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=parse_timestamp)
    async with timed(result, "reference"):
        async with session.create_client(
            "s3", region_name=config.region, endpoint_url=config.endpoint_url
        ) as s3:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=config.bucket)
            result["listed"] = sum([len(page["Contents"]) async for page in pages])
        async with open_database(config.databases[0]).snapshot() as snapshot:
            rows = snapshot.rows(table_read(config.sources[0]))
            result["rows"] = sum([len(page) async for page in rows])


async def scan(config: Config) -> dict[str, float]:
    """The reference, a first scan, a second one that finds nothing changed, the reference again."""
    result: dict[str, float] = {"base_mib": peak_mib()}
    await reference(config, result)
    result["reference_mib"] = peak_mib()
    async with Collector.open(config, clock=ShiftedClock(timedelta(days=10))) as collector:
        async with timed(result, "first"):
            await collector.scan()
        async with timed(result, "second"):
            summary = await collector.scan()
    result["orphans"] = summary.orphans
    result["peak_mib"] = peak_mib()
    again: dict[str, float] = {}
    await reference(config, again)
    result["reference"] = (result["reference"] + again["reference"]) / 2
    result["reference_cpu"] = (result["reference_cpu"] + again["reference_cpu"]) / 2
    return result


async def execute(config: Config, vault: Path) -> dict[str, float]:
    """A plain loop of get, zstd, fsync, delete over some orphans; then the plan over the rest."""
    result: dict[str, float] = {"base_mib": peak_mib()}
    clock = ShiftedClock(timedelta(days=10))
    async with Collector.open(config, clock=clock) as collector:
        first = await collector.scan()
        keys: list[tuple[str, str]] = []
        async for page in collector.plan_items(first.plan_id or ""):
            keys.extend((item.key, item.etag) for item in page[: PLAIN_LOOP - len(keys)])
        async with plain_client(config) as s3, timed(result, "plain"):
            await plain_loop(s3, config.bucket, keys, vault)
        result["plain_objects"] = len(keys)
        summary = await collector.scan()
        plan = await collector.approve(summary.plan_id or "", reason="bench")
        result["scan_mib"] = peak_mib()
        async with timed(result, "execute"):
            done = await collector.execute(plan.plan_id, confirm=plan.confirmation)
    result["deleted"] = done.counts["deleted"]
    result["peak_mib"] = peak_mib()
    return result


@asynccontextmanager
async def plain_client(config: Config, at_once: int = 10) -> AsyncIterator[Any]:
    """aiobotocore's client as anybody makes it, with as many connections as are used at once."""
    async with get_session().create_client(
        "s3",
        region_name=config.region,
        endpoint_url=config.endpoint_url,
        config=AioConfig(max_pool_connections=at_once),
    ) as s3:
        yield s3


async def plain_loop(s3: Any, bucket: str, keys: list[tuple[str, str]], vault: Path) -> None:
    """What a careful person would write by hand: one object after the other."""
    for number, (key, etag) in enumerate(keys):
        answer = await s3.get_object(Bucket=bucket, Key=key, IfMatch=etag)
        async with answer["Body"] as body:
            data = await body.read()
        path = vault / f"plain-{number}.zst"
        await asyncio.to_thread(_write, path, data)
        await s3.delete_object(Bucket=bucket, Key=key, IfMatch=etag)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(zstandard.ZstdCompressor(level=3).compress(data))
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    """Measure what the command line names."""
    what, settings = sys.argv[1], json.loads(sys.argv[2])
    config: Config = create_config(**settings)
    measured: dict[str, Any]
    if what == "scan":
        measured = asyncio.run(scan(config))
    else:
        measured = asyncio.run(execute(config, Path(settings["vault_path"]).parent))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
