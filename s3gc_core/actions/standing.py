"""How things stand: who holds the vault, what waits, what the vault holds; changes nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from s3gc_core.actions.parts import Parts
from s3gc_core.actions.storing_once import Bytes, Shared, bytes_of, shared
from s3gc_core.collection import draw
from s3gc_core.config import Codec, Config
from s3gc_core.ids import new_id
from s3gc_core.jobs import SERVICE_FILE, LeaseHolder, ServiceState, lease_holder, read_service
from s3gc_core.judgement import Plan, PlanHistory, PlanState, ScanSummary, Tripped, plan_histories
from s3gc_core.judgement.guards import RunFacts, SourceFacts, reverse_match
from s3gc_core.replica import ReplicaLag, open_replica, read_note, replica_id, replica_lag
from s3gc_core.replica import verify_replica as verify_in
from s3gc_core.vault import (
    BackupDamaged,
    BackupState,
    Drilled,
    LastRecord,
    Purged,
    ScanRecorded,
    StoredBackup,
    Verified,
)

# Scans that the history of a source goes back.
SCANS_REMEMBERED = 30


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand. `to_recover` counts steps that an ended operation left open; `drill` is the
    last restore drill, `replica` how far the configured replica is behind, `service` what the live
    service of the vault tells; None where nobody serves it.
    """

    mode: str
    holder: LeaseHolder | None
    last_scan: ScanSummary | None
    waiting: list[tuple[Plan, PlanHistory]]
    registry_valid_at: datetime | None
    to_recover: int
    audit_records: int
    drill: LastRecord[Drilled] | None = None
    replica: ReplicaLag | None = None
    service: ServiceState | None = None


@dataclass(slots=True)
class CodecSum:
    """What is stored in one way. Sizes in bytes."""

    backups: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0

    @property
    def ratio(self) -> float | None:
        """Raw to stored."""
        return self.raw_bytes / self.stored_bytes if self.stored_bytes else None


@dataclass(frozen=True, slots=True)
class VaultStats:
    """What the vault holds. Sizes in bytes; `ratio` is raw to stored; times are UTC.

    `verified_at` is when backups were last read back and compared, `verified` how many of them,
    `damaged` how many were found damaged. `purged_bytes` are those of purged backups in packs:
    they stay until nothing in their pack is needed. `codecs`: the same sums by how the backups are
    stored (`raw`, `zstd`, `jxl`, `compact`); what is compact is LOSSY, and there are `lossy`.
    they stay until nothing in their pack is needed. `reused` backups share the bytes of others, so
    that `saved_bytes` were not stored again; `stored_bytes` has each once.
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
    purged_bytes: int = 0
    codecs: Mapping[str, CodecSum] = field(default_factory=dict)
    lossy: int = 0
    reused: int = 0
    saved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Matched:
    """What one scan saw of a source: `rows` that hold a key, and those whose object exists.

    `at` is the scan's end (UTC).
    """

    at: datetime
    rows: int
    existing: int

    @property
    def share(self) -> float | None:
        """Share of the rows whose object exists; None where no row holds a key."""
        return self.existing / self.rows if self.rows else None


@dataclass(frozen=True, slots=True)
class MatchHistory:
    """One source scan by scan, oldest first; empty where no scan has read it yet.

    The last entry is of the last scan, the others of scans that no guard blocked. `tripped` is what
    the guard `reverse-match` says to the last one.
    """

    source: str
    history: tuple[Matched, ...]
    tripped: Tripped | None


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
        await parts.audit.last(Drilled),
        await replica_lag(parts.config, parts.audit, parts.clock.now()),
        await asyncio.to_thread(service_of, parts.config),
    )


def service_of(config: Config) -> ServiceState | None:
    """What the vault's service tells, where one is alive."""
    if lease_holder(config.vault_path, SERVICE_FILE) is None:
        return None
    return read_service(config.vault_path)


async def vault_stats(parts: Parts) -> VaultStats:
    """Add up every backup the vault holds."""
    backups = 0
    oldest: datetime | None = None
    packs: set[str] = set()
    codecs: dict[str, CodecSum] = {}
    lossy = 0
    async for page in parts.audit.backups():
        for entry in page:
            backups += 1
            backup = entry.intent.backup
            of = codecs.setdefault(backup.codec, CodecSum())
            of.backups += 1
            of.raw_bytes += backup.raw_size
            of.stored_bytes += backup.stored_size
            lossy += backup.is_lossy
            oldest = entry.at if oldest is None else min(oldest, entry.at)
            if backup.offset is not None:
                packs.add(backup.path)
    once = await shared(parts)
    free = await asyncio.to_thread(parts.files.free_space)
    verified = await parts.audit.last(Verified)
    raw = sum(of.raw_bytes for of in codecs.values())
    stored = sum(of.stored_bytes for of in codecs.values()) - once.saved
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
        codecs=dict(sorted(codecs.items())),
        lossy=lossy,
        purged_bytes=await _purged_bytes(parts, packs, once),
        reused=once.reused,
        saved_bytes=once.saved,
    )


