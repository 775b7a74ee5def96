"""Plans: frozen, hashed, expiring lists of orphans; approved by a named person; executed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from s3gc_core.config import Mode
from s3gc_core.errors import (
    ConfirmationMismatch,
    DryRunRefused,
    NotApproved,
    PlanChanged,
    PlanExpired,
    PlanFinished,
    SecondPersonNeeded,
)
from s3gc_core.jobs import person
from s3gc_core.judgement.conditions import Conditions
from s3gc_core.judgement.layers import Layers


class Plan(msgspec.Struct, frozen=True):
    """A plan's head. Times are UTC, `bytes` the size of its objects together.

    `listed_at` is the end of the listing: the registry must be true for it or later.
    `conditions` are those under which its objects were judged.
    """

    plan_id: str
    scan_id: str
    bucket: str
    listed_at: datetime
    created_at: datetime
    expires_at: datetime
    objects: int
    bytes: int
    sha256: str
    conditions: Conditions
    parent: str | None = None

    @property
    def confirmation(self) -> str:
        """What has to be typed to execute it."""
        return f"{self.bucket} {self.objects}"


class PlanItem(msgspec.Struct, frozen=True):
    """One orphan of a plan with its evidence: what will be deleted is exactly this ETag."""

    key: str
    etag: str
    size: int
    last_modified: datetime
    storage_class: str
    layers: Layers


class PlanState(StrEnum):
    """Where a plan stands, by its records in the audit log."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXECUTING = "executing"  # begun, and not ended: it can be gone on with
    EXECUTED = "executed"


class PlanHistory(msgspec.Struct, frozen=True):
    """What the audit log says about a plan. `finished` is the outcome of its last execution."""

    recorded_sha256: str | None
    approved: bool | None
    approved_by: str | None = None
    started: bool = False
    finished: bool = False
    # The reason that was given with the approval or the rejection.
    decided_because: str | None = None
    # The grant that approved it, where no person looked at it.
    grant: str | None = None

    @property
    def state(self) -> PlanState:
        """The state that follows from the records."""
        if self.approved is False:
            return PlanState.REJECTED
        if self.finished:
            return PlanState.EXECUTED
        if self.started:
            return PlanState.EXECUTING
        return PlanState.APPROVED if self.approved else PlanState.PROPOSED


def plan_sha256(plan: Plan, items: Iterable[bytes]) -> str:
    """Hash over everything an approval stands for: bucket, times, conditions, each item in order.

    `items` are `PlanItem`s as JSON, byte for byte as they are stored.
    """
    head = [
        plan.plan_id,
        plan.scan_id,
        plan.bucket,
        plan.listed_at,
        plan.expires_at,
        plan.conditions,
    ]
    digest = hashlib.sha256(msgspec.json.encode(head, order="sorted"))
    for item in items:
        digest.update(b"\n")
        digest.update(item)
    return digest.hexdigest()


def check_decidable(plan: Plan, history: PlanHistory, *, now: datetime) -> None:
    """Raise unless the plan can still be approved or rejected."""
    if history.state not in (PlanState.PROPOSED, PlanState.APPROVED):
        raise PlanFinished(f"plan {plan.plan_id} is {history.state}")
    check_not_expired(plan, now=now)


def check_not_expired(plan: Plan, *, now: datetime) -> None:
    """Raise `PlanExpired` where the plan's lifetime is over."""
    if now >= plan.expires_at:
        raise PlanExpired(f"plan {plan.plan_id} expired at {plan.expires_at:%Y-%m-%d %H:%M} UTC")


def check_executable(
    plan: Plan,
    history: PlanHistory,
    *,
    recomputed_sha256: str,
    mode: Mode,
    confirmation: str,
    now: datetime,
) -> None:
    """Raise the refusal that applies, or return: the plan may be executed now.

    `recomputed_sha256` is the hash of the plan as it is stored now.
    """
    if mode is Mode.DRY_RUN:
        raise DryRunRefused(f"plan {plan.plan_id} is not executed in mode dry_run")
    if history.state in (PlanState.REJECTED, PlanState.EXECUTED):
        raise PlanFinished(f"plan {plan.plan_id} is {history.state}")
    if history.approved is not True:
        raise NotApproved(f"plan {plan.plan_id} has not been approved")
    if not recomputed_sha256 == plan.sha256 == history.recorded_sha256:
        raise PlanChanged(f"plan {plan.plan_id} is not the one that was approved")
    check_not_expired(plan, now=now)
    if confirmation != plan.confirmation:
        raise ConfirmationMismatch(
            f'"{confirmation}" does not confirm plan {plan.plan_id}',
            next_step=f'pass --confirm "{plan.confirmation}"',
        )


def check_second_person(plan: Plan, history: PlanHistory, *, executor: str) -> None:
    """Raise `SecondPersonNeeded` where the same person approved, or where nobody knows who did."""
    approver = history.approved_by
    if approver is None or person(approver) == person(executor):
        raise SecondPersonNeeded(f"plan {plan.plan_id} was approved by {approver}, who executes it")


def selects(item_key: str, prefixes: Sequence[str], keys: frozenset[str]) -> bool:
    """Whether an approval of a part of a plan covers a key; no selection covers everything."""
    if not prefixes and not keys:
        return True
    return item_key in keys or any(item_key.startswith(prefix) for prefix in prefixes)
