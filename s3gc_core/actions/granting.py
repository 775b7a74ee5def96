"""Grants: a named person lets unattended runs delete, and what of a plan that covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from s3gc_core import log
from s3gc_core.actions.deciding import plan_record
from s3gc_core.actions.parts import Parts
from s3gc_core.errors import ConfigurationError, NoSuchGrant, Problem
from s3gc_core.ids import new_id
from s3gc_core.jobs import actor
from s3gc_core.judgement import (
    EVERYTHING,
    LONGEST_DAYS,
    Coverage,
    Grant,
    GrantState,
    Plan,
    Used,
    all_grants,
    check_decidable,
    covered_by,
    grant_state,
    plan_history,
    used_under,
)
from s3gc_core.vault import Granted, GrantRevoked, PlanDecided


class GrantStanding(msgspec.Struct, frozen=True):
    """A grant, what was deleted under it, and how that leaves it."""

    grant: Grant
    used: Used
    state: GrantState


class GrantAnswer(msgspec.Struct, frozen=True):
    """What a grant covers of a plan; `plan` is that part, approved, None where it is nothing."""

    grant: Grant
    coverage: Coverage
    plan: Plan | None


async def create(
    parts: Parts,
    *,
    prefixes: Sequence[str],
    everything: bool,
    max_objects: int,
    max_bytes: int,
    days: int,
    reason: str,
) -> GrantStanding:
    """Record a grant: unattended runs may delete so much under these prefixes, in so many days.

    The whole bucket has to be said with `everything`. Raises `ConfigurationError`.
    """
    problems = []
    if everything == bool(prefixes) or EVERYTHING in prefixes:
        problems.append(Problem("--prefix", "the scope", "prefixes, or --everything, not both"))
    for name, number, most in (
        ("--max-objects", max_objects, None),
        ("--max-bytes", max_bytes, None),
        ("--days", days, LONGEST_DAYS),
    ):
        if number < 1 or (most is not None and number > most):
            allowed = "at least 1" if most is None else f"1 to {most}"
            problems.append(Problem(name, str(number), allowed))
    problems += _without(reason)
    if problems:
        raise ConfigurationError(problems, origin="grant create")
    record = Granted(
        new_id(),
        [EVERYTHING] if everything else list(prefixes),
        max_objects,
        max_bytes,
        parts.clock.now() + timedelta(days=days),
        actor(),
        reason,
    )
    await parts.audit.append(new_id(), [record])
    await parts.audit.anchor()
    log.info("granted", grant_id=record.grant_id, objects=max_objects, bytes=max_bytes)
    return await _standing(parts, record.grant_id)


async def revoke(parts: Parts, grant_id: str, *, reason: str) -> GrantStanding:
    """Take a grant back; an execution that it approved ends after its batch.

    Raises `NoSuchGrant`, `ConfigurationError` without a reason.
    """
    if problems := _without(reason):
        raise ConfigurationError(problems, origin="grant revoke")
    if (await _standing(parts, grant_id)).grant.revoked:
        raise NoSuchGrant(f"grant {grant_id} is revoked already")
    await parts.audit.append(new_id(), [GrantRevoked(grant_id, actor(), reason)])
    await parts.audit.anchor()
    log.info("grant_revoked", grant_id=grant_id)
    return await _standing(parts, grant_id)


async def standings(parts: Parts) -> list[GrantStanding]:
    """Every grant ever made, oldest first, as it stands now."""
    found = []
    for grant in await all_grants(parts.audit):
        used = await used_under(parts.audit, grant.grant_id)
        found.append(GrantStanding(grant, used, grant_state(grant, used, parts.clock.now())))
    return found


async def approve_granted(parts: Parts, plan_id: str) -> list[GrantAnswer]:
    """Approve what valid grants cover of a plan, each part as a plan of its own.

    An object is in one of them at most; a grant that covers nothing says why.
    """
    plan = await parts.plan(plan_id)
    check_decidable(plan, await plan_history(parts.audit, plan), now=parts.clock.now())
    orphans = await parts.catalogue.seen_orphans(plan_id)
    answers = []
    for standing in await standings(parts):
        coverage = covered_by(standing.grant, orphans, standing.used, parts.clock.now())
        part = None
        if coverage.keys:
            keys = frozenset(coverage.keys)
            part = await _approve(parts, plan, standing.grant, keys)
            orphans = [orphan for orphan in orphans if orphan.key not in keys]
        answers.append(GrantAnswer(standing.grant, coverage, part))
    return answers


async def _approve(parts: Parts, plan: Plan, grant: Grant, keys: frozenset[str]) -> Plan:
    part = await parts.catalogue.select_plan(plan, new_id(), (), keys)
    decided = PlanDecided(
        part.plan_id, part.sha256, True, grant.approver, grant.reason, grant.grant_id
    )
    await parts.audit.append(new_id(), [plan_record(part), decided])
    await parts.audit.anchor()
    log.info("plan_granted", plan_id=part.plan_id, grant_id=grant.grant_id, objects=part.objects)
    return part


async def _standing(parts: Parts, grant_id: str) -> GrantStanding:
    for standing in await standings(parts):
        if standing.grant.grant_id == grant_id:
            return standing
    raise NoSuchGrant(f"there is no grant {grant_id}")


def _without(reason: str) -> list[Problem]:
    return [] if reason.strip() else [Problem("--reason", "nothing", "why, in words")]
