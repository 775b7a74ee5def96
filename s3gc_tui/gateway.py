"""The dashboard's only door: it looks through the collector, and hands in intents.

It never executes anything itself: scan, execute and restore are processes of their own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Self

from s3gc_core.clock import Clock, SystemClock
from s3gc_core.database_url import Engine
from s3gc_core.errors import S3gcError
from s3gc_core.jobs import Job, JobEvents, JobOutcome, Standing, StartedJob, actor, job_outcome
from s3gc_core.session import Session
from s3gc_tui.keymap import Keymap
from s3gc_tui.models.intents import (
    ApproveIntent,
    ClearIntent,
    ColumnIntent,
    Intent,
    RejectIntent,
    RevokeIntent,
    batch_line,
)
from s3gc_tui.models.picture import About, Picture
from s3gc_tui.stream_watch import StreamWatch

if TYPE_CHECKING:
    # Only types are named here. The clients behind them are slow to import, and the dashboard
    # paints before it opens them.
    from s3gc_core.actions.asking import Explanation
    from s3gc_core.actions.dangling import Dangling
    from s3gc_core.actions.granting import GrantStanding
    from s3gc_core.actions.reporting import Reported
    from s3gc_core.actions.standing import MatchHistory, VaultStats
    from s3gc_core.bucket import Bucket
    from s3gc_core.collection import Selection
    from s3gc_core.collector import Collector
    from s3gc_core.judgement import Plan, PlanHistory, PlanItem
    from s3gc_core.references import Covered
    from s3gc_core.vault import DeletedObject, Operation, Restored, Result

_OPERATIONS_SHOWN = 200
_JOBS_SHOWN = 20
# How long a look at everything waits for the vault to be added up.
_PATIENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Launch:
    """How a job is started (`program`), and how the same is shown to a person (`shown`).

    Both name the configuration and end before `--batch`.
    """

    program: tuple[str, ...]
    shown: tuple[str, ...]

    @classmethod
    def of_configuration(cls, options: Sequence[str]) -> Launch:
        """The running interpreter with the options (`--config FILE`, ...) this dashboard got."""
        return cls((sys.executable, "-m", "s3gc_tui", *options), ("s3gc", *options))


class Gateway:
    """Looks and intents of one dashboard, over an open collector."""

    def __init__(
        self,
        collector: Collector,
        launch: Launch,
        session: Session,
        *,
        clock: Clock | None = None,
        profile: str = "",
    ) -> None:
        self._collector = collector
        self._launch = launch
        self._session = session
        self._clock = clock or SystemClock()
        config = collector.config
        self.config = config
        self.about = About(
            bucket=config.bucket,
            profile=profile,
            mode=config.mode.value,
            cdc=any(database.cdc for database in config.databases),
            vault_path=str(config.vault_path),
            plan_lifetime=timedelta(hours=config.plan_lifetime_hours),
            actor=actor(),
            files=tuple(
                database.name
                for database in config.databases
                if database.cdc and database.engine is Engine.SQLITE
            ),
            unsafe_store=config.unsafe_store,
            images=config.images,
        )
        self.streams = StreamWatch(collector, self.now)
        self._last = Picture(self.about, self.now(), None)
        self._looking = asyncio.Lock()
        self._seen: object = None
        self._adding: asyncio.Task[tuple[VaultStats, float]] | None = None
        self._added_at: object = None
        self._add_again_at = 0.0

    @cached_property
    def keymap(self) -> Keymap:
        """The keys of each action. Raises `ConfigurationError`."""
        return Keymap.of(self.config.keys)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        collector: AbstractAsyncContextManager[Collector],
        launch: Launch,
        session: Session,
        *,
        clock: Clock | None = None,
        profile: str = "",
    ) -> AsyncIterator[Self]:
        """Open the collector, and a gateway over it. Raises as `Collector.open` does."""
        async with collector as opened:
            gateway = cls(opened, launch, session, clock=clock, profile=profile)
            try:
                yield gateway
            finally:
                await gateway._close()

    async def _close(self) -> None:
        await self.streams.close()
        if self._adding is not None:
            self._adding.cancel()
            await asyncio.wait([self._adding])

    def now(self) -> datetime:
        """Our time (UTC)."""
        return self._clock.now()

    @property
    def may_write(self) -> bool:
        """Whether intents that change anything are taken at this moment."""
        return self._session.may_write

    # Looking

    async def picture(self) -> Picture:
        """How everything stands now. Never raises for what cannot be reached: the picture says."""
        # Several screens ask; a slow answer must not replace a newer one.
        async with self._looking:
            return await self._look()

    async def _look(self) -> Picture:
        problems: list[str] = []
        jobs: tuple[Job, ...] = ()
        try:
            jobs = tuple(await self._collector.jobs(_JOBS_SHOWN))
        except OSError as error:
            problems.append(f"jobs: {error.strerror or type(error).__name__}")
        picture = replace(
            self._last,
            taken_at=self.now(),
            write_until=self._session.write_until if self.may_write else None,
            jobs=jobs,
            problems=(),
        )
        if self.about.cdc:
            picture = await self.streams.seen(picture)
        try:
            # The log grows with everything that matters: as long as it stands, so does the rest.
            running = picture.running
            seen = (
                await self._collector.audit.head(),
                running and running.operation_id,
                await self._collector.replica_stands(),
            )
            if self._seen != seen:
                picture = await self._look_again(picture)
                self._seen = seen
            picture = await self._with_vault(picture, seen[0])
        except S3gcError as error:
            problems.append(f"{error.what}; {error.next_step}")
        self._last = replace(picture, problems=tuple(problems))
        return self._last

    async def _look_again(self, picture: Picture) -> Picture:
        operations = await self._collector.audit.operations()
        return replace(
            picture,
            status=await self._collector.status(),
            plans=tuple(await self._collector.plans()),
            operations=tuple(reversed(operations[-_OPERATIONS_SHOWN:])),
        )

    async def _with_vault(self, picture: Picture, head: object) -> Picture:
        """The vault as it was last added up. Every backup counts, so for a large vault that takes
        its time: it goes on beside everything else, and for at most a tenth of the time.
        """
        due = time.monotonic() >= self._add_again_at
        if self._adding is None and due and self._added_at != head:
            self._added_at = head
            self._adding = asyncio.create_task(self._add_up())
        if self._adding is None:
            return picture
        await asyncio.wait([self._adding], timeout=_PATIENCE_SECONDS)
        if not self._adding.done():
            return picture
        adding, self._adding = self._adding, None
        vault, took = adding.result()
        self._add_again_at = time.monotonic() + 10 * took
        growth = (*picture.vault_growth[-59:], vault.stored_bytes)
        return replace(picture, vault=vault, vault_growth=growth)

    async def _add_up(self) -> tuple[VaultStats, float]:
        began = time.monotonic()
        return await self._collector.vault_stats(), time.monotonic() - began

    async def job(self, operation_id: str) -> Job | None:
        """One operation's journal, also where it is not among the last ones."""
        return await self._collector.job(operation_id)

    async def operation(self, operation_id: str) -> Operation:
        """One recorded operation. Raises `NoSuchOperation`."""
        return await self._collector.audit.operation(operation_id)

    async def plan(self, plan_id: str) -> tuple[Plan, PlanHistory]:
        """One plan. Raises `NoSuchPlan`."""
        return await self._collector.plan(plan_id)

    def plan_items(self, plan_id: str) -> AsyncIterator[list[PlanItem]]:
        """A plan's objects by key, in pages."""
        return self._collector.plan_items(plan_id)

    async def why(self, key: str) -> Explanation:
        """Everything about a key, asked now. Raises `NoSuchKey` and what the reads raise."""
        return await self._collector.why(key)

    def results(self, operation_id: str) -> AsyncIterator[list[Result | Restored]]:
        """What became of each object of an operation, in pages."""
        return self._collector.results(operation_id)

    async def job_events(self, operation_id: str, after_offset: int = 0) -> JobEvents:
        """What an operation told since `after_offset`. Raises `NoSuchOperation`."""
        return await self._collector.job_events(operation_id, after_offset)

    def restore_preview(
        self, selection: Selection
    ) -> AsyncIterator[list[tuple[DeletedObject, bool]]]:
        """The backups a restore would use, each with whether its file is there, in pages."""
        return self._collector.preview(selection)

    async def coverage(self) -> list[Covered]:
        """Every text-like column as it stands now. Raises what the databases raise."""
        return await self._collector.coverage()

    async def match_history(self) -> list[MatchHistory]:
        """How each source matched the bucket in the last scans."""
        return await self._collector.match_history()

    def dangling(self) -> AsyncIterator[list[Dangling]]:
        """Rows whose object is missing, in pages; reads all sources. Raises `NoListing`."""
        return self._collector.dangling()

    async def grants(self) -> list[GrantStanding]:
        """Every grant ever made, oldest first, as it stands now."""
        return await self._collector.grants()

    async def report(self) -> Reported:
        """What the last scan's orphans cost, and where they came from. Raises `NoListing`."""
        return await self._collector.report()

    async def complete(self, start: str, limit: int = 8) -> list[str]:
        """Keys of deleted objects that begin with `start`, in order."""
        found: list[str] = []
        async for page in self._collector.audit.deleted_objects(prefix=start):
            for deleted in page:
                if deleted.intent.key not in found:
                    found.append(deleted.intent.key)
                if len(found) == limit:
                    return found
        return found

    @property
    def objects(self) -> Bucket:
        """The bucket, for looking at an object itself."""
        return self._collector.bucket

    # Intents

    def batch_line(self, intent: Intent) -> str:
        """The command line that does the same."""
        return batch_line(self._launch.shown, intent)

    async def decide(self, intent: ApproveIntent | RejectIntent) -> Plan:
        """Approve or reject a plan; returns what was decided about. Raises the refusal."""
        if isinstance(intent, RejectIntent):
            return await self._collector.reject(intent.plan_id, reason=intent.reason)
        return await self._collector.approve(
            intent.plan_id, reason=intent.reason, prefixes=intent.prefixes, keys=intent.keys
        )

    async def decide_columns(self, intent: ColumnIntent) -> list[Covered]:
        """Clear or reopen columns; returns those it was decided about. Raises the refusal."""
        if isinstance(intent, ClearIntent):
            return await self._collector.clear_columns(intent.name, reason=intent.reason)
        return await self._collector.reopen_columns(intent.name, reason=intent.reason)

    async def revoke(self, intent: RevokeIntent) -> GrantStanding:
        """Take a grant back; returns how it stands now. Raises the refusal."""
        return await self._collector.revoke_grant(intent.grant_id, reason=intent.reason)

    def start(self, intent: Intent) -> StartedJob:
        """Start a job, which goes on without us. Raises `ReadOnlySession`, `JobNotStarted`."""
        if intent.arguments()[0] != "scan":
            self._session.check("start this")
        return self._collector.start_job([*self._launch.program, "--batch", *intent.arguments()])

    def outcome(self, started: StartedJob) -> JobOutcome:
        """How a started job stands, from its output."""
        return job_outcome(started)

    async def pause_or_resume(self, job: Job) -> None:
        """Ask a running operation to pause, a paused one to go on."""
        paused = job.standing in (Standing.PAUSED, Standing.PAUSING)
        await (self.resume if paused else self.pause)(job.operation_id)

    async def pause(self, operation_id: str) -> None:
        """Ask a running operation to pause."""
        await self._collector.pause(operation_id)

    async def resume(self, operation_id: str) -> None:
        """Ask a paused operation to go on."""
        await self._collector.resume(operation_id)

    async def cancel(self, operation_id: str) -> None:
        """Ask an operation to end after what it has begun."""
        await self._collector.cancel(operation_id)
