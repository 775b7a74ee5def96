"""The guards: checks on a whole run. One that trips blocks the run, with its own reason.

Pure: facts and limits in, tripped guards out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from s3gc_core.config import GuardLimits, PrefixBudget
from s3gc_core.databases.protocol import Role
from s3gc_core.errors import GuardBlocked


@dataclass(frozen=True, slots=True)
class Tripped:
    """A guard that tripped. `subject` tells the one source from the other, where that matters."""

    guard: str
    reason: str
    next_step: str
    subject: str = ""

    @property
    def label(self) -> str:
        """`guard` or `guard:subject`, as `--accept` takes it."""
        return f"{self.guard}:{self.subject}" if self.subject else self.guard


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Keys found in a source now and in the last scan that no guard blocked (None: never).

    `match` counts the rows that hold a key, and those of them whose object is there. In free text
    much looks like a key and is none, so that only a fall of the share says something.
    """

    name: str
    keys: int
    keys_before: int | None
    may_be_empty: bool
    match: tuple[int, int] = (0, 0)
    match_before: tuple[int, int] | None = None
    is_free_text: bool = False


@dataclass(frozen=True, slots=True)
class PrefixFacts:
    """Of what lies under a prefix: objects listed, orphans, and the orphans' bytes."""

    listed: int
    orphans: int
    orphan_bytes: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a scan knows about itself. Times are UTC, sizes in bytes."""

    listed: int
    listed_before: int | None
    removed_since: int
    listing_ended_at: datetime
    registry_valid_at: datetime | None
    sources: Sequence[SourceFacts]
    orphans: int
    orphan_bytes: int
    # Untracked columns in which keys of this bucket were seen.
    open_columns: Sequence[str] = ()
    # By database: why its change stream cannot go on, or what it did not tell in time.
    streams_lost: Mapping[str, str] = field(default_factory=dict)
    streams_stale: Mapping[str, str] = field(default_factory=dict)
    # By source ('': of the one that no source refers to): how canaries were misjudged.
    canaries_misjudged: Mapping[str, str] = field(default_factory=dict)
    # By table or column: why the search of everything could not read it.
    unsearched: Mapping[str, str] = field(default_factory=dict)
    # Bytes of tables because of which nothing was searched, and the limit.
    search_oversize: tuple[int, int] | None = None
    # Of every prefix that has a budget of its own.
    prefixes: Mapping[str, PrefixFacts] = field(default_factory=dict)


# Below so many rows a share says nothing.
MATCH_ROWS = 10
# Guards that a named person may accept for one run, with a reason that goes into the audit log.
ACCEPTABLE = frozenset(
    {
        "source-empty",
        "source-shrunk",
        "listing-incomplete",
        "reverse-match",
        "coverage",
        "budget",
        "budget-prefix",
        "unsearched",
    }
)


def tripped_guards(
    facts: RunFacts, limits: GuardLimits, accepted: Sequence[str] = ()
) -> list[Tripped]:
    """Every guard that trips on `facts`, except those accepted by their label."""
    found = [
        *no_references(facts),
        *source_empty(facts),
        *source_shrunk(facts, limits),
        *reverse_match(facts, limits),
        *coverage(facts),
        *unsearched(facts),
        *database_search_size(facts),
        *listing_incomplete(facts, limits),
        *stream_lost(facts),
        *registry_stale(facts),
        *canary(facts),
        *budget(facts, limits),
        *budget_prefix(facts, limits),
    ]
    return [trip for trip in found if not (trip.guard in ACCEPTABLE and trip.label in accepted)]


def no_references(facts: RunFacts) -> Iterator[Tripped]:
    """Nothing found at all: every object would look like an orphan."""
    if sum(source.keys for source in facts.sources) == 0:
        yield Tripped(
            "no-references",
            "no tracked column holds a single key",
            "check the database URL and [tables]: is this the right database, with its data?",
        )


def source_empty(facts: RunFacts) -> Iterator[Tripped]:
    """A tracked column yields no key."""
    for source in facts.sources:
        if source.keys == 0 and not source.may_be_empty:
            yield Tripped(
                "source-empty",
                f"{source.name} yields no key",
                "if that is right, set may_be_empty = true for it in [tables]",
                source.name,
            )


def source_shrunk(facts: RunFacts, limits: GuardLimits) -> Iterator[Tripped]:
    """A tracked column yields far fewer keys than in the last scan that was not blocked."""
    for source in facts.sources:
        before = source.keys_before
        if before and 0 < source.keys < before * limits.source_shrunk_share:
            yield Tripped(
                "source-shrunk",
                f"{source.name} fell from {before} keys to {source.keys}",
                f"if rows were really removed: scan --accept source-shrunk:{source.name}"
                " --reason TEXT",
                source.name,
            )


def reverse_match(facts: RunFacts, limits: GuardLimits) -> Iterator[Tripped]:
    """Too few of a source's keys exist in the bucket: its codec may read the wrong thing."""
    for source in facts.sources:
        rows, matched = source.match
        if rows < MATCH_ROWS:
            continue
        share = matched / rows
        before = _share(source.match_before)
        if before is not None and share < before - limits.reverse_match_drop:
            told = f"fell from {before:.1%} to {share:.1%}"
        elif share < limits.reverse_match_share and not source.is_free_text:
            told = f"is {share:.1%}, below {limits.reverse_match_share:.0%}"
        else:
            continue
        yield Tripped(
            "reverse-match",
            f"the share of {source.name}'s rows whose object is in the bucket {told}"
            f" ({matched} of {rows} rows)",
            "is its codec right (`s3gc discover`), and the bucket? `s3gc references dangling` lists"
            f" the others; if all is well: scan --accept reverse-match:{source.name} --reason TEXT",
            source.name,
        )


