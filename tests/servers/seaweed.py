"""SeaweedFS for tests: the same server the demo runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

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
        await server.stop()
