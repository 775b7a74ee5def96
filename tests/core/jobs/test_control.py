"""Wishes: when an operation waits, goes on or ends, and what it says about that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from s3gc_core.errors import CancelRequested, ExitCode, NoSuchOperation, OperationCancelled
from s3gc_core.jobs import (
    ControlState,
    EventKind,
    Job,
    JobJournal,
    Standing,
    job_events,
    job_folder,
    list_jobs,
    request_cancel,
    request_pause,
    request_resume,
)
from tests.core.jobs.journals import FIRST, SECOND, kept, until_job


def control_file(vault: Path) -> Path:
    return job_folder(vault, FIRST) / "control.json"


def standing(vault: Path) -> Standing:
    return list_jobs(vault, 1)[0].standing


def is_shown_paused(job: Job) -> bool:
    return job.state is not None and job.state.control is ControlState.PAUSED


@asynccontextmanager
async def waiting(journal: JobJournal) -> AsyncIterator[asyncio.Task[bool]]:
    task = asyncio.create_task(journal.checkpoint())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nobody_wishes_anything(tmp_path: Path) -> None:
    async with kept(tmp_path) as journal:
        assert await journal.checkpoint() is False
        journal.refuse_if_cancelled()


async def test_pause_and_resume(tmp_path: Path) -> None:
    settled: list[str] = []

    async def settle() -> None:
        settled.append(standing(tmp_path).value)

    async with kept(tmp_path) as journal:
        request_pause(tmp_path, FIRST, "ops@there")
        # Asked for, and not yet done: only a safe point does it.
        assert standing(tmp_path) is Standing.PAUSING
        going_on = asyncio.create_task(journal.checkpoint(settle))
        shown = await until_job(tmp_path, is_shown_paused)
        assert shown.standing is Standing.PAUSED
        assert shown.state is not None
        assert (shown.state.control_by, shown.state.control_why) == ("ops@there", "")
        first = shown.state.heartbeat_at

        def lives_on(job: Job) -> bool:
            return job.state is not None and (job.state.heartbeat_at - first).total_seconds() > 1

        await until_job(tmp_path, lives_on)
        assert not going_on.done()
        request_resume(tmp_path, FIRST, "ana@there")
        assert await asyncio.wait_for(going_on, 30) is True
        await until_job(tmp_path, lambda job: not is_shown_paused(job))
        assert standing(tmp_path) is Standing.RUNNING
        assert await journal.checkpoint(settle) is False
    # What was only in memory was recorded once, before the wait.
    assert settled == ["pausing"]
    [ended] = list_jobs(tmp_path)
    assert ended.state is not None
    assert ended.state.paused_seconds > 1
    events = job_events(tmp_path, FIRST).events
    assert [(event.kind, event.by) for event in events] == [
        (EventKind.BEGAN, "me@here"),
        (EventKind.PAUSED, "ops@there"),
        (EventKind.RESUMED, "ana@there"),
        (EventKind.ENDED, ""),
    ]


async def test_cancel(tmp_path: Path) -> None:
    async def operation() -> None:
        async with kept(tmp_path) as journal:
            request_cancel(tmp_path, FIRST, "ops@there")
            assert standing(tmp_path) is Standing.CANCELLING
            await journal.checkpoint()
            pytest.fail("it went on")

    with pytest.raises(OperationCancelled, match="cancelled by ops@there") as cancelled:
        await operation()
    assert cancelled.value.exit_code is ExitCode.PARTIAL
    [ended] = list_jobs(tmp_path)
    assert ended.standing is Standing.ENDED
    assert ended.state is not None
    assert (ended.state.outcome, ended.state.error) == ("cancelled", "operation-cancelled")
    assert ended.state.control is ControlState.CANCELLING
    assert [(e.kind, e.by) for e in job_events(tmp_path, FIRST).events][1:] == [
        (EventKind.CANCELLED, "ops@there"),
        (EventKind.ENDED, ""),
    ]


async def test_cancel_while_paused(tmp_path: Path) -> None:
    async with kept(tmp_path) as journal:
        request_pause(tmp_path, FIRST, "ops@there")
        async with waiting(journal) as going_on:
            await until_job(tmp_path, is_shown_paused)
            request_cancel(tmp_path, FIRST, "ana@there")
            with pytest.raises(OperationCancelled, match="ana@there"):
                await asyncio.wait_for(going_on, 30)
    kinds = [event.kind for event in job_events(tmp_path, FIRST).events]
    assert kinds == [EventKind.BEGAN, EventKind.PAUSED, EventKind.CANCELLED, EventKind.ENDED]


async def test_cancel_where_waiting_is_not_allowed(tmp_path: Path) -> None:
    """In a database's snapshot: no pause, but the end is heard there too."""
    rows = 0

    async def reading(read: Callable[[int], None]) -> None:
        nonlocal rows
        for rows in range(2000):
            read(rows)
            if rows == 100:
                request_cancel(tmp_path, FIRST, "ops@there")
            await asyncio.sleep(0.01)

    async with kept(tmp_path) as journal:
        request_pause(tmp_path, FIRST, "ops@there")
        with pytest.raises(OperationCancelled):
            await reading(journal.rows_read("catch up"))
    assert 100 < rows < 1999
    [ended] = list_jobs(tmp_path)
    assert ended.state is not None
    assert [(phase.name, phase.done) for phase in ended.state.phases] == [("catch up", rows)]
    assert EventKind.PAUSED not in [e.kind for e in job_events(tmp_path, FIRST).events]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"wish": "run"}',
        b'{"wish": "faster", "by": "x", "at": "2026-11-21T08:00:00Z"}',
        b'{"wish": "run", "by": "x", "at": "2026-11-21T08:00:00"}',
        b"\xff\xfe",
        b"[" * 4000,
        b'{"x": ' * 600,
    ],
    ids=range(8),
)
async def test_doubt_begins_nothing_new(tmp_path: Path, content: bytes) -> None:
    async with kept(tmp_path) as journal:
        control_file(tmp_path).write_bytes(content)
        async with waiting(journal) as going_on:
            shown = await until_job(tmp_path, is_shown_paused)
            assert shown.state is not None
            assert shown.state.control_why.startswith("control.json cannot be read: ")
            assert shown.standing is Standing.PAUSED
            assert not going_on.done()
            request_resume(tmp_path, FIRST, "ops@there")
            assert await asyncio.wait_for(going_on, 30) is True
    paused = [e for e in job_events(tmp_path, FIRST).events if e.kind is EventKind.PAUSED]
    assert [event.reason.startswith("control.json cannot be read") for event in paused] == [True]


