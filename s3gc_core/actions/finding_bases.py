"""Looks in the samples for what stands before keys, and reads their columns again with that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from s3gc_core.actions.looking import look_through
from s3gc_core.actions.operations import OperationRun
from s3gc_core.actions.parts import Parts
from s3gc_core.judgement import Listing
from s3gc_core.references import BucketNames, ColumnId, Finding, Tables, examine, sampled
from s3gc_core.references.bases import Bases


async def find_bases(
    parts: Parts, run: OperationRun, tables: Tables, rows: int, listing: Listing, poor: float
) -> None:
    """Look at columns of which less than the share `poor` names objects; keep what is better."""
    known = await parts.catalogue.findings()
    bases = Bases()

    def is_poor(column: ColumnId) -> bool:
        found = known.get(column)
        return found is not None and found.values > 0 and found.share < poor

    async for sample in sampled(tables, rows, is_poor):
        for place, column in enumerate(sample.columns):
            values = [row.values[place] for row in sample.rows]
            await asyncio.to_thread(bases.want, sample.id_of(column), values)
        await run.journal.checkpoint()
    if not bases.anything_wanted:
        return
    keys = parts.catalogue.listed_keys()
    await look_through(keys, bases.look, run, "paths before keys", listing.objects)
    if found := bases.patterns():
        await _read_again(parts, run, tables, rows, listing, found)


async def _read_again(
    parts: Parts,
    run: OperationRun,
    tables: Tables,
    rows: int,
    listing: Listing,
    patterns: Mapping[ColumnId, tuple[str, ...]],
) -> None:
    known = await parts.catalogue.findings()
    names = BucketNames.of(parts.config)
    new = (pattern for of_column in patterns.values() for pattern in of_column)
    names = replace(names, url_patterns=tuple(dict.fromkeys((*names.url_patterns, *new))))
    async for sample in sampled(tables, rows, patterns.__contains__):
        findings, explained = await examine(
            sample, names, parts.catalogue.listed, objects=listing.objects, now=parts.clock.now()
        )
        better = [
            msgspec.structs.replace(finding, patterns=patterns[finding.id])
            for finding in findings
            if _is_better(finding, known[finding.id])
        ]
        if better:
            await parts.catalogue.explain(list(explained))
            await parts.catalogue.add_findings(better, rows)
        await run.journal.checkpoint()


def _is_better(now: Finding, before: Finding) -> bool:
    return not now.problem and (now.objects, now.resolved) > (before.objects, before.resolved)
