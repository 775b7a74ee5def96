"""A small application with its bucket and its database, and s3gc beside it, for tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.bucket import Bucket, ObjectHeaders, ObjectState
from s3gc_core.clock import ShiftedClock, SystemClock
from s3gc_core.collection import Selection
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_create import create_config
from s3gc_core.judgement import Judged, ScanSummary
from tests.servers.app_database import AppDatabase

# With FOLLOWED_WORLDS=1 every world's database is followed: the same stories have to be true.
FOLLOWED = bool(os.environ.get("FOLLOWED_WORLDS"))
PLAIN = ObjectHeaders(content_type="application/octet-stream")


@dataclass(slots=True)
class World:
    """Each method opens what it needs and closes it again, as separate runs of s3gc would."""

    config: Config
    app: AppDatabase
    clock: ShiftedClock = field(default_factory=ShiftedClock)

    def track(self, tables: Mapping[str, object], **settings: Any) -> None:
        """Configure the tracked tables (as in [tables]) and any other settings."""
        given: dict[str, Any] = {
            "bucket": self.config.bucket,
            "endpoint_url": self.config.endpoint_url,
            "vault_path": str(self.config.vault_path),
            "mode": "execute",
            "guards": {"max_share": 1.0},
            "database": {"url": self.app.url, "cdc": FOLLOWED},
            "tables": tables,
            # Strong levels cost time and prove nothing more here.
            "compression_level": 3,
            **settings,
        }
        self.config = create_config(**given)

    def change(self, **fields: Any) -> None:
        """Change fields of the configuration as they are, without validation."""
        self.config = replace(self.config, **fields)

    def days(self, days: float) -> None:
        """Let days pass, for us and for the store."""
        self.clock.advance(timedelta(days=days))

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        """s3gc, opened as one run would."""
        return Collector.open(self.config, clock=self.clock)

    def bucket(self) -> AbstractAsyncContextManager[Bucket]:
        """The bucket, as the application sees it."""
        return Bucket.open(self.config, SystemClock())

    async def put(
        self, key: str, body: bytes = b"some bytes", headers: ObjectHeaders = PLAIN
    ) -> ObjectState:
        """Upload an object, over whatever is there."""
        async with self.bucket() as bucket:
            there = await bucket.head(key)
            await bucket.put(
                key, _once(body), len(body), headers, if_match=there.etag if there else None
            )
            state = await bucket.head(key)
        assert state is not None
        return state

    async def remove(self, key: str) -> None:
        """Delete an object behind the back of s3gc."""
        async with self.bucket() as bucket:
            state = await bucket.head(key)
            assert state is not None
            await bucket.delete_batch([(key, state.etag)])

    async def keys(self) -> set[str]:
        """Every key in the bucket."""
        async with self.bucket() as bucket:
            return {entry.key async for page in bucket.list_pages() for entry in page}

    async def contents(self, key: str) -> tuple[bytes, ObjectHeaders]:
        """An object's bytes and headers with its tags; the part size is left out."""
        async with self.bucket() as bucket:
            state = await bucket.head(key)
            assert state is not None, f"{key} is not in the bucket"
            async with bucket.read(key, if_match=state.etag) as body:
                data = b"".join([chunk async for chunk in body.chunks()])
            tags = await bucket.tags(key)
            return data, msgspec.structs.replace(body.state.headers, tags=tags, part_size=None)

    async def scan(self, accept: Sequence[str] = ()) -> ScanSummary:
        """One scan."""
        async with self.collector() as collector:
            return await collector.scan(accept, "a test" if accept else "")

    async def judged(self) -> dict[str, Judged]:
        """The candidates of the last scan, by key."""
        async with self.collector() as collector:
            return {j.object.key: j async for page in collector.candidates() for j in page}

    async def verdicts(self) -> dict[str, str]:
        """Verdict of each candidate of the last scan."""
        return {key: judged.verdict.value for key, judged in (await self.judged()).items()}

    async def execute(self, plan_id: str) -> OperationSummary:
        """Approve and execute a plan."""
        async with self.collector() as collector:
            plan = await collector.approve(plan_id, reason="a test")
            return await collector.execute(plan_id, confirm=plan.confirmation)

    async def collect(self) -> OperationSummary:
        """Scan, approve, execute; there must be orphans and no guard may trip."""
        summary = await self.scan()
        assert summary.blocked == []
        assert summary.plan_id is not None, await self.verdicts()
        return await self.execute(summary.plan_id)

    async def restore(
        self,
        *keys: str,
        operation_id: str | None = None,
        overwrite: bool = False,
        accept_lossy: bool = False,
    ) -> OperationSummary:
        """Restore keys, or an operation."""
        async with self.collector() as collector:
            return await collector.restore(
                Selection(keys=keys, operation_id=operation_id),
                overwrite=overwrite,
                accept_lossy=accept_lossy,
            )

    async def outcomes(self, operation_id: str) -> dict[str, str]:
        """What became of each object of an operation."""
        async with self.collector() as collector:
            return {
                result.key: result.outcome.value
                async for page in collector.results(operation_id)
                for result in page
            }


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
