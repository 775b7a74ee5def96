"""SeaweedFS for tests: the same server the demo runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from s3gc_core.bucket.connection import Keys, connect
from s3gc_tui.demo.seaweed import SeaweedMissing, SeaweedServer


class S3Server(Protocol):
    """What a test needs to know about a running server."""

    endpoint: str
    access_key: str
    secret_key: str

    async def create_bucket(self, name: str) -> None: ...


@asynccontextmanager
async def running_seaweed(folder: Path) -> AsyncIterator[SeaweedServer]:
    """A server of our own; a missing one fails the test loudly."""
    server = SeaweedServer(folder, bucket="first")
    try:
        await server.__aenter__()
    except SeaweedMissing as missing:
        pytest.fail(f"{missing.what}: {missing.next_step}")
    try:
        yield server
    finally:
        # In order, it takes ten seconds; nobody needs its data any more.
        await server.stop(patience=0)


async def drop_bucket(server: SeaweedServer, name: str) -> None:
    """Remove a bucket of ours with everything in it. The product has no way to do that."""
    keys = Keys(server.access_key, server.secret_key)
    async with connect(server.config(name), keys=keys) as connection:
        await connection.s3.delete_bucket(Bucket=name)
