"""Wishes to a running operation: pause, go on, end after what has begun.

Whoever wishes writes a file; the operation looks at it at its safe points, between batches and
pages. A file that cannot be understood is a wish to pause: doubt begins nothing new.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from s3gc_core.errors import CancelRequested, NoSuchOperation, VaultUnreachable
from s3gc_core.jobs.files import replace_file
from s3gc_core.jobs.lease import actor, is_at_work
from s3gc_core.jobs.records import CONTROL_FILE, UNREADABLE, Utc, is_job_id, job_folder

# More than any wish takes; a larger file is none of ours.
_LIMIT_BYTES = 4096


class Wish(StrEnum):
    """What an operation is asked to do."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


class Control(msgspec.Struct, frozen=True):
    """The last wish, by whom and when (UTC). `why` is set where the file could not be read."""

    wish: Wish
    by: str
    at: Utc
    why: str = ""


def read_control(folder: Path) -> Control | None:
    """The last wish in a job's folder; None where nobody wished anything."""
    try:
        with (folder / CONTROL_FILE).open("rb") as file:
            text = file.read(_LIMIT_BYTES)
        return msgspec.json.decode(text, type=Control)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UNREADABLE as error:
        reason = str(error)
    why = f"{CONTROL_FILE} cannot be read: {reason}"
    return Control(Wish.PAUSE, "", datetime.now(UTC), why)


def request_pause(vault_path: Path, operation_id: str, who: str | None = None) -> None:
    """Ask a running operation to begin nothing new until it is told to go on.

    `who` is `actor()` unless given. Raises `NoSuchOperation` where no operation of this id runs
    now, `CancelRequested` where it was already told to end.
    """
    _request(vault_path, operation_id, Wish.PAUSE, who)


def request_resume(vault_path: Path, operation_id: str, who: str | None = None) -> None:
    """Ask a paused operation to go on; raises as `request_pause` does."""
    _request(vault_path, operation_id, Wish.RUN, who)


def request_cancel(vault_path: Path, operation_id: str, who: str | None = None) -> None:
    """Ask a running operation to end after what it has begun; raises as `request_pause` does,
    but for a second wish to cancel, which changes nothing.
    """
    _request(vault_path, operation_id, Wish.CANCEL, who)


def _request(vault_path: Path, operation_id: str, wish: Wish, who: str | None) -> None:
    folder = job_folder(vault_path, operation_id)
    if not (is_at_work(vault_path, operation_id) and is_job_id(operation_id) and folder.is_dir()):
        raise NoSuchOperation(f"operation {operation_id} is not running")
    before = read_control(folder)
    if before is not None and before.wish is Wish.CANCEL:
        if wish is Wish.CANCEL:
            return
        raise CancelRequested(f"operation {operation_id} was cancelled by {before.by}")
    control = Control(wish, actor() if who is None else who, datetime.now(UTC))
    try:
        replace_file(folder / CONTROL_FILE, msgspec.json.encode(control))
    except OSError as error:
        raise VaultUnreachable(f"cannot write in {folder}: {error.strerror}") from error
