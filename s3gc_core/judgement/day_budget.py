"""How much the executions of a day may delete together (guard `budget-per-day`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from s3gc_core.config import GuardLimits
from s3gc_core.judgement.guards import Tripped

DAY = timedelta(hours=24)
GUARD = "budget-per-day"


class Deletion(NamedTuple):
    """An object that was deleted at `at` (UTC), with its size in bytes."""

    at: datetime
    size: int


def day_budget(
    limits: GuardLimits, deleted: Sequence[Deletion], objects: int, size: int, now: datetime
) -> Tripped | None:
    """Whether so many objects and bytes may be deleted now, after what a day's executions did.

    `deleted` is everything of the last 24 hours.
    """
    most_objects = limits.max_objects_per_day or limits.max_objects
    most_bytes = limits.max_bytes_per_day or limits.max_bytes
    count, total = len(deleted) + objects, sum(one.size for one in deleted) + size
    over = []
    if count > most_objects:
        over.append(f"{count} objects (limit {most_objects})")
    if total > most_bytes:
        over.append(f"{total} bytes (limit {most_bytes})")
    if not over:
        return None
    free_at = _free_at(deleted, count - most_objects, total - most_bytes)
    wait = (
        f"wait until {free_at:%F %T} UTC, " if free_at else "approve a smaller part of the plan, "
    )
    return Tripped(
        GUARD,
        f"with the {len(deleted)} objects that were deleted in the 24 hours before {now:%F %T} UTC,"
        f" this plan makes {' and '.join(over)}",
        f"{wait}or execute --accept {GUARD} --reason TEXT",
    )


def _free_at(deleted: Sequence[Deletion], objects: int, size: int) -> datetime | None:
    """When enough of what was deleted is a day old; None where the plan alone is too much."""
    for one in sorted(deleted):
        objects, size = objects - 1, size - one.size
        if objects <= 0 and size <= 0:
            return one.at + DAY
    return None
