"""What the service of a vault tells about itself, for `s3gc status` and for its own next start.

It lies in the vault folder, is no vault data and may be deleted: what ran is in the audit log.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from s3gc_core.jobs.files import replace_file
from s3gc_core.jobs.records import UNREADABLE, Utc

STATE_FILE = "service.json"
# More than any state takes; a larger file is none of ours.
_LIMIT_BYTES = 1 << 20


class TimedState(msgspec.Struct):
    """The runs, or the drills, of a schedule. Times are UTC.

    `last_outcome` is that of the last one by the audit log, which began with `last_slot`; `waits`
    says what a run that is due waits for, `problem` what was wrong with one that left no record.
    """

    next_at: Utc | None = None
    last_slot: Utc | None = None
    last_outcome: str = ""
    running_pid: int | None = None
    waits: str = ""
    problem: str = ""


class FollowerState(msgspec.Struct):
    """The process that follows the databases. `state`: `none` (nothing is to be followed),
    `starting`, what it told last (`loading`, `following` ...), `elsewhere` (a process that is not
    ours follows) or `failed` (it is started again).
    """

    state: str = "none"
    detail: str = ""
    pid: int | None = None
    restarts: int = 0


class ServiceState(msgspec.Struct):
    """A vault's service. Times are UTC, by the machine's clock but for those of the schedule.

    `first_at` is when the vault was first served; `heartbeat_at` is written every few seconds.
    """

    pid: int
    profile: str
    since: Utc
    first_at: Utc
    heartbeat_at: Utc
    timed: dict[str, TimedState] = {}
    follower: FollowerState = msgspec.field(default_factory=FollowerState)
    replica: str = ""
    is_stopping: bool = False


def read_service(vault_path: Path) -> ServiceState | None:
    """What the last service told; None where there is nothing, or nothing that can be read.

    Whether it still serves says the lease alone (`SERVICE_FILE`).
    """
    try:
        with (vault_path / STATE_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_LIMIT_BYTES), type=ServiceState)
    except (OSError, *UNREADABLE):
        return None


def write_service(vault_path: Path, state: ServiceState) -> None:
    """Replace what was told. Raises `OSError`."""
    replace_file(vault_path / STATE_FILE, msgspec.json.encode(state))
