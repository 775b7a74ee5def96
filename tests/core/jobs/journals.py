"""Journals for tests: begun, kept under a lease, and waited for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from s3gc_core.collector import silent
from s3gc_core.jobs import Job, JobJournal, JobState, list_jobs, vault_lease

T = TypeVar("T")
SECONDS = 30.0
FIRST = "01JJJJJJJJJJJJJJJJJJJJJJJ1"
SECOND = "01JJJJJJJJJJJJJJJJJJJJJJJ2"


def begun(operation_id: str = FIRST, **fields: object) -> JobState:
    """The state of an operation that begins now."""
    now = datetime.now(UTC)
    state = JobState(operation_id, "scan", "me@here", "execute", os.getpid(), "here", now, now)
    for name, value in fields.items():
        setattr(state, name, value)
    return state


@asynccontextmanager
async def kept(vault: Path, operation_id: str = FIRST) -> AsyncIterator[JobJournal]:
    """A journal as an operation keeps it: under the lease."""
    with vault_lease(vault, operation_id, "scan", "me@here"):
        async with JobJournal.open(vault, begun(operation_id), silent) as journal:
            yield journal


async def until(found: Callable[[], T | None]) -> T:
    """Poll until there is an answer, with a deadline."""
    async with asyncio.timeout(SECONDS):
        while True:
            answer = found()
            if answer:
                return answer
            await asyncio.sleep(0.02)


def job_of(vault: Path, operation_id: str) -> Job | None:
    """One job as it is listed."""
    return next((job for job in list_jobs(vault) if job.operation_id == operation_id), None)


async def until_job(vault: Path, right: Callable[[Job], bool]) -> Job:
    """Poll until the newest job is right."""

    def newest() -> Job | None:
        jobs = list_jobs(vault, 1)
        return jobs[0] if jobs and right(jobs[0]) else None

    return await until(newest)
