"""Canaries: objects of which it is known how they must be judged, sent through every scan.

The live ones are objects that each source refers to; the dead one has a key that nobody ever had.
They go the way of every candidate: the comparison, the question to the databases, the judge. A
scan that does not tell them apart proves nothing about the others (guard `canary`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from s3gc_core.bucket import ListedObject
from s3gc_core.ids import new_id
from s3gc_core.judgement.layers import Judged, ObjectVerdict, Rules, Verdict

# Stands for the source of the canary that no source refers to.
DEAD = ""
# How long the dead one has been past its retention: no clock is that wrong.
_LONG_DEAD = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Canary:
    """An object, the hash of its key, and the source that refers to it (or `DEAD`)."""

    source: str
    hash: int
    object: ListedObject


def dead_object(rules: Rules, now: datetime) -> ListedObject:
    """An object that is in no bucket and no database, as a listing would tell of it."""
    modified = now - rules.retention - _LONG_DEAD
    return ListedObject(f"s3gc-canary-{new_id()}", 1, '"canary"', modified, "STANDARD")


def misjudged(
    canaries: Sequence[Canary],
    unreferenced: Collection[int],
    judged: Mapping[str, Judged] | None,
    rules: Rules,
) -> dict[str, str]:
    """By source (or `DEAD`): what is wrong. Empty where the living and the dead were told apart.

    `unreferenced` are the hashes that the comparison let through as candidates, `judged` (by key)
    what the judge made of all; None where there was no candidate, so that nothing was judged. Of
    a source one that is right is enough: rows go away while a scan runs.
    """
    wrong: dict[str, str] = {}
    right = set()
    for canary in canaries:
        is_candidate = canary.hash in unreferenced
        verdict = judged[canary.object.key] if judged is not None else None
        if canary.source == DEAD:
            problem = _problem_of_dead(canary, is_candidate, verdict, rules)
        else:
            problem = _problem_of_live(canary, is_candidate, verdict)
        if problem:
            wrong[canary.source] = problem
        else:
            right.add(canary.source)
    return {source: problem for source, problem in wrong.items() if source not in right}


def _problem_of_live(canary: Canary, is_candidate: bool, judged: Judged | None) -> str | None:
    who = f"{canary.object.key!r}, which {canary.source} refers to,"
    if is_candidate:
        return f"{who} was compared as if nothing did"
    if judged is None:
        return None
    for name, layer in (("registry", judged.layers.registry), ("database", judged.layers.database)):
        if layer.verdict is not Verdict.KEEP:
            return f"{who} is not kept by the {name} layer: {layer.reason}"
    if judged.verdict is not ObjectVerdict.KEEP:
        return f"{who} is judged as {judged.verdict}"
    return None


def _problem_of_dead(
    canary: Canary, is_candidate: bool, judged: Judged | None, rules: Rules
) -> str | None:
    key = canary.object.key
    who = f"{key!r}, which nothing refers to,"
    if not is_candidate:
        return f"{who} was compared as if something did"
    excluded = key.startswith(rules.kept_prefixes) or any(
        fnmatchcase(key, pattern) for pattern in rules.exclude_patterns
    )
    expected = ObjectVerdict.KEEP if excluded else ObjectVerdict.ORPHAN
    if judged is None or judged.verdict is expected:
        return None
    return f"{who} is judged as {judged.verdict}: {judged.reason}"
