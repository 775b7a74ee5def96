"""The files of journals: written whole or appended to, and thrown away when they are old."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from s3gc_core.ids import new_id
from s3gc_core.jobs.records import (
    EVENTS_FILE,
    STATE_FILE,
    UNREADABLE,
    JobEvent,
    JobState,
    is_job_id,
    job_folder,
    jobs_folder,
)

# How many operations keep their journal; the audit log keeps all that matters for ever.
KEPT_JOURNALS = 100

_BEING_MADE = ".new-"
# More than any state takes; a larger file is none of ours.
_STATE_BYTES = 1 << 20


def begin_journal(vault_path: Path, state: JobState) -> None:
    """Make an operation's journal, which appears with its state in it; remove the oldest ones.

    The caller holds the vault. Raises `OSError`.
    """
    jobs = jobs_folder(vault_path)
    jobs.mkdir(mode=0o700, exist_ok=True)
    # Before the new one is made: what is removed may be the room that it needs.
    _remove_old(jobs)
    new = jobs / f"{_BEING_MADE}{state.operation_id}"
    new.mkdir(mode=0o700)
    try:
        replace_file(new / STATE_FILE, msgspec.json.encode(state))
        new.replace(job_folder(vault_path, state.operation_id))
    except BaseException:
        shutil.rmtree(new)
        raise


def _remove_old(jobs: Path) -> None:
    # A folder being made is that of an operation that died there: we hold the vault.
    half_made = [path for path in jobs.glob(f"{_BEING_MADE}*") if path.is_dir()]
    oldest_first = sorted(path for path in jobs.iterdir() if is_job_id(path.name))
    for path in (*half_made, *oldest_first[: -(KEPT_JOURNALS - 1)]):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def close_interrupted(vault_path: Path, but: str) -> None:
    """Write the end into each journal that has none, except that of the operation `but`.

    The caller holds the vault and has recovered what the others left. What cannot be read is left
    as it is. Raises `OSError`.
    """
    for folder in sorted(jobs_folder(vault_path).iterdir()):
        if folder.name == but or not is_job_id(folder.name):
            continue
        try:
            state = read_state(folder)
        except (OSError, *UNREADABLE):
            continue
        if state.outcome is None:
            # Its last sign of life is the nearest to its end that anybody knows.
            state.outcome, state.ended_at = "interrupted", state.heartbeat_at
            replace_file(folder / STATE_FILE, msgspec.json.encode(state))


def read_state(folder: Path) -> JobState:
    """The state in a journal. Raises `OSError`, or one of `UNREADABLE` where it is none."""
    with (folder / STATE_FILE).open("rb") as file:
        return msgspec.json.decode(file.read(_STATE_BYTES), type=JobState)


def append_events(folder: Path, events: Sequence[JobEvent]) -> None:
    """Add events, one JSON line each. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(folder / EVENTS_FILE, flags, 0o600), "ab") as file:
        file.write(b"".join(_lines(events)))


def _lines(events: Sequence[JobEvent]) -> Iterator[bytes]:
    for event in events:
        yield msgspec.json.encode(event) + b"\n"


def replace_file(path: Path, content: bytes) -> None:
    """Give `path` (0600) this content at once: a reader sees the old one or the new one.

    Not synced: what a job tells about itself is no vault data. Raises `OSError`.
    """
    new = path.with_name(f".{path.name}-{new_id()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
