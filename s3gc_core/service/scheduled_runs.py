"""Starting what is due: as processes of their own, which outlive a service that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from s3gc_core import log
from s3gc_core.actions.scheduled import Begun, Timed, last_begun
from s3gc_core.config_schedule import Schedule
from s3gc_core.errors import ExitCode, S3gcError
from s3gc_core.jobs import (
    LEASE_FILE,
    SCHEDULED_FILE,
    JobOutcome,
    Standing,
    StartedJob,
    job_outcome,
    lease_holder,
    list_jobs,
    request_cancel,
    start_job,
)
from s3gc_core.parallel import to_the_end
from s3gc_core.service.due import Due, due
from s3gc_core.service.station import Station

# How often to look at the time, and whether a run has ended or a vault is free.
LOOK_SECONDS = 0.5
# A run that left no record is tried again after so long: from, up to.
BACK_OFF_SECONDS = (30.0, 900.0)
# A clock that goes back by more was wrong: what is due next is asked anew.
_SET_BACK = timedelta(minutes=1)
# How long a run may take to come to a safe point, and then to end at all.
SAFE_SECONDS, END_SECONDS = 20.0, 10.0


class ScheduledRuns:
    """The runs, or the drills, of one profile."""

    def __init__(
        self,
        station: Station,
        kind: Timed,
        schedule: Schedule,
        jitter: timedelta,
        more: tuple[str, ...] = (),
    ) -> None:
        self._station = station
        self._kind = kind
        self._schedule = schedule
        self._jitter = jitter
        self._more = more
        self._pause = BACK_OFF_SECONDS[0]

    async def keep(self) -> None:
        """Start each run when it is due, for ever. Raises where the audit log cannot be read."""
        while True:
            pause = 0.0
            async with self._station.turn:
                # One that a service before us has started may still be at work.
                await self._while_held(SCHEDULED_FILE)
                next_one = await self._next()
                if next_one.is_now:
                    pause = await self._run(next_one.slot)
            if next_one.is_now:
                await asyncio.sleep(pause)
            else:
                await self._until(next_one.at)

    async def _until(self, at: datetime) -> None:
        """Wait; but not for what a clock that was ahead, and is set back now, has made of it."""
        before = self._station.clock.now()
        while before - _SET_BACK < (now := self._station.clock.now()) < at:
            before = max(before, now)
            await asyncio.sleep(min((at - now).total_seconds(), LOOK_SECONDS))

    async def _next(self) -> Due:
        """What is due, by the audit log: nothing here remembers what ran."""
        now = self._station.clock.now()
        self._station.state.first_at = min(self._station.first_at, now)
        last = await self._last(now)
        slot = last.slot if last else None
        found = due(slot, self._station.first_at, now, self._schedule, self._jitter)
        timed = self._station.timed(self._kind)
        timed.next_at, timed.last_slot = found.at, slot
        timed.last_outcome = last.outcomes if last else ""
        self._station.note()
        return found

    async def _last(self, now: datetime) -> Begun | None:
        async with self._station.audit() as audit:
            return await last_begun(audit, self._kind, now)

    async def _while_held(self, file: str) -> None:
        timed = self._station.timed(self._kind)
        look = partial(lease_holder, self._station.vault, file)
        while (holder := await asyncio.to_thread(look)) is not None:
            waits = f"for {holder.what} of {holder.actor} (process {holder.pid})"
            if waits != timed.waits:
                timed.waits = waits
                self._station.note()
                self._station.tell("waits", f"{self._kind} {waits}")
            await asyncio.sleep(LOOK_SECONDS)
        timed.waits = ""

    async def _run(self, slot: datetime) -> float:
        """Do what is due, once; returns how long (seconds) to wait before looking again."""
        while True:
            await self._while_held(SCHEDULED_FILE)
            await self._while_held(LEASE_FILE)
            try:
                outcome = await _ended(await to_the_end(self._start(slot)))
            except S3gcError:
                # Its number may be another process's by now.
                self._station.timed(self._kind).running_pid = None
                raise
            self._station.timed(self._kind).running_pid = None
            is_recorded = await self._tell_end(slot, outcome)
            if is_recorded and outcome.exit_code != ExitCode.BUSY:
                self._pause = BACK_OFF_SECONDS[0]
                return 0.0
            pause, self._pause = self._pause, min(self._pause * 2, BACK_OFF_SECONDS[1])
            if outcome.exit_code != ExitCode.BUSY:
                return pause
            # Somebody was quicker: what this slot is for is still to be done.
            await asyncio.sleep(pause)

    async def _start(self, slot: datetime) -> StartedJob:
        station = self._station
        argv = station.argv(self._kind, *self._more, "--scheduled", slot.isoformat())
        start = partial(start_job, station.vault, argv, station.environment())
        started = await asyncio.to_thread(start)
        station.timed(self._kind).running_pid = started.pid
        station.note()
        station.tell("started", f"{self._kind} for {slot:%Y-%m-%d %H:%M} UTC", {"pid": started.pid})
        return started

    async def _tell_end(self, slot: datetime, outcome: JobOutcome) -> bool:
        """Tell how a run ended; returns whether the audit log knows of it."""
        station, timed = self._station, self._station.timed(self._kind)
        last = await self._last(station.clock.now())
        is_recorded = last is not None and last.slot == slot
        summary = outcome.summary or {}
        told = summary.get("error") or summary.get("outcome") or "no word"
        detail = f"{self._kind} for {slot:%Y-%m-%d %H:%M} UTC: {told} (exit {outcome.exit_code})"
        timed.last_outcome = last.outcomes if last else ""
        timed.last_slot = last.slot if last else None
        timed.problem = "" if is_recorded else detail
        event = "ended" if outcome.exit_code == ExitCode.DONE else "run-failed"
        more = {"exit_code": outcome.exit_code, "operation_id": summary.get("operation_id")}
        station.note()
        station.tell(event, detail, more)
        return is_recorded


async def _ended(started: StartedJob) -> JobOutcome:
    while True:
        if started.exit_code is not None:
            return await asyncio.to_thread(job_outcome, started)
        await asyncio.sleep(LOOK_SECONDS / 5)


async def end_scheduled(station: Station) -> None:
    """Ask the scheduled run that is at work, whoever started it, to end at its next safe point;
    then by a signal. One that does neither in time goes on without us, which harms nothing.
    """
    holder = await asyncio.to_thread(lease_holder, station.vault, SCHEDULED_FILE)
    own = {timed.running_pid for timed in station.state.timed.values()} - {None}
    pids = own | ({holder.pid} if holder else set())
    await asyncio.gather(*(_end(station, pid) for pid in pids if pid is not None))


async def _end(station: Station, pid: int) -> None:
    if await asyncio.to_thread(_ask, station, pid) and await _gone(pid, SAFE_SECONDS):
        return
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        station.tell("run-left", f"process {pid} is another user's, and goes on")
        return
    if not await _gone(pid, END_SECONDS):
        station.tell("run-left", f"process {pid} is still at work, and goes on")


def _ask(station: Station, pid: int) -> bool:
    """Wish the end of the operation of this process; false where it has none."""
    for job in list_jobs(station.vault):
        is_its = job.state is not None and job.state.pid == pid
        if is_its and job.standing not in (Standing.ENDED, Standing.INTERRUPTED):
            try:
                request_cancel(station.vault, job.operation_id)
            except (S3gcError, OSError) as error:
                # A signal needs no room on the disk.
                log.info("run_not_asked_to_end", pid=pid, reason=str(error))
                return False
            return True
    return False


async def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _is_alive(pid):
            return True
        await asyncio.sleep(LOOK_SECONDS / 5)
    return not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # Of one that has ended, and that nobody has asked about, only the number is left (proc(5)).
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False  # it went between the two looks
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()
