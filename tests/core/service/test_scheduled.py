"""Runs of a schedule: which slots count as begun, clocks that are set back, and ends in trouble."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3gc_core.actions.scheduled import ARGUMENT, Timed, label, last_begun, only_run
from s3gc_core.config import Config
from s3gc_core.config_schedule import parse_schedule
from s3gc_core.errors import VaultUnreachable
from s3gc_core.ids import new_id
from s3gc_core.service import Profile, scheduled_runs
from s3gc_core.service.scheduled_runs import ScheduledRuns, end_scheduled
from s3gc_core.service.station import Station
from s3gc_core.vault import AuditLog, OperationFinished, OperationStarted
from tests.core.jobs.journals import until

SLOT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
EARLIER = SLOT - timedelta(days=1)


class Time:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime) -> None:
        self.set = now

    def now(self) -> datetime:
        return self.set

    def bucket_now(self, server_date: datetime) -> datetime:
        return server_date

    def advance(self, by: timedelta) -> None:
        self.set += by


async def begin(audit: AuditLog, what: str, slot: datetime) -> None:
    """An operation of a slot: `execute` is killed, `execute done` ends so."""
    what, _, outcome = what.partition(" ")
    operation_id, arguments = new_id(), {ARGUMENT: label(Timed.RUN, slot)}
    await audit.append(
        operation_id, [OperationStarted(what, "svc@host", "execute", None, arguments)]
    )
    if outcome:
        await audit.append(operation_id, [OperationFinished(outcome)])


@pytest.mark.parametrize(
    ("begun", "last"),
    [
        ([], None),
        # An execution whose process was killed scanned nothing, and one that is over neither.
        ([("execute", SLOT)], None),
        ([("execute done", SLOT)], None),
        ([("execute blocked", SLOT)], None),
        # But what was stopped does not go on by itself, half a minute later.
        ([("execute cancelled", SLOT)], SLOT),
        ([("execute failed", SLOT)], SLOT),
        ([("scan", EARLIER), ("execute", SLOT)], EARLIER),
        ([("scan", EARLIER), ("execute", SLOT), ("scan", SLOT)], SLOT),
        ([("scan", SLOT), ("execute", SLOT)], SLOT),
        # Of a clock that was ahead.
        ([("scan", EARLIER), ("scan", SLOT + timedelta(days=300))], EARLIER),
    ],
)
async def test_a_slot_is_done_by_its_scan(
    tmp_path: Path, begun: Sequence[tuple[str, datetime]], last: datetime | None
) -> None:
    clock = Time(SLOT + timedelta(minutes=3))
    audit = await AuditLog.open(tmp_path, clock)
    try:
        for what, slot in begun:
            await begin(audit, what, slot)
        found = await last_begun(audit, Timed.RUN, clock.now())
        assert (found and found.slot) == last
        async with only_run(audit, tmp_path, Timed.RUN, SLOT) as is_open:
            # Who starts runs, and the run itself, go by one rule.
            assert is_open is (last != SLOT)
    finally:
        await audit.close()


def runs(vault: Path, clock: Time) -> tuple[Station, ScheduledRuns]:
    station = Station.open(Profile("p", (), Config("b", vault_path=vault)), clock, lambda _: None)
    return station, ScheduledRuns(station, Timed.RUN, parse_schedule("02:30"), timedelta())


async def test_a_clock_that_was_ahead_silences_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled_runs, "LOOK_SECONDS", 0.01)
    clock = Time(datetime(2027, 11, 23, 12, tzinfo=UTC))
    station, of = runs(tmp_path, clock)
    started: list[datetime] = []

    async def run(_: ScheduledRuns, slot: datetime) -> float:
        started.append(slot)
        return 3600.0

    monkeypatch.setattr(ScheduledRuns, "_run", run)
    keeping = asyncio.create_task(of.keep())
    await until(lambda: station.timed("run").next_at is not None)
    assert station.timed("run").next_at == datetime(2027, 11, 24, 2, 30, tzinfo=UTC)
    clock.advance(datetime(2026, 11, 24, 1, tzinfo=UTC) - clock.now())
    await until(lambda: station.timed("run").next_at == datetime(2026, 11, 24, 2, 30, tzinfo=UTC))
    assert (station.first_at, started) == (datetime(2026, 11, 24, 1, tzinfo=UTC), [])
    clock.advance(timedelta(hours=1, minutes=30))
    await until(lambda: bool(started))
    assert started == [datetime(2026, 11, 24, 2, 30, tzinfo=UTC)]
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_a_process_that_goes_while_it_is_looked_at_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(path: Path) -> str:
        raise ProcessLookupError(f"{path}: no such process")  # as proc(5) answers a read then

    assert scheduled_runs._is_alive(os.getpid())
    monkeypatch.setattr(Path, "read_text", gone)
    assert not scheduled_runs._is_alive(os.getpid())


async def test_a_full_disk_keeps_no_run_from_being_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Job:
        class state:  # noqa: N801
            pid = 0

        standing = None
        operation_id = "X"

    def full(*_: object) -> None:
        raise VaultUnreachable("no space left on device")

    station, _ = runs(tmp_path, Time(SLOT))
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        Job.state.pid = process.pid
        monkeypatch.setattr(scheduled_runs, "list_jobs", lambda _: [Job])
        monkeypatch.setattr(scheduled_runs, "request_cancel", full)
        station.timed("run").running_pid = process.pid
        await end_scheduled(station)
        async with asyncio.timeout(20):
            assert await process.wait() == -signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()
