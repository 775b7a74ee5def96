"""What a job's files hold, and where they lie."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

STATE_FILE = "state.json"
EVENTS_FILE = "events.jsonl"
CONTROL_FILE = "control.json"

# What decoding a file raises that is none of ours.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Utc = Annotated[datetime, msgspec.Meta(tz=True)]

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class Progress(Protocol):
    """Told how far a phase is: `done` of `total` (None: not known) units."""

    def __call__(self, phase: str, done: int, total: int | None = None) -> None:
        """Take note."""
        ...


class ControlState(StrEnum):
    """What a running operation does about the wishes it has seen."""

    RUNNING = "running"
    PAUSED = "paused"  # it begins nothing new until it is told to go on, or to end
    CANCELLING = "cancelling"  # it ends; what had begun is being recorded


class JobPhase(msgspec.Struct):
    """One phase of an operation: `done` of `total` (None: not known) units. Times are UTC."""

    name: str
    done: int
    total: int | None
    began_at: Utc
    ended_at: Utc | None = None


class JobState(msgspec.Struct):
    """An operation as its journal shows it. Times are UTC by the machine's clock, which a test or
    the demo may not have shifted.

    `counts` are objects by outcome; `bytes` are bytes by what was done with them (`backed_up`,
    `deleted`, `restored`). `step` is what is being done within the current phase. `heartbeat_at`
    is when the process last wrote this, at least every few seconds while it lives, paused or not.
    `control_why` says why it paused where nobody clearly asked for it. `outcome` is None until
    the end; then as in the audit log (done, partial, blocked, failed, cancelled), or
    `interrupted` where the process died and a later operation recovered what it left.
    """

    operation_id: str
    what: str
    actor: str
    mode: str
    pid: int
    host: str
    started_at: Utc
    heartbeat_at: Utc
    plan_id: str | None = None
    arguments: dict[str, str] = {}
    step: str = ""
    phases: list[JobPhase] = []
    counts: dict[str, int] = {}
    bytes: dict[str, int] = {}
    control: ControlState = ControlState.RUNNING
    control_by: str = ""
    control_at: Utc | None = None
    control_why: str = ""
    paused_seconds: float = 0.0
    ended_at: Utc | None = None
    outcome: str | None = None
    error: str | None = None
    # What was wrong and what to do, where a refusal or a failure of ours ended it.
    told: str = ""
    next_step: str = ""
    # How an execution's deletes are bound to what was backed up.
    deletes: str = ""


class EventKind(StrEnum):
    """What a line of a job's events is about; `subject` of the event depends on it."""

    BEGAN = "began"  # subject: what the operation is
    PHASE = "phase"  # subject: the phase that began
    OBJECT = "object"  # did not end as intended; subject: its outcome. The first of each outcome
    ASKED = "asked"  # subject: the source that is asked before deletes; reason: how
    COMPARED = "compared"  # subject: how many objects; reason: how many are not as approved
    ENCODED = "encoding"  # subject: the zstd level from now on; reason: why another one
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    ENDED = "ended"  # subject: the outcome


class JobEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened in an operation. `at` is UTC; `by` is who asked for it."""

    at: Utc
    kind: EventKind
    subject: str = ""
    by: str = ""
    key: str = ""
    reason: str = ""


def jobs_folder(vault_path: Path) -> Path:
    """Where journals and outputs of jobs lie."""
    return vault_path / "jobs"


def job_folder(vault_path: Path, operation_id: str) -> Path:
    """The journal of one operation."""
    return jobs_folder(vault_path) / operation_id


def is_job_id(name: str) -> bool:
    """Whether `name` is an id of ours (a ULID), and so a plain name below `jobs/`."""
    return _ULID.fullmatch(name) is not None
