"""The ground that rounds run on, over SeaweedFS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.proxy.rounds import Ground, ground_on, quick

SEED = 20261123


@pytest.fixture
async def patch() -> AsyncIterator[pytest.MonkeyPatch]:
    """Small batches and short waits; a test may take guards out with it."""
    async with quick() as monkeypatch:
        yield monkeypatch


@pytest.fixture
async def ground(
    seaweed: SeaweedServer, make_bucket: MakeBucket, tmp_path: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[Ground]:
    """A filled bucket behind a proxy that does as it is told."""
    async with ground_on(await make_bucket(seaweed), seaweed, tmp_path, SEED, every=3) as made:
        yield made
