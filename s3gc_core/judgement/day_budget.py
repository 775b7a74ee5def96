"""How much the executions of a day may delete together (guard `budget-per-day`)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from s3gc_core.config import GuardLimits, PrefixBudget
from s3gc_core.judgement.guards import Tripped

DAY = timedelta(hours=24)
GUARD = "budget-per-day"


class Deletion(NamedTuple):
    """An object that was deleted at `at` (UTC), with its size in bytes."""

    at: datetime
    size: int
    key: str = ""


class Planned:
    """What a plan is about to delete, added up: objects and bytes, also `under` each prefix."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self.objects = self.size = 0
        self.under = dict.fromkeys(prefixes, (0, 0))

    def add(self, key: str, size: int) -> None:
        """One object more."""
        self.objects += 1
        self.size += size
        for prefix, (objects, total) in self.under.items():
            if key.startswith(prefix):
                self.under[prefix] = (objects + 1, total + size)


def day_budget(
    limits: GuardLimits, deleted: Sequence[Deletion], objects: int, size: int, now: datetime
) -> Tripped | None:
    """Whether so many objects and bytes may be deleted now, after what a day's executions did.

    `deleted` is everything of the last 24 hours.
    """
    return _tripped(_limit(limits), deleted, objects, size, now)


def prefix_day_budgets(
    limits: GuardLimits,
    deleted: Sequence[Deletion],
    planned: Planned,
    now: datetime,
) -> list[Tripped]:
    """The same of each prefix that has a budget of its own."""
    found = []
    for prefix, own in limits.prefixes.items():
        objects, size = planned.under[prefix]
        if not objects:
            continue  # what others deleted there does not stop this plan
        earlier = [one for one in deleted if one.key.startswith(prefix)]
        found.append(_tripped(_limit(own), earlier, objects, size, now, prefix))
    return [trip for trip in found if trip is not None]


def _limit(limits: GuardLimits | PrefixBudget) -> tuple[int | None, int | None]:
    """How many objects and bytes a day may delete; None: without limit."""
    return (
        limits.max_objects_per_day or limits.max_objects,
        limits.max_bytes_per_day or limits.max_bytes,
    )


def _tripped(
    limit: tuple[int | None, int | None],
    deleted: Sequence[Deletion],
    objects: int,
    size: int,
    now: datetime,
    prefix: str = "",
) -> Tripped | None:
    most_objects, most_bytes = limit
    count, total = len(deleted) + objects, sum(one.size for one in deleted) + size
    # By so much it is too many, or too much.
    many = 0 if most_objects is None else max(0, count - most_objects)
    much = 0 if most_bytes is None else max(0, total - most_bytes)
    over = []
    if many:
        over.append(f"{count} objects (limit {most_objects})")
    if much:
        over.append(f"{total} bytes (limit {most_bytes})")
    if not over:
        return None
    free_at = _free_at(deleted, many, much)
    wait = (
        f"wait until {free_at:%F %T} UTC, " if free_at else "approve a smaller part of the plan, "
    )
    there = f" under {prefix}" if prefix else ""
    label = shlex.quote(f"{GUARD}:{prefix}" if prefix else GUARD)
    return Tripped(
        GUARD,
        f"with the {len(deleted)} objects that were deleted{there} in the 24 hours before"
        f" {now:%F %T} UTC, this plan makes {' and '.join(over)}",
        f"{wait}or execute --accept {label} --reason TEXT",
        prefix,
    )


def _free_at(deleted: Sequence[Deletion], objects: int, size: int) -> datetime | None:
    """When enough of what was deleted is a day old; None where the plan alone is too much."""
    for one in sorted(deleted):
        objects, size = objects - 1, size - one.size
        if objects <= 0 and size <= 0:
            return one.at + DAY
    return None
