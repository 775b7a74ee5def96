"""The registry's upkeep: compare it with the databases, or read everything anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import msgspec

from s3gc_core.actions import following
from s3gc_core.actions.holding_streams import streams_held
from s3gc_core.actions.parts import Parts
from s3gc_core.references import (
    BucketNames,
    Drift,
    DriftKind,
    SourceStats,
    find_drift,
    refresh,
)


class RegistryStats(msgspec.Struct, frozen=True):
    """What the registry holds. `valid_at` (UTC) is None before the first reading."""

    sources: list[SourceStats]
    bytes: int
    valid_at: datetime | None


@dataclass(frozen=True, slots=True)
class SourceDrift:
    """How many edges of a source only its database has, and how many only the registry has."""

    source: str
    missing: int
    surplus: int


class Rebuilt(msgspec.Struct, frozen=True):
    """A rebuild of the registry. `drift` holds the sources that differ from what it was.

    A dry run is no operation: `operation_id` is None.
    """

    operation_id: str | None
    drift: list[SourceDrift]


async def registry_stats(parts: Parts) -> RegistryStats:
    """What the registry holds."""
    registry = parts.registry
    return RegistryStats(await registry.stats(), await registry.size(), await registry.valid_at())


async def verify_registry(parts: Parts) -> AsyncGenerator[list[Drift], None]:
    """Every difference between the registry and the databases as they are now, in pages.

    The databases are read as a whole; nothing is changed. Raises `NothingTracked`, `GuardBlocked`
    where a database is not the vault's own, and what reading a source raises.
    """
    parts.refuse_nothing_tracked()
    await parts.check_identity()
    found = find_drift(
        parts.registry,
        parts.databases,
        parts.config.sources,
        BucketNames.of(parts.config),
        rows_read=lambda rows: parts.progress("read sources", rows),
    )
    async with aclosing(found) as pages:
        async for page in pages:
            yield page


async def rebuild_registry(parts: Parts, *, dry_run: bool = False) -> Rebuilt:
    """Read all sources anew into the registry, trusting nothing in it, and replace it at once.

    A dry run only counts what would change. Change streams are ended: the next scan, or whoever
    follows, begins new ones. Raises what `verify_registry` raises, and `VaultBusy`, also while
    another process follows.
    """
    if dry_run:
        return Rebuilt(None, await _count(parts))
    parts.refuse_nothing_tracked()
    async with parts.operation("rebuild registry") as run:
        await parts.check_identity()
        # To the end: what a stream told meanwhile would bring rows back to an older state.
        with streams_held(parts.config.vault_path, "rebuild registry"):
            await following.forget_streams(parts)
            changes = await refresh(
                parts.registry,
                parts.databases,
                parts.config.sources,
                BucketNames.of(parts.config),
                began_at=parts.clock.now(),
                rows_read=run.journal.rows_read("read sources"),
                trust=False,
            )
        run.counts = {stats.name: stats.keys for stats in await parts.registry.stats()}
    drift = [SourceDrift(name, *changed) for name, changed in sorted(changes.items())]
    return Rebuilt(run.operation_id, [one for one in drift if one.missing or one.surplus])


async def _count(parts: Parts) -> list[SourceDrift]:
    counts: Counter[tuple[str, DriftKind]] = Counter()
    async with aclosing(verify_registry(parts)) as pages:
        async for page in pages:
            counts.update((one.source, one.kind) for one in page)
    return [
        SourceDrift(source, counts[source, DriftKind.MISSING], counts[source, DriftKind.SURPLUS])
        for source in sorted({source for source, _ in counts})
    ]
