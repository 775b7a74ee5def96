"""The four layers and the object's verdict: pure decisions from evidence.

Scan and the last judgement before a delete call the same `judge_object`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from s3gc_core.bucket import ListedObject

# No configuration goes below: uploads that are still in flight have no row yet.
MINIMUM_AGE = timedelta(hours=24)
# S3 dates what was uploaded in parts by the beginning of its upload, and its row comes after the
# end (S3 user guide, "Multipart upload"): so long may an upload take that is not seen in progress.
MULTIPART_MARGIN = timedelta(hours=24)
# The ETag of an object that was uploaded in parts ends in their number.
_IN_PARTS = re.compile(r'-[0-9]+"?$')
# Storage classes whose bytes cannot be read without a restore request (S3 user guide); what
# cannot be read cannot be backed up.
UNREADABLE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


# The store's clock and a database's may differ by so much.
CLOCKS_DIFFER = timedelta(minutes=5)


class Verdict(StrEnum):
    """What one layer says."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    KEEP = "keep"
    UNKNOWN = "unknown"


class ObjectVerdict(StrEnum):
    """What the layers together say about a candidate."""

    ORPHAN = "orphan"
    KEEP = "keep"
    HELD = "held"


class LayerVerdict(msgspec.Struct, frozen=True):
    """A layer's verdict, with a reason a person can act on."""

    verdict: Verdict
    reason: str


class Layers(msgspec.Struct, frozen=True):
    """The verdicts of the four layers."""

    registry: LayerVerdict
    database: LayerVerdict
    retention: LayerVerdict
    exclusion: LayerVerdict

    def all(self) -> tuple[LayerVerdict, ...]:
        """The four, in the design's order."""
        return (self.registry, self.database, self.retention, self.exclusion)


class Judged(msgspec.Struct, frozen=True):
    """A candidate with everything that was concluded about it."""

    object: ListedObject
    verdict: ObjectVerdict
    layers: Layers
    doubts: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The first reason that does not let the object go; empty for an orphan."""
        for wanted in (Verdict.KEEP, Verdict.UNKNOWN):
            for layer in self.layers.all():
                if layer.verdict is wanted:
                    return layer.reason
        return self.doubts[0] if self.doubts else ""


class Mentioned(msgspec.Struct, frozen=True):
    """Rows that hold a key in any column at all, in words: by itself (`whole`), inside of a longer
    word that is hardly so by chance (`part`), or inside of one that says nothing (`chance`).
    """

    whole: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    chance: tuple[str, ...] = ()


class Evidence(msgspec.Struct, frozen=True):
    """What is known about one candidate. Times are UTC; `holders` and `near` are in words.

    `holders`: rows that hold the key, as the databases answered when they were asked.
    `edges`: rows that hold it according to the registry.
    `released_at`: when the registry first saw that the last reference was gone.
    `near`: references that differ only in spelling.
    `uploading_since`: when an upload in parts to this very key began that is not finished.
    `mentioned`: what the search of all text columns found; `searched` says in words where that
    looked, and is empty where nothing but the tracked columns was asked.
    """

    edges: tuple[str, ...]
    released_at: datetime | None
    near: tuple[str, ...]
    registry_current: bool
    holders: tuple[str, ...]
    database_asked: bool
    uploading_since: datetime | None = None
    mentioned: Mentioned = Mentioned()
    searched: str = ""


class Rules(msgspec.Struct, frozen=True):
    """The operator's settings that judge an object."""

    retention: timedelta
    exclude_prefixes: tuple[str, ...]
    exclude_patterns: tuple[str, ...]
    # Ours: nobody needs to name it, and nobody misspells it.
    scratch_prefixes: tuple[str, ...] = ()

    @property
    def kept_prefixes(self) -> tuple[str, ...]:
        """All prefixes under which nothing is a candidate for deletion."""
        return (*self.exclude_prefixes, *self.scratch_prefixes)


def judge_object(
    candidate: ListedObject,
    evidence: Evidence,
    rules: Rules,
    *,
    now: datetime,
    bucket_now: datetime,
    open_since: datetime | None = None,
) -> Judged:
    """All four layers over one candidate. `now` is our time, `bucket_now` the store's (UTC).

    `open_since` is when the oldest transaction began that was open when the registry was current.
    """
    layers = Layers(
        registry=registry_layer(evidence, rules.retention, now),
        database=database_layer(evidence),
        retention=retention_layer(
            candidate.last_modified, rules.retention, bucket_now, candidate.etag
        ),
        exclusion=exclusion_layer(candidate.key, rules.kept_prefixes, rules.exclude_patterns),
    )
    doubts = doubts_about(candidate, open_since, evidence.uploading_since)
    return Judged(candidate, object_verdict(layers, doubts), layers, doubts)


