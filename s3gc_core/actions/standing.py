"""How things stand: who holds the vault, what waits, what the vault holds; changes nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.ids import new_id
from s3gc_core.jobs import LeaseHolder, lease_holder
from s3gc_core.judgement import Plan, PlanHistory, PlanState, ScanSummary, plan_histories
from s3gc_core.vault import BackupDamaged, Verified


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand. `to_recover` counts steps that an ended operation left open."""

    mode: str
    holder: LeaseHolder | None
    last_scan: ScanSummary | None
    waiting: list[tuple[Plan, PlanHistory]]
    registry_valid_at: datetime | None
    to_recover: int
    audit_records: int


@dataclass(frozen=True, slots=True)
class VaultStats:
    """What the vault holds. Sizes in bytes; `ratio` is raw to stored; times are UTC.

    `verified_at` is when backups were last read back and compared, `verified` how many of them,
    `damaged` how many were found damaged.
    """

    backups: int
    raw_bytes: int
    stored_bytes: int
    ratio: float | None
    oldest: datetime | None
    free_bytes: int
    verified_at: datetime | None = None
    verified: int = 0
    damaged: int = 0


async def last_scan(parts: Parts) -> ScanSummary | None:
    """The summary of the last finished scan."""
    found = await parts.catalogue.last_scan()
    return msgspec.json.decode(found[1], type=ScanSummary) if found else None


async def status(parts: Parts) -> Status:
    """Look at everything that a person would ask first."""
    waiting = []
    plans = await parts.catalogue.plans()
    for plan, history in zip(plans, await plan_histories(parts.audit, plans), strict=True):
        open_state = history.state not in (PlanState.REJECTED, PlanState.EXECUTED)
        if open_state and parts.clock.now() < plan.expires_at:
            waiting.append((plan, history))
    holder = lease_holder(parts.config.vault_path)
    to_recover = 0
    if holder is None:
        to_recover += sum([len(page) async for page in parts.audit.unresolved_intents()])
        to_recover += sum([len(page) async for page in parts.audit.unresolved_restores()])
        operations = await parts.audit.operations()
        to_recover += sum(operation.finished is None for operation in operations)
    seq, _ = await parts.audit.head()
    return Status(
        parts.config.mode.value,
        holder,
        await last_scan(parts),
        waiting,
        await parts.registry.valid_at(),
        to_recover,
        seq,
    )


async def vault_stats(parts: Parts) -> VaultStats:
    """Add up every backup the vault holds."""
    backups = raw = stored = 0
    oldest: datetime | None = None
    async for page in parts.audit.backups():
        for entry in page:
            backups += 1
            raw += entry.intent.backup.raw_size
            stored += entry.intent.backup.stored_size
            oldest = entry.at if oldest is None else min(oldest, entry.at)
    free = await asyncio.to_thread(parts.files.free_space)
    verified = await parts.audit.last(Verified)
    return VaultStats(
        backups,
        raw,
        stored,
        raw / stored if stored else None,
        oldest,
        free,
        verified_at=verified.at if verified else None,
        verified=verified.record.checked if verified else 0,
        damaged=verified.record.damaged if verified else 0,
    )


async def verify_backups(
    parts: Parts, *, sample: int | None = None
) -> AsyncIterator[tuple[str, str | None]]:
    """Read backups from disk and compare their hashes; yields (key, what is wrong or None).

    With `sample`, about that many, chosen by chance. Whoever reads to the end has it recorded.
    """
    checked = damaged = 0
    share = 1.0
    if sample is not None:
        total = (await vault_stats(parts)).backups
        share = sample / total if total else 1.0
    async for page in parts.audit.backups():
        for entry in page:
            if random.random() >= share:  # a sample, not a secret
                continue
            checked += 1
            try:
                await parts.files.verify(entry.intent.backup)
            except BackupDamaged as error:
                damaged += 1
                yield entry.intent.key, error.what
            else:
                yield entry.intent.key, None
    await parts.audit.append(new_id(), [Verified(checked, damaged, sample)])
