"""Watching jobs: what runs, what ended and how, and what an operation told on its way.

Readers take no lock that could disturb an operation, and trust no file: what cannot be read is
shown as that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from s3gc_core.errors import NoSuchOperation, VaultUnreachable
from s3gc_core.ids import made_at
from s3gc_core.jobs.control import Control, Wish, read_control
from s3gc_core.jobs.files import read_state
from s3gc_core.jobs.lease import is_at_work
from s3gc_core.jobs.records import (
    EVENTS_FILE,
    UNREADABLE,
    ControlState,
    JobEvent,
    JobState,
    is_job_id,
    job_folder,
    jobs_folder,
)
from s3gc_core.jobs.start import JobOutcome, StartedJob

# One reading of events takes at most so many bytes; the next goes on where it ended.
_EVENT_BYTES = 256 << 10


class Standing(StrEnum):
    """How an operation stands, by its journal, the lease and the last wish."""

    RUNNING = "running"
    PAUSING = "pausing"  # asked to pause; it has not come to a safe point yet
    PAUSED = "paused"
    CANCELLING = "cancelling"  # asked to end; it finishes what it has begun
    INTERRUPTED = "interrupted"  # its process died; the next operation recovers what it left
    ENDED = "ended"  # how: `state.outcome`
    UNREADABLE = "unreadable"  # why: `problem`


@dataclass(frozen=True, slots=True)
class Job:
    """One operation. `state` is None where it is unreadable; `problem` says why.

    `asked` is the last wish, if there was one.
    """

    operation_id: str
    standing: Standing
    state: JobState | None = None
    asked: Control | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JobEvents:
    """Events in order; `offset` (bytes) is where the next reading begins.

    `unreadable` lines were left out, such as one that a full disk cut short.
    """

    events: Sequence[JobEvent]
    offset: int
    unreadable: int


def list_jobs(vault_path: Path, limit: int = 20) -> list[Job]:
    """The last operations, newest first, at most `limit`; those that are no journal of ours come
    last. Never raises for what lies in the folder, `OSError` only where there is no reading it.
    """
    try:
        names = [path.name for path in jobs_folder(vault_path).iterdir()]
    except FileNotFoundError:
        return []
    shown = [name for name in names if not name.startswith((".", "start-"))]
    ours = sorted((name for name in shown if is_job_id(name)), reverse=True)
    foreign = sorted(name for name in shown if not is_job_id(name))
    jobs = [_job(vault_path, name) for name in ours[:limit]]
    strange = [Job(name, Standing.UNREADABLE, problem="not made by s3gc") for name in foreign]
    return ([job for job in jobs if job is not None] + strange)[:limit]


def find_job(vault_path: Path, operation_id: str) -> Job | None:
    """One operation's journal; None where none is kept."""
    if not is_job_id(operation_id) or not job_folder(vault_path, operation_id).is_dir():
        return None
    return _job(vault_path, operation_id)


def _job(vault_path: Path, operation_id: str) -> Job | None:
    """One job; None where it was removed as too old meanwhile."""
    folder = job_folder(vault_path, operation_id)
    try:
        state = read_state(folder)
        if state.outcome is None and not is_at_work(vault_path, operation_id):
            # It holds the vault from before its journal begins until after that has its end: what
            # still has none now will never get one from its own process.
            state = read_state(folder)
            if state.outcome is None:
                return Job(operation_id, Standing.INTERRUPTED, state)
    except (OSError, *UNREADABLE) as error:
        if not folder.exists():
            return None
        return Job(operation_id, Standing.UNREADABLE, problem=f"its state cannot be read: {error}")
    if state.outcome is not None:
        return Job(operation_id, Standing.ENDED, state)
    asked = read_control(folder)
    return Job(operation_id, _standing(state, asked), state, asked)


def _standing(state: JobState, asked: Control | None) -> Standing:
    """The standing of an operation that runs."""
    if state.control is ControlState.CANCELLING or (asked and asked.wish is Wish.CANCEL):
        return Standing.CANCELLING
    if state.control is ControlState.PAUSED:
        # Told to go on, it does so within the moment.
        return Standing.RUNNING if asked is None or asked.wish is Wish.RUN else Standing.PAUSED
    return Standing.PAUSING if asked and asked.wish is Wish.PAUSE else Standing.RUNNING


def job_events(vault_path: Path, operation_id: str, after_offset: int = 0) -> JobEvents:
    """What an operation told since `after_offset`; reads only what is new.

    A line that is still being written is left for the next reading. Raises `NoSuchOperation`.
    """
    folder = job_folder(vault_path, operation_id)
    if not (is_job_id(operation_id) and folder.is_dir()):
        raise NoSuchOperation(f"there is no journal of operation {operation_id}")
    try:
        with (folder / EVENTS_FILE).open("rb") as file:
            file.seek(after_offset)
            content = file.read(_EVENT_BYTES)
    except FileNotFoundError:
        return JobEvents((), after_offset, 0)
    except OSError as error:
        raise VaultUnreachable(f"cannot read {folder / EVENTS_FILE}: {error.strerror}") from error
    whole = content.rfind(b"\n") + 1
    if not whole and len(content) == _EVENT_BYTES:
        # No line of ours is that long; whatever it is, the next reading goes on behind it.
        return JobEvents((), after_offset + len(content), 1)
    events: list[JobEvent] = []
    unreadable = 0
    for line in content[:whole].splitlines():
        try:
            events.append(msgspec.json.decode(line, type=JobEvent))
        except UNREADABLE:
            unreadable += 1
    return JobEvents(events, after_offset + whole, unreadable)


def operation_of(started: StartedJob, outcome: JobOutcome, jobs: Sequence[Job]) -> str | None:
    """The operation that a started process runs or ran; None as long as there is none."""
    begun_at = made_at(started.job_id)
    for job in jobs:
        state = job.state
        # Ids of processes are used again: only one that began after the start is ours.
        if state and state.pid == started.pid and state.started_at.timestamp() >= begun_at - 1:
            return job.operation_id
    told = (outcome.summary or {}).get("operation_id")
    known = {job.operation_id for job in jobs}
    return told if isinstance(told, str) and told in known else None