async def _purged_bytes(parts: Parts, packs: set[str], once: Shared) -> int:
    """Bytes of purged backups in packs that live on, but for those that others share."""
    size = 0
    async for page in parts.audit.entries(kinds=("purged",)):
        for entry in page:
            record = entry.record
            if isinstance(record, Purged) and record.path in packs and record.packed_bytes:
                if once.places:
                    intent = await parts.audit.intent(record.from_operation, record.key)
                    if intent and parts.files.bytes_of(intent.backup) in once.places:
                        continue
                size += record.packed_bytes
    return size


async def verify_backups(
    parts: Parts,
    *,
    sample: int | None = None,
    seed: int | None = None,
    unopened: Callable[[str], None] | None = None,
) -> AsyncIterator[tuple[str, str | None]]:
    """Read backups from disk and compare their hashes; yields (key, what is wrong or None).

    With `sample`, so many of them, each as likely as any other; the same log and `seed` draw the
    same. Whoever reads to the end has it recorded. Bytes that several backups share are read once.
    Of encrypted ones, without an identity here, only the stored bytes are compared: `unopened` is
    called with each of their keys. Raises `IdentityWrong`.
    """
    checked = damaged = closed = 0
    if sample is not None and seed is None:
        seed = secrets.randbelow(1 << 32)
    once = await shared(parts)
    known: dict[Bytes, str | None] = {}
    async for page in to_verify(parts, sample, seed):
        chosen = [entry.intent for entry in page]
        places = await bytes_of(parts, [intent.backup for intent in chosen])
        for intent, place in zip(chosen, places, strict=True):
            checked += 1
            if place in known:
                wrong = known[place]
            else:
                wrong = await _wrong(parts, intent.backup)
                if place in once.places:
                    known[place] = wrong
            damaged += wrong is not None
            if not parts.files.keyring.may_open(intent.backup):
                closed += 1
                if unopened is not None:
                    unopened(intent.key)
            yield intent.key, wrong
    await parts.audit.append(new_id(), [Verified(checked, damaged, sample, seed, closed)])


async def to_verify(
    parts: Parts, sample: int | None, seed: int | None
) -> AsyncIterator[list[BackupState]]:
    """The backups to read back: all, or those that the seed draws; in pages."""
    if sample is not None and seed is not None:
        yield await draw(parts.audit, sample, seed)
        return
    async for page in parts.audit.backups():
        yield page


async def _wrong(parts: Parts, backup: StoredBackup) -> str | None:
    try:
        await parts.files.verify_as_far(backup)
    except BackupDamaged as error:
        return error.what
    return None


async def verify_replica(
    parts: Parts, *, sample: int | None = None, unopened: Callable[[str], None] | None = None
) -> AsyncIterator[tuple[str, str | None]]:
    """Fetch backups from the replica and compare; yields (key, what is wrong or None).

    `unopened` as of `verify_backups`. Raises `NoReplica`, `ReplicaAltered`, `BucketUnreachable`.
    """
    async with open_replica(parts.config, parts.clock) as store:
        spool = parts.config.vault_path
        note = await asyncio.to_thread(read_note, spool, replica_id(parts.config))
        async for checked in verify_in(
            store,
            parts.audit,
            parts.files,
            spool,
            acknowledged=note.seq,
            sample=sample,
            unopened=unopened,
        ):
            yield checked


async def match_history(parts: Parts) -> list[MatchHistory]:
    """How the sources matched the bucket in the last scans: those tracked now, in their order, then
    others that the last scan read.
    """
    seen: list[tuple[datetime, dict[str, tuple[int, int]]]] = []
    last = await last_scan(parts)
    if last is not None:
        seen.append((last.finished_at, last.matches))
    async for page in parts.audit.entries(
        kinds=("scan",), newest_first=True, limit=SCANS_REMEMBERED
    ):
        seen += [
            (entry.at, entry.record.matches)
            for entry in page
            if isinstance(entry.record, ScanRecorded)
            # The last scan is there already, whether it was blocked or not.
            and (last is None or entry.operation_id != last.scan_id)
        ]
    newest = seen[0][1] if seen else {}
    names = dict.fromkeys([*(source.name for source in parts.config.sources), *newest])
    seen.reverse()
    return [
        _history_of(
            name,
            tuple(Matched(at, *matches[name]) for at, matches in seen if name in matches),
            parts.config,
        )
        for name in names
    ]


def _history_of(name: str, history: tuple[Matched, ...], config: Config) -> MatchHistory:
    if not history:
        return MatchHistory(name, (), None)
    *before, now = history
    free_text = any(s.name == name and s.codec is Codec.TEXT for s in config.sources)
    facts = SourceFacts(
        name,
        keys=now.rows,
        keys_before=None,
        may_be_empty=True,
        match=(now.rows, now.existing),
        match_before=(before[-1].rows, before[-1].existing) if before else None,
        is_free_text=free_text,
    )
    # The guard looks at nothing but the source: the scan's own judgement, not a copy of its rule.
    run = RunFacts(0, None, 0, now.at, now.at, [facts], 0, 0)
    return MatchHistory(name, history, next(reverse_match(run, config.guards), None))
