"""Each guard at its boundary and beside it; what may be accepted; whom a vault belongs to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3gc_core.config import GuardLimits, PrefixBudget
from s3gc_core.judgement import ACCEPTABLE, Identity, clock_skew, identity
from s3gc_core.judgement.guards import PrefixFacts, RunFacts, SourceFacts, tripped_guards
from tests.core.judgement.evidence import MICROSECOND, NOW

HEALTHY = RunFacts(
    listed=100,
    listed_before=100,
    removed_since=0,
    listing_ended_at=NOW,
    registry_valid_at=NOW,
    sources=(SourceFacts("main:t.k", 80, 80, False), SourceFacts("main:t.l", 20, 20, False)),
    orphans=10,
    orphan_bytes=1_000,
)
LIMITS = GuardLimits()


def labels(facts: RunFacts, limits: GuardLimits = LIMITS, *accepted: str) -> list[str]:
    return [trip.label for trip in tripped_guards(facts, limits, accepted)]


def facts(**fields: Any) -> RunFacts:
    return replace(HEALTHY, **fields)


def source(keys: int, before: int | None = None, may_be_empty: bool = False) -> RunFacts:
    """A healthy run with one more source."""
    more = SourceFacts("main:x.y", keys, before, may_be_empty)
    return facts(sources=(*HEALTHY.sources, more))


def test_a_healthy_run_trips_nothing() -> None:
    assert labels(HEALTHY) == []


@pytest.mark.parametrize(
    ("keys", "tripped"),
    [((0, 0), ["no-references"]), ((1, 0), []), ((0, 1), []), ((), ["no-references"])],
)
def test_no_references(keys: tuple[int, ...], tripped: list[str]) -> None:
    sources = [SourceFacts(f"s{n}", found, None, True) for n, found in enumerate(keys)]
    assert labels(facts(sources=sources)) == tripped


@pytest.mark.parametrize(
    ("run", "tripped"),
    [
        (source(0), ["source-empty:main:x.y"]),
        (source(0, may_be_empty=True), []),
        (source(1), []),
        (source(0, before=100), ["source-empty:main:x.y"]),
        (source(0, before=0), ["source-empty:main:x.y"]),
    ],
)
def test_source_empty(run: RunFacts, tripped: list[str]) -> None:
    assert labels(run) == tripped


@pytest.mark.parametrize(
    ("keys", "before", "share", "tripped"),
    [
        (50, 100, 0.5, False),
        (49, 100, 0.5, True),
        (5, 11, 0.5, True),
        (6, 11, 0.5, False),
        (1, 2, 0.5, False),
        (1, 3, 0.5, True),
        (99, 100, 1.0, True),
        (100, 100, 1.0, False),
        (1, 100, 0.0, False),
        (1, None, 0.5, False),
        (1, 0, 0.5, False),
        (200, 100, 0.5, False),
    ],
)
def test_source_shrunk(keys: int, before: int | None, share: float, tripped: bool) -> None:
    limits = GuardLimits(source_shrunk_share=share)
    expected = ["source-shrunk:main:x.y"] if tripped else []
    assert labels(source(keys, before), limits) == expected
    # What may be empty may not quietly shrink all the same.
    assert labels(source(keys, before, may_be_empty=True), limits) == expected


def test_each_source_is_looked_at_on_its_own() -> None:
    sources = (
        SourceFacts("a", 0, 10, False),
        SourceFacts("b", 4, 10, False),
        SourceFacts("c", 1_000_000, 1, False),
        SourceFacts("d", 0, 10, True),
    )
    assert labels(facts(sources=sources)) == ["source-empty:a", "source-shrunk:b"]


@pytest.mark.parametrize(
    ("listed", "before", "removed", "share", "tripped"),
    [
        (50, 100, 0, 0.5, False),
        (49, 100, 0, 0.5, True),
        (20, 100, 60, 0.5, False),
        (19, 100, 60, 0.5, True),
        (0, 100, 100, 0.5, False),
        (0, 1, 0, 0.5, True),
        (0, 0, 0, 0.5, False),
        (50, 100, -10, 0.5, True),
        (55, 100, -10, 0.5, False),
        (0, 100, 120, 0.5, False),
        (99, 100, 0, 1.0, True),
        (0, None, 0, 0.5, False),
    ],
)
def test_listing_incomplete(
    listed: int, before: int | None, removed: int, share: float, tripped: bool
) -> None:
    run = facts(listed=listed, listed_before=before, removed_since=removed, orphans=0)
    limits = GuardLimits(listing_shrunk_share=share)
    assert labels(run, limits) == (["listing-incomplete"] if tripped else [])


@pytest.mark.parametrize(
    ("valid_at", "tripped"),
    [
        (NOW, False),
        (NOW + MICROSECOND, False),
        (NOW - MICROSECOND, True),
        (NOW - timedelta(days=30), True),
        (None, True),
    ],
)
def test_registry_stale(valid_at: Any, tripped: bool) -> None:
    assert labels(facts(registry_valid_at=valid_at)) == (["registry-stale"] if tripped else [])


def test_a_lost_stream_is_told_and_cannot_be_accepted() -> None:
    """It speaks for itself: the registry that is stale with it is not told besides."""
    lost = facts(streams_lost={"main": "the slot is gone"}, registry_valid_at=None)
    assert labels(lost, LIMITS, "stream-lost:main") == ["stream-lost:main"]
    [trip] = tripped_guards(lost, LIMITS)
    assert trip.reason == "the slot is gone"
    assert "s3gc follow --reload" in trip.next_step


def test_a_stream_that_did_not_come_up_to_the_listing_is_stale() -> None:
    assert labels(facts(streams_stale={"main": "no beat"})) == ["registry-stale:main"]


@pytest.mark.parametrize(
    ("run", "limits", "reason"),
    [
        (facts(orphans=10), GuardLimits(max_objects=10), None),
        (facts(orphans=10), GuardLimits(max_objects=9), "10 objects (limit 9)"),
        (facts(orphan_bytes=1_000), GuardLimits(max_bytes=1_000), None),
        (facts(orphan_bytes=1_000), GuardLimits(max_bytes=999), "1000 bytes (limit 999)"),
        (facts(orphans=50), GuardLimits(), None),
        (facts(orphans=51), GuardLimits(), "51% of the bucket (limit 50%)"),
        (facts(orphans=100), GuardLimits(max_share=1.0), None),
        (facts(orphans=1), GuardLimits(max_share=0.0), "1% of the bucket (limit 0%)"),
        (facts(orphans=0), GuardLimits(0, 1_000, 0.0), None),
        (facts(listed=0, listed_before=0, orphans=0, orphan_bytes=0), GuardLimits(0, 0, 0.0), None),
        (
            facts(orphans=60, orphan_bytes=7),
            GuardLimits(59, 6, 0.5),
            "60 objects (limit 59) and 7 bytes (limit 6) and 60% of the bucket (limit 50%)",
        ),
    ],
)
def test_budget(run: RunFacts, limits: GuardLimits, reason: str | None) -> None:
    tripped = tripped_guards(run, limits)
    assert [trip.label for trip in tripped] == ([] if reason is None else ["budget"])
    if reason is not None:
        assert tripped[0].reason == f"the orphans are {reason}"


PREFIXES = GuardLimits(
    prefixes={
        "a/": PrefixBudget(max_objects=5, max_bytes=100),
        "a/b/": PrefixBudget(max_share=0.5),
        "my c/": PrefixBudget(max_objects_per_day=1),
    }
)


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        ({"a/": PrefixFacts(5, 5, 100), "a/b/": PrefixFacts(4, 2, 0)}, {}),
        (
            {"a/": PrefixFacts(9, 6, 101), "a/b/": PrefixFacts(9, 4, 0)},
            {"a/": "6 objects (limit 5) and 101 bytes (limit 100)"},
        ),
        (
            {"a/": PrefixFacts(9, 5, 0), "a/b/": PrefixFacts(4, 3, 0)},
            {"a/b/": "75% of what is there (limit 50%)"},
        ),
        (
            {"a/": PrefixFacts(9, 6, 0), "a/b/": PrefixFacts(2, 2, 0)},
            {"a/": "6 objects (limit 5)", "a/b/": "100% of what is there (limit 50%)"},
        ),
        # Nothing is there, and a budget for the day alone says nothing about one plan.
        ({"a/b/": PrefixFacts(0, 0, 0), "my c/": PrefixFacts(9, 9, 9)}, {}),
    ],
)
def test_each_prefix_has_its_own_budget(
    found: dict[str, PrefixFacts], reasons: dict[str, str]
) -> None:
    tripped = tripped_guards(facts(prefixes=found), PREFIXES)
    assert {trip.label: trip.reason for trip in tripped} == {
        f"budget-prefix:{prefix}": f"the orphans under {prefix} are {reason}"
        for prefix, reason in reasons.items()
    }


def test_a_prefix_is_accepted_by_its_own_name_only() -> None:
    run = facts(prefixes={"a/": PrefixFacts(9, 6, 0), "a/b/": PrefixFacts(2, 2, 0)})
    every = ["budget-prefix:a/", "budget-prefix:a/b/"]
    assert labels(run, PREFIXES, "budget", "budget-prefix", "a/") == every
    assert labels(run, PREFIXES, "budget-prefix:a/") == every[1:]
    assert labels(run, PREFIXES, *every) == []


def test_what_to_do_about_a_prefix_can_be_pasted() -> None:
    limits = GuardLimits(prefixes={"my c/": PrefixBudget(max_objects=1)})
    [trip] = tripped_guards(facts(prefixes={"my c/": PrefixFacts(9, 2, 0)}), limits)
    assert "s3gc candidates --prefix 'my c/'" in trip.next_step
    assert "--accept 'budget-prefix:my c/' --reason TEXT" in trip.next_step


def test_what_was_not_searched() -> None:
    run = facts(unsearched={"main:public.t.b": "why", "main:public.u.c": "why not"})
    assert labels(run) == ["unsearched:main:public.t.b", "unsearched:main:public.u.c"]
    assert labels(run, LIMITS, "unsearched:main:public.t.b") == ["unsearched:main:public.u.c"]


def test_databases_too_large_to_search() -> None:
    [trip] = tripped_guards(facts(search_oversize=(11, 10)), LIMITS)
    assert trip.label == "database-search-size"
    assert trip.reason == "the databases' tables have 11 bytes, the limit of their search is 10"


EVERYTHING = facts(
    listed=10,
    sources=(SourceFacts("a", 0, 10, False),),
    registry_valid_at=None,
    orphans=10,
    unsearched={"main:public.t": "no right"},
    search_oversize=(2, 1),
)
# A source cannot be empty and shrunk, so one run cannot trip all: this one trips the other.
SHRUNK = source(1, 100)


def test_every_guard_that_trips_is_told_and_in_the_order_of_the_design() -> None:
    assert labels(EVERYTHING) == [
        "no-references",
        "source-empty:a",
        "unsearched:main:public.t",
        "database-search-size",
        "listing-incomplete",
        "registry-stale",
        "budget",
    ]
    for trip in tripped_guards(EVERYTHING, LIMITS):
        assert trip.reason
        assert trip.next_step


def test_what_may_be_accepted() -> None:
    acceptable = {
        "source-empty",
        "source-shrunk",
        "listing-incomplete",
        "reverse-match",
        "coverage",
        "budget",
        "budget-prefix",
        "unsearched",
    }
    assert acceptable == ACCEPTABLE
    accepted = labels(EVERYTHING, LIMITS, *labels(EVERYTHING))
    assert accepted == ["no-references", "database-search-size", "registry-stale"]
    assert labels(SHRUNK, LIMITS, "source-shrunk:main:x.y") == []


@pytest.mark.parametrize(
    "accepted",
    ["source-shrunk", "source-shrunk:main:t.k", "source-shrunk:", "main:x.y", "*", ""],
)
def test_only_the_whole_label_accepts(accepted: str) -> None:
    """One source that may shrink is no leave for another."""
    assert labels(SHRUNK, LIMITS, accepted) == ["source-shrunk:main:x.y"]


HERE = Identity("s3://photos@eu", {"main": "postgresql:1/app", "other": "sqlite:/x.db"})


@pytest.mark.parametrize(
    ("bound", "present", "accepted", "tripped"),
    [
        (None, HERE, (), []),
        (HERE, HERE, (), []),
        (HERE, Identity("s3://else", HERE.databases), (), ["identity:bucket"]),
        (HERE, Identity("s3://else", HERE.databases), ("identity:bucket",), ["identity:bucket"]),
        (
            HERE,
            Identity(HERE.bucket, {**HERE.databases, "main": "postgresql:2/app"}),
            (),
            ["identity:main"],
        ),
        (
            HERE,
            Identity(HERE.bucket, {**HERE.databases, "main": "postgresql:2/app"}),
            ("identity:main",),
            [],
        ),
        (
            HERE,
            Identity(HERE.bucket, {**HERE.databases, "main": "postgresql:2/app"}),
            ("identity", "identity:other", "main"),
            ["identity:main"],
        ),
        # A database that left takes its references with it; one that joins only adds some.
        (HERE, Identity(HERE.bucket, {"main": "postgresql:1/app"}), (), ["identity:other"]),
        (HERE, Identity(HERE.bucket, {**HERE.databases, "new": "sqlite:/n.db"}), (), []),
        (
            HERE,
            Identity(HERE.bucket, {"main": "sqlite:/x.db", "other": "postgresql:1/app"}),
            (),
            ["identity:main", "identity:other"],
        ),
        (
            HERE,
            Identity("s3://else", {}),
            ("identity:main",),
            ["identity:bucket", "identity:other"],
        ),
        (
            Identity("b", {"bucket": "sqlite:/x.db"}),
            Identity("c", {"bucket": "sqlite:/x.db"}),
            ("identity:bucket",),
            ["identity:bucket"],
        ),
    ],
)
def test_identity(
    bound: Identity | None, present: Identity, accepted: tuple[str, ...], tripped: list[str]
) -> None:
    found = identity(bound, present, accepted)
    assert [trip.label for trip in found] == tripped
    assert all(trip.reason and trip.next_step for trip in found)


def test_identity_offers_to_accept_only_what_can_be() -> None:
    bucket, database = identity(HERE, Identity("s3://else", {**HERE.databases, "main": "x"}))
    assert "--accept" not in bucket.next_step
    assert "--accept identity:main" in database.next_step
    assert "s3://else" in bucket.reason
    assert HERE.bucket in bucket.reason


def matched(rows: int, found: int, before: tuple[int, int] | None = None, **other: Any) -> RunFacts:
    """A healthy run with one more source, whose rows name objects so often."""
    more = SourceFacts("main:x.y", 10, None, False, (rows, found), before, **other)
    return facts(sources=(*HEALTHY.sources, more))


@pytest.mark.parametrize(
    ("rows", "found", "before", "tripped"),
    [
        (10, 5, None, False),
        (10, 4, None, True),
        (9, 0, None, False),  # too few rows to say anything
        (10, 0, None, True),
        (0, 0, None, False),
        (1000, 950, (1000, 1000), False),
        (1000, 949, (1000, 1000), True),
        (1000, 949, (9, 9), False),
        (1000, 600, (1000, 500), False),
        (1000, 499, (1000, 500), True),  # below the limit, whatever it was before
    ],
)
def test_reverse_match(
    rows: int, found: int, before: tuple[int, int] | None, tripped: bool
) -> None:
    expected = ["reverse-match:main:x.y"] if tripped else []
    assert labels(matched(rows, found, before)) == expected


def test_reverse_match_by_the_operators_limits() -> None:
    assert labels(matched(100, 90), GuardLimits(reverse_match_share=0.91)) == [
        "reverse-match:main:x.y"
    ]
    assert labels(matched(100, 90), GuardLimits(reverse_match_share=0.9)) == []
    fallen = matched(100, 90, (100, 100))
    assert labels(fallen, GuardLimits(reverse_match_drop=0.2)) == []
    assert labels(fallen, GuardLimits(reverse_match_drop=0.09)) == ["reverse-match:main:x.y"]


def test_in_free_text_only_a_fall_of_the_share_counts() -> None:
    assert labels(matched(100, 1, is_free_text=True)) == []
    assert labels(matched(100, 1, (100, 2), is_free_text=True)) == []
    fallen = matched(100, 1, (100, 50), is_free_text=True)
    assert labels(fallen) == ["reverse-match:main:x.y"]


def test_coverage_names_each_open_column() -> None:
    run = facts(open_columns=["main:main.a.b", "main:main.c.d"])
    assert labels(run) == ["coverage:main:main.a.b", "coverage:main:main.c.d"]
    assert labels(run, LIMITS, "coverage:main:main.a.b") == ["coverage:main:main.c.d"]
    assert labels(run, LIMITS, "coverage") == labels(run)


def test_clock_skew() -> None:
    near = timedelta(minutes=5)
    for apart in (timedelta(), near, -near):
        assert clock_skew(NOW + apart, NOW) == []
    for apart in (near + MICROSECOND, -near - MICROSECOND, timedelta(days=400)):
        [trip] = clock_skew(NOW + apart, NOW)
        assert (trip.label, trip.guard in ACCEPTABLE) == ("clock-skew", False)
        assert "2026-06-01 12:00:00 UTC" in trip.reason
        assert trip.next_step
