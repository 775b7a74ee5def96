"""One round: a scan, an execution and a restore through a store that misbehaves, looked at."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiobotocore.retries.adaptive import AsyncClientRateLimiter
from botocore.retries.standard import ExponentialBackoff

from s3gc_core.bucket import deleting
from s3gc_core.collection import Selection, execute
from s3gc_core.config import Config
from s3gc_core.errors import PlanFinished, S3gcError
from tests.faults.ground import make_objects
from tests.faults.store import Store, Stored
from tests.proxy.misbehaving import Misbehaving
from tests.proxy.requests import Signer
from tests.proxy.witness import Witness
from tests.servers.app_database import AppDatabase
from tests.servers.proxy import running_proxy
from tests.servers.seaweed import S3Server
from tests.world import World

BATCH_OBJECTS = 7
# Tries with the misbehaving store before it becomes honest, so that the round comes to its end.
TRIES = 3


@dataclass(slots=True)
class Told:
    """What rounds came to: outcomes of objects, and errors that ended an operation."""

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    only_in_vault: int = 0


@dataclass(slots=True)
class Ground:
    """The bucket that the rounds run on, in one world with one vault."""

    world: World
    originals: dict[str, Stored]
    misbehaving: Misbehaving
    witness: Witness
    told: Told = field(default_factory=Told)

    async def round(self, rate: float) -> None:
        """One life: everything that can be deleted is, and comes back."""
        bad, witness = self.misbehaving, self.witness
        await self._begin()
        bad.rate = rate
        plan_id = await self._scanned()
        await self._executed(plan_id)
        bad.rate = 0.0
        self.told.outcomes += await asyncio.to_thread(
            witness.the_books_balance, plan_id, bad.lied_about
        )
        gone = await self._look()
        self.told.only_in_vault += len(gone)
        bad.rate = rate
        await self._restored(gone)

    async def _begin(self) -> None:
        bad, witness = self.misbehaving, self.witness
        bad.rate = 0.0
        bad.current.update(self.originals)
        await asyncio.to_thread(bad.store.put_all, self.originals)
        for seen in (bad.lied_about, bad.overwritten, witness.unbound):
            seen.clear()
        rows = await asyncio.to_thread(witness.rows)
        witness.since = rows[-1].seq if rows else 0

    async def _look(self) -> set[str]:
        if self.misbehaving.broken:
            raise self.misbehaving.broken[0]
        return await asyncio.to_thread(self.witness.nothing_is_lost)

    async def _scanned(self) -> str:
        """The plan of a scan; what the store showed of it may be too little, never too much."""
        bad = self.misbehaving
        for left in range(TRIES, -1, -1):
            bad.rate = bad.rate if left else 0.0
            try:
                summary = await self.world.scan()
            except S3gcError as error:
                self._note(error, left)
                continue
            finally:
                assert await self._look() == set()
            if summary.plan_id is None:
                assert left, summary
                self.told.errors[f"blocked by {summary.blocked}"] += 1
                continue
            return summary.plan_id
        raise AssertionError("not even an honest store gave a plan")

    def _note(self, error: S3gcError, left: int) -> None:
        """An honest store lets every operation come to its end."""
        if not left:
            raise error
        self.told.errors[type(error).__name__] += 1

    async def _executed(self, plan_id: str) -> None:
        async with self.world.collector() as collector:
            plan = await collector.approve(plan_id, reason="a test")
        for left in range(TRIES, -1, -1):
            self.misbehaving.rate = self.misbehaving.rate if left else 0.0
            try:
                async with self.world.collector() as collector:
                    await collector.execute(plan_id, confirm=plan.confirmation)
            except PlanFinished:
                return
            except S3gcError as error:
                self._note(error, left)
            finally:
                await self._look()

    async def _restored(self, gone: set[str]) -> None:
        """By prefix and with a store that misbehaves; then all that is left, honestly, by key."""
        for left in range(TRIES, -1, -1):
            self.misbehaving.rate = self.misbehaving.rate if left else 0.0
            # What was found gone when the delete was sent again counts as somebody else's delete.
            chosen = Selection(prefix="") if left else Selection(keys=tuple(sorted(gone)))
            if not left and not gone:
                break
            try:
                async with self.world.collector() as collector:
                    await collector.restore(chosen, overwrite=False)
            except S3gcError as error:
                self._note(error, left)
            finally:
                gone = await self._look()
        await asyncio.to_thread(self.witness.everything_is_there)


@asynccontextmanager
async def ground_on(
    config: Config, server: S3Server, folder: Path, misbehaving_seed: int, every: int = 1
) -> AsyncIterator[Ground]:
    """The ground on a new, empty bucket, and an application's SQLite database in `folder`.

    With every Nth orphan only.
    """
    objects, orphans, protected = make_objects()
    left_out = orphans - set(sorted(orphans)[::every])
    objects = {key: stored for key, stored in objects.items() if key not in left_out}
    orphans -= left_out
    database = AppDatabase(f"sqlite:///{folder / 'app.db'}")
    await database.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    for key in sorted(set(objects) - orphans - protected):
        await database.execute("INSERT INTO files (path) VALUES (?)", key)
    store = await asyncio.to_thread(
        Store, server.endpoint, config.bucket, server.access_key, server.secret_key
    )
    current = dict(objects)
    witness = Witness(store, config.vault_path, current, orphans)
    try:
        async with running_proxy(server.endpoint) as proxy:
            bad = Misbehaving(
                proxy,
                store,
                Signer(server.access_key, server.secret_key),
                random.Random(misbehaving_seed),
                current,
                witness.a_delete_may_reach_the_store,
            )
            bad.begin()
            world = World(replace(config, endpoint_url=proxy.endpoint), database)
            world.track({"files": ["path"]}, exclude_prefixes=["backups/"])
            world.days(30)
            yield Ground(world, objects, bad, witness)
    finally:
        await database.close()
        await asyncio.to_thread(store.close)


async def _at_once(*_: object, **__: object) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def quick() -> AsyncIterator[pytest.MonkeyPatch]:
    """Small batches, and waits between tries that are as many as ever and shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "BATCH_OBJECTS", BATCH_OBJECTS)
        patch.setattr(deleting, "KEY_BACKOFF_SECONDS", 0.01)
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
        patch.setattr(AsyncClientRateLimiter, "on_sending_request", _at_once)
        yield patch