def _share(match: tuple[int, int] | None) -> float | None:
    if match is None or match[0] < MATCH_ROWS:
        return None
    return match[1] / match[0]


def coverage(facts: RunFacts) -> Iterator[Tripped]:
    """A column that is neither tracked nor cleared holds keys of this bucket."""
    for column in facts.open_columns:
        yield Tripped(
            "coverage",
            f"{column} holds keys of this bucket, and is not tracked",
            "track it under [tables] (`s3gc discover` prints the line), or say that it does not"
            f" count: s3gc references clear {column} --reason TEXT",
            column,
        )


def unsearched(facts: RunFacts) -> Iterator[Tripped]:
    """A table of the databases could not be searched for the candidates' keys."""
    for place, why in facts.unsearched.items():
        yield Tripped(
            "unsearched",
            f"{place} could not be searched: {why}",
            "grant SELECT on it, or name its table under database_search_skip, or say that the"
            f" column does not count: s3gc references clear {place} --reason TEXT; for this once:"
            f" scan --accept unsearched:{place} --reason TEXT",
            place,
        )


def database_search_size(facts: RunFacts) -> Iterator[Tripped]:
    """The databases are too large to be searched as a whole, so they were not."""
    if facts.search_oversize is not None:
        size, limit = facts.search_oversize
        yield Tripped(
            "database-search-size",
            f"the databases' tables have {size} bytes, the limit of their search is {limit}",
            "raise database_search_max_bytes, or name large tables without keys under"
            ' database_search_skip; database_search = "tracked" asks only the tracked columns',
        )


def listing_incomplete(facts: RunFacts, limits: GuardLimits) -> Iterator[Tripped]:
    """Far fewer objects than in the last listing, and not because we deleted them."""
    if facts.listed_before is None:
        return
    expected = facts.listed_before - facts.removed_since
    if facts.listed < expected * limits.listing_shrunk_share:
        yield Tripped(
            "listing-incomplete",
            f"the listing has {facts.listed} objects where {expected} were expected",
            "if they were really removed: scan --accept listing-incomplete --reason TEXT",
        )


def stream_lost(facts: RunFacts) -> Iterator[Tripped]:
    """A change stream cannot go on: what was written meanwhile is not known."""
    return _lost(facts.streams_lost)


def _lost(streams_lost: Mapping[str, str]) -> Iterator[Tripped]:
    for database, why in streams_lost.items():
        yield Tripped(
            "stream-lost",
            why,
            "`s3gc follow --reload` reads the followed tables anew and starts a new stream",
            database,
        )


def registry_stale(facts: RunFacts) -> Iterator[Tripped]:
    """The references were not read again after the listing ended."""
    for database, lacking in facts.streams_stale.items():
        yield Tripped(
            "registry-stale",
            f"the change stream of {database} did not come up to the listing: {lacking}",
            "scan again; if it repeats, run `s3gc status` and `s3gc doctor`",
            database,
        )
    if facts.streams_lost or facts.streams_stale:
        return
    if not _is_current(facts):
        yield Tripped(
            "registry-stale",
            "the registry is not true up to the end of the listing",
            "scan again; if it repeats, run `s3gc doctor`",
        )


def canary(facts: RunFacts) -> Iterator[Tripped]:
    """An object that is surely alive, or one that is surely dead, was not judged as such."""
    if facts.streams_lost or facts.streams_stale or not _is_current(facts):
        return  # nothing can be told then, and those guards say why
    for source, problem in facts.canaries_misjudged.items():
        yield Tripped(
            "canary",
            f"this scan does not tell living from dead: {problem}",
            "scan again (rows may have gone meanwhile); if it repeats, run `s3gc doctor`, and"
            " report it: no verdict of this scan can be trusted",
            source,
        )


def _is_current(facts: RunFacts) -> bool:
    return facts.registry_valid_at is not None and facts.registry_valid_at >= facts.listing_ended_at


def budget(facts: RunFacts, limits: GuardLimits) -> Iterator[Tripped]:
    """More orphans than one plan may hold, by count, bytes or share of the bucket."""
    whole = PrefixFacts(facts.listed, facts.orphans, facts.orphan_bytes)
    if over := _over(whole, limits, "the bucket"):
        yield Tripped(
            "budget",
            "the orphans are " + " and ".join(over),
            "look at `s3gc candidates`; if they are right: scan --accept budget --reason TEXT,"
            " or raise the limit under [guards]",
        )


