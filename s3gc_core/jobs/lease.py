"""Who may work on a vault: one operation at a time, held by a lease that dies with its process."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core.errors import VaultBusy, VaultUnreachable
from s3gc_core.jobs.acting import acting_now

LEASE_FILE = "lease"
# Held by whoever brings objects back that a row refers to again, beside an operation.
HEALING_FILE = "healing"
# Held by whoever keeps the registry true to the change streams, beside an operation.
FOLLOWER_FILE = "follower"
# Held by the service of a vault, and by a run that a service's schedule has started.
SERVICE_FILE = "service"
SCHEDULED_FILE = "scheduled"
# Seconds for which a lock without a name is waited for: somebody looks, begins or ends, and may be
# kept from the processor meanwhile.
_NAMELESS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The operation that holds a vault. `since` is UTC."""

    operation_id: str
    what: str
    actor: str
    pid: int
    since: datetime


def actor() -> str:
    """Who acts, for the audit log: user@host, and where an SSH session comes from; or on whose word
    the work at hand is done (see `acting`).
    """
    acting = acting_now()
    if acting is not None and acting.who:
        return acting.who
    origin = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    user = os.environ.get("SUDO_USER") or _user()
    return f"{user}@{socket.gethostname()}" + (f" from {origin}" if origin else "")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        # In a container a process may run under a number that no file of users knows.
        return f"uid-{os.getuid()}"


def person(who: str) -> str:
    """The name alone in what `actor` gave, on whatever host and from wherever.

    Of what acts on a person's word ("grant ID of NAME") it is that person's.
    """
    return who.split(" from ")[0].split(" of ")[-1].rsplit("@", 1)[0]


@contextmanager
def vault_lease(
    vault_path: Path, operation_id: str, what: str, who: str, *, file: str = LEASE_FILE
) -> Iterator[None]:
    """Hold the vault for one operation; raises `VaultBusy` where another process holds it.

    With `FOLLOWER_FILE`, hold its change streams; with `HEALING_FILE`, its healing; with
    `SERVICE_FILE` and `SCHEDULED_FILE`, be its service, or its only scheduled run.

    The lock is the kernel's (flock): it goes away with the process, however that ends.
    """
    try:
        descriptor = os.open(vault_path / file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise VaultUnreachable(f"cannot lock {vault_path}: {error}") from error
    try:
        _lock(descriptor)
        _write(descriptor, LeaseHolder(operation_id, what, who, os.getpid(), datetime.now(UTC)))
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lease_holder(vault_path: Path, file: str = LEASE_FILE) -> LeaseHolder | None:
    """The live holder of the vault (or of its change streams), or None. Does not disturb it."""
    try:
        descriptor = os.open(vault_path / file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(descriptor)
        return None
    finally:
        os.close(descriptor)


def is_at_work(vault_path: Path, operation_id: str) -> bool:
    """Whether a live process runs this operation, be it one that heals beside another."""
    holders = (lease_holder(vault_path, file) for file in (LEASE_FILE, HEALING_FILE))
    return any(holder is not None and holder.operation_id == operation_id for holder in holders)


def _lock(descriptor: int) -> None:
    """Take the lock. Who only looks (`lease_holder`) has it for microseconds, and so has it without
    a name who begins or ends: try again.
    """
    until = time.monotonic() + _NAMELESS_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)
            if holder is not None or time.monotonic() > until:
                raise VaultBusy(f"the vault is held by {_words(holder)}") from None
            time.sleep(0.02)
        else:
            return


def _words(holder: LeaseHolder | None) -> str:
    if holder is None:
        return "another operation that is just beginning"
    return (
        f"{holder.what} {holder.operation_id} of {holder.actor}"
        f" (process {holder.pid}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC)"
    )


def _read(descriptor: int) -> LeaseHolder | None:
    text = os.pread(descriptor, 4096, 0)
    if not text:
        return None
    fields = json.loads(text)
    fields["since"] = datetime.fromisoformat(fields["since"])
    return LeaseHolder(**fields)


def _write(descriptor: int, holder: LeaseHolder) -> None:
    fields = {
        "operation_id": holder.operation_id,
        "what": holder.what,
        "actor": holder.actor,
        "pid": holder.pid,
        "since": holder.since.isoformat(),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(fields).encode(), 0)