def registry_layer(evidence: Evidence, retention: timedelta, now: datetime) -> LayerVerdict:
    """No edge, a current registry, and the last edge (if ever there was one) gone long enough."""
    if evidence.edges:
        return LayerVerdict(Verdict.KEEP, f"referenced by {_first(evidence.edges)}")
    if not evidence.registry_current:
        return LayerVerdict(Verdict.UNKNOWN, "the registry is not true up to the listing")
    since = now - evidence.released_at if evidence.released_at is not None else None
    if since is not None and since < retention:
        return LayerVerdict(
            Verdict.KEEP,
            f"its last reference went away {_age(since)} ago, less than {_age(retention)}",
        )
    if evidence.near:
        return LayerVerdict(
            Verdict.UNKNOWN,
            f"{_first(evidence.near)} differs from it only in spelling or in what stands before it",
        )
    if since is not None:
        return LayerVerdict(Verdict.PASS, f"its last reference went away {_age(since)} ago")
    return LayerVerdict(Verdict.PASS, "no row refers to it, and none was ever seen to")


def database_layer(evidence: Evidence) -> LayerVerdict:
    """The databases themselves were asked and know no row, in any spelling."""
    if evidence.holders:
        return LayerVerdict(Verdict.KEEP, f"found in {_first(evidence.holders)}")
    mentioned = evidence.mentioned
    if mentioned.whole:
        return LayerVerdict(Verdict.KEEP, f"found in {_first(mentioned.whole)}")
    if not evidence.database_asked:
        return LayerVerdict(Verdict.UNKNOWN, "the databases did not answer for this key")
    if mentioned.part:
        return LayerVerdict(
            Verdict.UNKNOWN, f"{_first(mentioned.part)} holds it inside of a longer word"
        )
    asked = "every tracked column was asked, in every spelling"
    searched = f", and {evidence.searched}" if evidence.searched else ""
    places = len(mentioned.chance)
    inside = f"; {mentioned.chance[0]} holds it only inside of a longer word" if places else ""
    more = f", as do {places - 1} more" if places > 1 else ""
    return LayerVerdict(Verdict.PASS, f"{asked}{searched}{inside}{more}")


def retention_layer(
    modified: datetime, retention: timedelta, now: datetime, etag: str = ""
) -> LayerVerdict:
    """Older than the retention time by the store's clock, and never younger than the floor.

    What was uploaded in parts, by its ETag, has to be older by `MULTIPART_MARGIN`.
    """
    age = now - modified
    needed = max(retention, MINIMUM_AGE)
    note = ""
    if _IN_PARTS.search(etag):
        needed += MULTIPART_MARGIN
        note = f" (with {_age(MULTIPART_MARGIN)} for an upload in parts, dated by its beginning)"
    if age < timedelta():
        return LayerVerdict(Verdict.UNKNOWN, "modified in the future by the store's clock")
    if age < needed:
        return LayerVerdict(
            Verdict.KEEP, f"modified {_age(age)} ago, younger than {_age(needed)}{note}"
        )
    return LayerVerdict(Verdict.PASS, f"modified {_age(age)} ago")


def exclusion_layer(key: str, prefixes: Sequence[str], patterns: Sequence[str]) -> LayerVerdict:
    """Under no protected prefix, and matching no protected pattern (shell globs, case-exact)."""
    for prefix in prefixes:
        if key.startswith(prefix):
            return LayerVerdict(Verdict.KEEP, f"protected by the prefix {prefix}")
    for pattern in patterns:
        if fnmatchcase(key, pattern):
            return LayerVerdict(Verdict.KEEP, f"protected by the pattern {pattern}")
    return LayerVerdict(Verdict.PASS, "no protected prefix or pattern matches")


def doubts_about(
    candidate: ListedObject,
    open_since: datetime | None = None,
    uploading_since: datetime | None = None,
) -> tuple[str, ...]:
    """What no layer asks, and still makes a deletion doubtful."""
    doubts = []
    if candidate.storage_class in UNREADABLE_CLASSES:
        what = f"storage class {candidate.storage_class} cannot be read, so not be backed up"
        doubts.append(what)
    if open_since is not None and candidate.last_modified >= open_since - CLOCKS_DIFFER:
        # Its row may be written, and told to nobody yet.
        doubts.append(f"younger than a transaction that may be open since {open_since:%F %T} UTC")
    if uploading_since is not None:
        began = f"{uploading_since:%F %T} UTC"
        doubts.append(f"a multipart upload to this key is in progress since {began}")
    return tuple(doubts)


def object_verdict(layers: Layers, doubts: Sequence[str]) -> ObjectVerdict:
    """`keep` wins over everything, doubt over `orphan`."""
    verdicts = {layer.verdict for layer in layers.all()}
    if Verdict.KEEP in verdicts:
        return ObjectVerdict.KEEP
    if verdicts == {Verdict.PASS} and not doubts:
        return ObjectVerdict.ORPHAN
    return ObjectVerdict.HELD


def _first(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return rows[0] + more


def _age(span: timedelta) -> str:
    if span >= timedelta(days=1):
        days, hours = span.days, span.seconds // 3600
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{span.seconds // 3600} h {span.seconds % 3600 // 60} min"
