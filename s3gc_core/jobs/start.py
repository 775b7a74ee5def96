"""Starting a job: a process of its own that neither the starter's end nor its terminal's reaches.

What it runs is an ordinary command line, which holds the vault and keeps its journal by itself;
nothing here depends on the starter living on. Its output goes to a file that only its owner reads.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from s3gc_core.errors import JobNotStarted, NoSuchOperation, VaultUnreachable
from s3gc_core.ids import new_id
from s3gc_core.jobs.records import UNREADABLE, is_job_id, jobs_folder

# How many outputs are kept, besides those of processes that still run.
KEPT_OUTPUTS = 20

_PREFIX, _SUFFIX = "start-", ".out"
# The summary of a command is its last record; what libraries say after it is short.
_TAIL_BYTES = 256 << 10
_TAIL_LINES = 10


@dataclass(frozen=True, slots=True)
class StartedJob:
    """A process that was started. Its operation is the one whose `JobState.pid` is `pid`, begun
    after it; it may also end without one, such as where the vault is held.
    """

    job_id: str
    pid: int
    output_path: Path
    _ending: Future[int] | None = field(default=None, compare=False, repr=False)

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs, and for ever in another
        process than its starter.
        """
        if self._ending is None or not self._ending.done():
            return None
        return self._ending.result()


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a started process stands. `summary` is the last record it wrote, `tail` its last lines,
    which came from outside and are not clean.
    """

    running: bool
    exit_code: int | None
    summary: dict[str, Any] | None
    tail: Sequence[str]


def start_job(
    vault_path: Path,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    handed: bytes = b"",
    job_id: str | None = None,
) -> StartedJob:
    """Run `argv` detached: a session of its own, `handed` on standard input, output to a file.

    It inherits the working folder and, unless `env` is given, the environment; no open file, and
    no signal that the starter's terminal sends. Raises `JobNotStarted`, and `VaultUnreachable`
    where there is no room for its output. `argv` may be seen by all users of the machine, `handed`
    only by the process. `job_id` is a new id unless given.
    """
    if not argv:
        raise JobNotStarted("no program was named")
    job_id = job_id or new_id()
    try:
        output_path, output = _make_output(jobs_folder(vault_path), job_id)
    except OSError as error:
        raise VaultUnreachable(f"cannot write in {jobs_folder(vault_path)}: {error}") from error
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if handed else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        output_path.unlink(missing_ok=True)
        raise JobNotStarted(f"{argv[0]}: {error}") from error
    finally:
        # The process has it now, and with it the lock that says so.
        os.close(output)
    ending: Future[int] = Future()
    reaper = threading.Thread(target=_reap, args=(process, handed, ending), daemon=True)
    reaper.start()
    return StartedJob(job_id, process.pid, output_path, ending)


def job_outcome(started: StartedJob) -> JobOutcome:
    """How a started process stands, from its output; its exit code as far as this process knows.

    Raises `VaultUnreachable` where the output cannot be read: only the newest ones are kept.
    """
    return _outcome(started.output_path, started.exit_code)


def find_outcome(vault_path: Path, job_id: str) -> JobOutcome:
    """As `job_outcome`, for a job that any process started. Raises `NoSuchOperation`, too."""
    path = jobs_folder(vault_path) / f"{_PREFIX}{job_id}{_SUFFIX}"
    if not (is_job_id(job_id) and path.is_file()):
        raise NoSuchOperation(f"no output of job {job_id} is kept")
    return _outcome(path, None)


def _outcome(path: Path, exit_code: int | None) -> JobOutcome:
    try:
        with path.open("rb") as file:
            # Asked before reading: of a process that has ended, the whole output is read.
            running = _is_held(file.fileno())
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            content = file.read(_TAIL_BYTES)
    except OSError as error:
        raise VaultUnreachable(f"cannot read {path}: {error.strerror}") from error
    lines = content.decode(errors="backslashreplace").splitlines()
    return JobOutcome(running, exit_code, _summary(lines), lines[-_TAIL_LINES:])


def _make_output(jobs: Path, job_id: str) -> tuple[Path, int]:
    """A new output file, locked: the lock lives as long as any process that has it open."""
    jobs.mkdir(mode=0o700, exist_ok=True)
    _remove_old(jobs)
    path = jobs / f"{_PREFIX}{job_id}{_SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    output = os.open(path, flags, 0o600)
    try:
        fcntl.flock(output, fcntl.LOCK_EX)
    except BaseException:
        os.close(output)
        raise
    return path, output


def _remove_old(jobs: Path) -> None:
    outputs = sorted(
        path
        for path in jobs.glob(f"{_PREFIX}*{_SUFFIX}")
        if is_job_id(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX))
    )
    for path in outputs[: -(KEPT_OUTPUTS - 1)]:
        try:
            with path.open("rb") as file:
                running = _is_held(file.fileno())
        except FileNotFoundError:
            continue  # another starter removed it
        if not running:
            path.unlink(missing_ok=True)


def _is_held(descriptor: int) -> bool:
    """Whether the process that writes here still runs. Leaves no lock behind."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _reap(process: subprocess.Popen[bytes], handed: bytes, ending: Future[int]) -> None:
    # In a thread of its own, since a pipe takes no more than 64 KiB before it is read. A process
    # that ended without reading is told by how it ended: `communicate` passes over the broken pipe.
    process.communicate(handed or None)
    ending.set_result(process.returncode)


def _summary(lines: Sequence[str]) -> dict[str, Any] | None:
    """The last record of type `summary`; events of the log lie between the records."""
    for line in reversed(lines):
        try:
            record = msgspec.json.decode(line.encode())
        except UNREADABLE:
            continue
        if isinstance(record, dict) and record.get("type") == "summary":
            return record
    return None
