"""A world whose vault has a replica in another bucket of the same store."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from s3gc_core.bucket import Bucket
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.world import World

PREFIX = "vaults/photos/"


@dataclass(slots=True)
class Replicated:
    """A world, and the bucket of its replica."""

    world: World
    other: Config

    def track(self, durability: str, **settings: object) -> None:
        """Nothing refers to anything but `used`, and the vault has a replica."""
        replica = {
            "bucket": self.other.bucket,
            "endpoint_url": self.other.endpoint_url,
            "prefix": PREFIX,
            "durability": durability,
        }
        self.world.track({"t": ["k"]}, replica=replica, **settings)

    async def fill(self, orphans: dict[str, bytes]) -> None:
        """One row with its object, and objects that nothing refers to, a month old."""
        await self.world.app.execute("CREATE TABLE t (k VARCHAR(200))")
        await self.world.app.execute("INSERT INTO t VALUES ('used')")
        for key, body in {"used": b"in use", **orphans}.items():
            await self.world.put(key, body)
        self.world.days(30)

    async def names(self) -> set[str]:
        """Every key of the replica, without its prefix."""
        async with Bucket.open(self.other, SystemClock()) as bucket:
            found = {entry.key async for page in bucket.list_pages() for entry in page}
        assert all(key.startswith(PREFIX) for key in found), found
        return {key.removeprefix(PREFIX) for key in found}

    async def behind(self) -> int:
        """Records that the replica lacks, as `s3gc status` tells."""
        async with self.world.collector() as collector:
            lag = (await collector.status()).replica
        assert lag is not None
        return lag.records

    def into(self, vault: str) -> None:
        """Go on with another vault folder, beside the old one."""
        path = self.world.config.vault_path.parent / vault
        self.world.config = replace(self.world.config, vault_path=path)


@pytest.fixture
async def replicated(
    sqlite_world: World, make_bucket: MakeBucket, seaweed: SeaweedServer
) -> Replicated:
    return Replicated(sqlite_world, await make_bucket(seaweed))
