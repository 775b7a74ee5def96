"""What the tests of the bucket share: a client of its own, which knows nothing of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.session import get_session

from s3gc_core.bucket import Bucket
from s3gc_core.config import Config

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


@asynccontextmanager
async def plain_client(config: Config) -> AsyncIterator[S3Client]:
    """An S3 client straight from the library, to set up and to look at the truth."""
    async with get_session().create_client(
        "s3", region_name=config.region, endpoint_url=config.endpoint_url
    ) as client:
        yield client


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    """A source to write from."""
    for chunk in chunks:
        yield chunk


async def listed_keys(bucket: Bucket) -> list[str]:
    """Every key of every page, in the order they came."""
    return [item.key async for page in bucket.list_pages() for item in page]


async def bytes_of(bucket: Bucket, key: str, etag: str) -> bytes:
    """The whole object."""
    async with bucket.read(key, etag) as body:
        return b"".join([chunk async for chunk in body.chunks()])
