"""Restore drills: the proof that backups can be restored, as often as one likes."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import msgspec

from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts
from s3gc_core.collection import Drill, Scratch, ScratchFolder, ScratchPrefix

WHAT = "drill"


class DrillSummary(msgspec.Struct, frozen=True):
    """How a drill ended: of `checked` backups, `differing` did not come back as they were.

    `seed` draws the same backups again from the same audit log; `left` could not be removed from
    the scratch place.
    """

    operation_id: str
    outcome: str
    checked: int
    differing: int
    seed: int
    where: str
    left: tuple[str, ...] = ()


async def drill(
    parts: Parts, *, sample: int, to: str | None = None, seed: int | None = None
) -> DrillSummary:
    """Restore about `sample` kept backups, chosen by chance, beside the live objects, and compare.

    `to` is the configured `drill_prefix`, or a folder; without it the system's temporary one.
    """
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    arguments = {"sample": str(sample), "seed": str(seed), **({"to": to} if to else {})}
    earlier = [o.operation_id for o in await parts.audit.operations() if o.started.what == WHAT]
    async with parts.operation(WHAT, arguments=arguments) as run:
        scratch = await _scratch(parts, run, to)
        drill = Drill(parts.audit, run.journal, run.operation_id, scratch, sample, seed)
        try:
            await drill.run(earlier)
        finally:
            identical = drill.checked - drill.differing
            run.counts = {"identical": identical, "differing": drill.differing}
        if drill.differing or drill.left:
            run.outcome = "partial"
    return DrillSummary(
        run.operation_id,
        run.outcome if drill.checked else "nothing-to-do",
        drill.checked,
        drill.differing,
        seed,
        scratch.where,
        drill.left,
    )


async def _scratch(parts: Parts, run: OperationRun, to: str | None) -> Scratch:
    if to == parts.config.drill_prefix:
        await parts.bucket.check()
        await parts.check_bucket_identity()
        return ScratchPrefix(
            parts.bucket,
            parts.files,
            parts.config.drill_prefix,
            run.operation_id,
            parts.config.max_concurrency,
            (await parts.bucket.versioning()).status,
        )
    return ScratchFolder(parts.files, Path(to or tempfile.gettempdir()), run.operation_id)