def budget_prefix(facts: RunFacts, limits: GuardLimits) -> Iterator[Tripped]:
    """More orphans under a prefix than its own budget lets one plan hold."""
    for prefix, found in facts.prefixes.items():
        if over := _over(found, limits.prefixes[prefix], "what is there"):
            label = shlex.quote(f"budget-prefix:{prefix}")
            yield Tripped(
                "budget-prefix",
                f"the orphans under {prefix} are " + " and ".join(over),
                f"look at `s3gc candidates --prefix {shlex.quote(prefix)}`; if they are right:"
                f" scan --accept {label} --reason TEXT, or raise the limit under [guards.prefixes]",
                prefix,
            )


def _over(found: PrefixFacts, limits: GuardLimits | PrefixBudget, of: str) -> list[str]:
    """The limits that the orphans are over, in words."""
    over = []
    if limits.max_objects is not None and found.orphans > limits.max_objects:
        over.append(f"{found.orphans} objects (limit {limits.max_objects})")
    if limits.max_bytes is not None and found.orphan_bytes > limits.max_bytes:
        over.append(f"{found.orphan_bytes} bytes (limit {limits.max_bytes})")
    if limits.max_share is not None and found.orphans > found.listed * limits.max_share:
        share = found.orphans / found.listed
        over.append(f"{share:.0%} of {of} (limit {limits.max_share:.0%})")
    return over


# Ages count from the store's clock, retention since a reference went away from ours.
CLOCK_DIFFERENCE = timedelta(minutes=5)


def clock_skew(ours: datetime, stores: datetime) -> list[Tripped]:
    """Our clock and the store's, read at the same moment (UTC), must be near each other."""
    difference = abs(ours - stores)
    if difference <= CLOCK_DIFFERENCE:
        return []
    return [
        Tripped(
            "clock-skew",
            f"this machine's clock says {ours:%F %T} UTC, the store's {stores:%F %T} UTC:"
            f" {difference.total_seconds():.0f} seconds apart"
            f" (limit {CLOCK_DIFFERENCE.total_seconds():.0f})",
            "synchronise this machine's clock (NTP); if it is right, the store's is wrong",
        )
    ]


def streams_behind(lost: Mapping[str, str], stale: Mapping[str, str]) -> Iterator[Tripped]:
    """Before a delete: streams that cannot go on, or were not brought up to now."""
    yield from _lost(lost)
    for database, lacking in stale.items():
        yield Tripped(
            "registry-stale",
            f"the change stream of {database} did not come up to now: {lacking}",
            "execute the plan again to go on; if it repeats, run `s3gc status` and `s3gc doctor`",
            database,
        )


def not_primary(roles: Mapping[str, Role]) -> Iterator[Tripped]:
    """Before a delete: a replica may lack the reference that was committed a moment ago."""
    for database, role in roles.items():
        if not role.is_primary:
            yield Tripped(
                "not-primary",
                f"{database} may lack the latest references: {role.doubt}",
                f"{role.mend.rstrip(';')}; or, where a reference may be overlooked,"
                f" replica_ok = true for it under [database]",
                database,
            )


def refuse(tripped: Sequence[Tripped]) -> None:
    """Raise `GuardBlocked` where any guard tripped."""
    if tripped:
        what = "; ".join(f"{trip.guard}: {trip.reason}" for trip in tripped)
        raise GuardBlocked(what, [trip.label for trip in tripped], next_step=tripped[0].next_step)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a vault belongs to: a bucket, and databases by name.

    `marks` (owner, region, created) are what the store told about the bucket, maybe nothing.
    """

    bucket: str
    databases: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


def identity(
    bound: Identity | None, present: Identity, accepted: Sequence[str] = ()
) -> list[Tripped]:
    """Bucket and databases must be those this vault was made for; new databases may join.

    A database that was replaced or removed can be accepted by name, and so can a bucket of the same
    name that was made anew; another bucket never: its vault is full of the first one's objects.
    A mark that is not told now is not compared.
    """
    if bound is None:
        return []
    found = []
    if bound.bucket != present.bucket:
        found.append(_other("bucket", present.bucket, bound.bucket, acceptable=False))
    # Of another bucket everything differs.
    marks = bound.marks if bound.bucket == present.bucket else {}
    for mark, was in marks.items():
        now = present.marks.get(mark, was)
        if now != was:
            found.append(_other(f"bucket-{mark}", now, was, acceptable=True))
    for name, was in bound.databases.items():
        now = present.databases.get(name, "no longer configured")
        if now != was:
            found.append(_other(name, now, was, acceptable=True))
    return [trip for trip in found if trip.subject == "bucket" or trip.label not in accepted]


def _other(name: str, now: str, was: str, *, acceptable: bool) -> Tripped:
    either = f", or scan --accept identity:{name} --reason TEXT" if acceptable else ""
    return Tripped(
        "identity",
        f"{name} is {now}, but this vault belongs to {was}",
        f"point the configuration back, give the other {name} a vault of its own{either}",
        name,
    )
