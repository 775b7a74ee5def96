"""Grants: what a named person lets unattended runs delete, how much of it, and until when.

Pure decisions. A grant replaces a person's look at a plan, so an object has to have been an orphan
in two scans that are a day apart: what one odd scan sees is never deleted unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

# From the first sighting as an orphan to the last, at least.
SIGHTINGS_APART = timedelta(hours=24)
LONGEST_DAYS = 90
# The prefix of every key.
EVERYTHING = ""


class Grant(msgspec.Struct, frozen=True):
    """A grant as the audit log knows it. The budget is for its whole life; times are UTC."""

    grant_id: str
    actor: str
    reason: str
    prefixes: tuple[str, ...]
    max_objects: int
    max_bytes: int
    granted_at: datetime
    expires_at: datetime
    revoked: bool = False

    @property
    def approver(self) -> str:
        """Who approves a plan by it, for the audit log."""
        return f"grant {self.grant_id} of {self.actor}"


class Used(msgspec.Struct, frozen=True):
    """What was deleted under a grant so far."""

    objects: int = 0
    bytes: int = 0


class Sighting(msgspec.Struct, frozen=True):
    """Scans that saw an object as an orphan, without one in between that did not."""

    first_seen: datetime
    last_seen: datetime
    count: int


class SeenOrphan(msgspec.Struct, frozen=True):
    """An object of a plan, and how often it was seen as an orphan."""

    key: str
    size: int
    sighting: Sighting | None


class GrantState(StrEnum):
    """How a grant stands; only a valid one covers anything. The others are names of refusals."""

    VALID = "valid"
    REVOKED = "grant-revoked"
    EXPIRED = "grant-expired"
    USED_UP = "grant-used-up"


class Left(StrEnum):
    """Why an object of a plan waits for a person although there is a valid grant."""

    OUT_OF_SCOPE = "out-of-scope"
    NOT_SEEN_TWICE = "not-seen-twice"
    OVER_BUDGET = "over-budget"


class Coverage(msgspec.Struct, frozen=True):
    """What of a plan a grant covers, and how many objects it leaves, by reason."""

    state: GrantState
    keys: tuple[str, ...] = ()
    bytes: int = 0
    left: dict[str, int] = {}


def grant_state(grant: Grant, used: Used, now: datetime) -> GrantState:
    """How a grant stands now."""
    if grant.revoked:
        return GrantState.REVOKED
    if now >= grant.expires_at:
        return GrantState.EXPIRED
    if used.objects >= grant.max_objects or used.bytes >= grant.max_bytes:
        return GrantState.USED_UP
    return GrantState.VALID


def covered_by(grant: Grant, orphans: Iterable[SeenOrphan], used: Used, now: datetime) -> Coverage:
    """The part of a plan that a grant approves: in its scope, seen twice, within what is left."""
    state = grant_state(grant, used, now)
    if state is not GrantState.VALID:
        return Coverage(state)
    keys: list[str] = []
    size = 0
    left: Counter[str] = Counter()
    for orphan in orphans:
        if not orphan.key.startswith(grant.prefixes):
            left[Left.OUT_OF_SCOPE] += 1
        elif not is_seen_twice(orphan.sighting):
            left[Left.NOT_SEEN_TWICE] += 1
        elif (
            used.objects + len(keys) >= grant.max_objects
            or used.bytes + size + orphan.size > grant.max_bytes
        ):
            left[Left.OVER_BUDGET] += 1
        else:
            keys.append(orphan.key)
            size += orphan.size
    return Coverage(state, tuple(keys), size, dict(left))


def is_seen_twice(sighting: Sighting | None) -> bool:
    """Seen at least twice, the last time at least a day after the first."""
    if sighting is None or sighting.count < 2:
        return False
    return sighting.last_seen - sighting.first_seen >= SIGHTINGS_APART


def refuses_plan(grant: Grant | None, objects: int, size: int, used: Used, now: datetime) -> str:
    """Why a plan that was approved by a grant may not be executed now; empty where it may.

    `used` is without the plan itself, which holds `objects` of `size` bytes together.
    """
    if grant is None:
        return "no-grant"
    state = grant_state(grant, used, now)
    if state is not GrantState.VALID:
        return state
    fits = used.objects + objects <= grant.max_objects and used.bytes + size <= grant.max_bytes
    return "" if fits else Left.OVER_BUDGET
