"""The collector behind the admin API, opened when somebody asks first; and the jobs it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic

from s3gc_core.actions.standing import service_of
from s3gc_core.clock import Clock
from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.errors import S3gcError, TooManyStreams, VaultBusy
from s3gc_core.integrations.problems import error_of
from s3gc_core.jobs import JOB_ARGUMENT, JobOutcome, lease_holder
from s3gc_core.session import Session

# How long a request waits for the operation of the job that it started, which takes about a second.
PATIENCE_SECONDS = 15.0
_LOOK_SECONDS = 0.05
# An answer about health is good for so long: nobody needs a token to ask.
HEALTH_SECONDS = 5.0
# So long databases may take to tell how their streams stand.
HEALTH_PATIENCE_SECONDS = 5.0
# As many may listen to events at the same time.
STREAMS = 16
# Journals among which a job's operations are looked for.
_JOURNALS = 100


@dataclass(frozen=True, slots=True)
class JobNow:
    """How a job stands, and its operations, the first first."""

    job_id: str
    outcome: JobOutcome
    operations: Sequence[str]


class Door:
    """One configuration's collector, for as long as an application lives."""

    def __init__(
        self, config: Config, program: Sequence[str], session: Session, clock: Clock | None = None
    ) -> None:
        self.config = config
        self.is_closing = False
        self._program = program
        self._session = session
        self._clock = clock
        self._stack = AsyncExitStack()
        self._collector: Collector | None = None
        self._opening = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._health: tuple[float, list[str]] | None = None
        self._streams = 0

    async def collector(self) -> Collector:
        """The collector. Raises as `Collector.open` does; the next request tries again."""
        async with self._opening:
            if self._collector is None:
                opened = Collector.open(self.config, clock=self._clock, session=self._session)
                self._collector = await self._stack.enter_async_context(opened)
            return self._collector

    async def close(self) -> None:
        """End what listens, and close the collector. Jobs go on."""
        self.is_closing = True
        async with self._opening:
            self._collector = None
            await self._stack.aclose()

    async def failing(self) -> list[str]:
        """What does not work: `vault`, `streams`, `follower`,
        `stream:NAME`. Looks once in some seconds."""
        async with self._looking:
            if self._health is None or monotonic() - self._health[0] > HEALTH_SECONDS:
                found = await self._look()
                # As of its end: who waited for a look that took long needs none of its own.
                self._health = monotonic(), found
            return self._health[1]

    async def _look(self) -> list[str]:
        try:
            collector = await self.collector()
            await collector.audit.head()
        except S3gcError:
            return ["vault"]
        try:
            async with asyncio.timeout(HEALTH_PATIENCE_SECONDS):
                streams = await collector.begun_streams()
        except (S3gcError, TimeoutError):
            return ["streams"]
        service = await asyncio.to_thread(service_of, self.config)
        failed = service is not None and service.follower.state == "failed"
        # What waits for its follower is read by the next scan: nothing is wrong with it.
        bad = [s.database for s in streams if s.state == "lost" or s.is_too_much_kept]
        return [*(["follower"] if failed else []), *(f"stream:{name}" for name in bad)]

    async def start(self, command: Sequence[str]) -> JobNow:
        """Start a job for whoever acts, and wait until an operation of it has begun.

        Raises `VaultBusy`, `JobNotStarted`, and `JobRefused` where it ended without one.
        """
        # One after the other: of two at the same moment the second is told at once.
        async with self._starting:
            collector = await self.collector()
            if (holder := lease_holder(self.config.vault_path)) is not None:
                raise VaultBusy(f"the vault is held by {holder.what} {holder.operation_id}")
            started = await asyncio.to_thread(collector.start_handed, self._program, command)
            ends_at = monotonic() + PATIENCE_SECONDS
            while True:
                now = await self.job(started.job_id)
                if now.operations or not now.outcome.running or monotonic() > ends_at:
                    break
                await asyncio.sleep(_LOOK_SECONDS)
        if not now.operations and not now.outcome.running:
            raise error_of(now.outcome.summary or {})
        return now

    async def job(self, job_id: str) -> JobNow:
        """A job that was started here, by this process or another. Raises `NoSuchOperation`."""
        collector = await self.collector()
        # Asked first: of a job that has ended, all operations are found.
        outcome = await collector.job_outcome(job_id)
        operations = [
            job.operation_id
            for job in reversed(await collector.jobs(_JOURNALS))
            if job.state is not None and job.state.arguments.get(JOB_ARGUMENT) == job_id
        ]
        return JobNow(job_id, outcome, operations)

    def begin_stream(self) -> None:
        """Raises `TooManyStreams`."""
        if self._streams >= STREAMS:
            raise TooManyStreams(f"{STREAMS} listen to events already")
        self._streams += 1

    def end_stream(self) -> None:
        """What `begin_stream` began has ended."""
        self._streams -= 1
