"""An open bucket on each of the two servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from tests.conftest import MakeBucket
from tests.servers.ministack import Ministack


@pytest.fixture
async def bucket(bucket_config: Config) -> AsyncIterator[Bucket]:
    async with Bucket.open(bucket_config, SystemClock()) as opened:
        yield opened


@pytest.fixture
async def aws_like(make_bucket: MakeBucket, ministack: Ministack) -> AsyncIterator[Bucket]:
    async with Bucket.open(await make_bucket(ministack), SystemClock()) as opened:
        yield opened
