"""When the next run is due: a pure decision over what ran last, the time and the schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from s3gc_core.config import Config
from s3gc_core.config_schedule import Schedule


@dataclass(frozen=True, slots=True)
class Due:
    """A run of the schedule. `slot` is the schedule's own moment and the run's name, `at` when it
    starts, by the jitter later; both are UTC. One with `is_now` was due at `at`, or has been since.
    """

    slot: datetime
    at: datetime
    is_now: bool


def due(
    last: datetime | None, since: datetime, now: datetime, schedule: Schedule, jitter: timedelta
) -> Due:
    """The run to start now, or the next one to wait for.

    `last` is the slot of the last run that has begun; where none has, what was due before `since`
    (when the vault was first served) is nobody's. Of all slots missed meanwhile only the newest is
    made up for. All times are UTC.
    """
    newest = schedule.until(now - jitter)
    # A clock that was ahead once has left a slot that is yet to come: it must not silence us.
    is_missed = newest + jitter > since if last is None or last > now else newest > last
    slot = newest if is_missed else schedule.after(now - jitter)
    return Due(slot, slot + jitter, is_missed)


def jitter_of(config: Config, kind: str) -> timedelta:
    """How much later than their slots the runs of this vault start, the same each time: from
    nothing to `schedule_jitter_seconds`, so that many vaults of one schedule are spread over that.
    """
    if not config.schedule_jitter_seconds:
        return timedelta()
    of = "\0".join((kind, config.endpoint_url, config.bucket, str(config.vault_path.resolve())))
    number = int.from_bytes(sha256(of.encode()).digest()[:8])
    return timedelta(seconds=number % (config.schedule_jitter_seconds + 1))