async def test_a_control_file_that_is_a_folder(tmp_path: Path) -> None:
    async with kept(tmp_path) as journal:
        control_file(tmp_path).mkdir()
        async with waiting(journal) as going_on:
            shown = await until_job(tmp_path, is_shown_paused)
            assert shown.state is not None
            assert "Is a directory" in shown.state.control_why
            control_file(tmp_path).rmdir()
            assert await asyncio.wait_for(going_on, 30) is True


async def test_only_what_runs_takes_wishes(tmp_path: Path) -> None:
    requests = (request_pause, request_resume, request_cancel)
    async with kept(tmp_path, SECOND):
        for request in requests:
            for operation_id in (FIRST, "", "..", f"../jobs/{SECOND}"):
                with pytest.raises(NoSuchOperation):
                    request(tmp_path, operation_id, "ops@there")
    for request in requests:
        with pytest.raises(NoSuchOperation):
            request(tmp_path, SECOND, "ops@there")
    assert not (job_folder(tmp_path, SECOND) / "control.json").exists()


async def test_the_end_cannot_be_taken_back(tmp_path: Path) -> None:
    async with kept(tmp_path):
        request_cancel(tmp_path, FIRST, "ops@there")
        before = control_file(tmp_path).read_bytes()
        for request in (request_pause, request_resume):
            with pytest.raises(CancelRequested, match="ops@there"):
                request(tmp_path, FIRST, "ana@there")
        request_cancel(tmp_path, FIRST, "ana@there")
        assert control_file(tmp_path).read_bytes() == before
        assert control_file(tmp_path).stat().st_mode & 0o777 == 0o600
