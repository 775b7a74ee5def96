"""The four layers at their boundaries, and the object's verdict over every combination."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.judgement import Judged, Layers, LayerVerdict, ObjectVerdict, Verdict
from s3gc_core.judgement.layers import (
    Evidence,
    Rules,
    database_layer,
    doubts_about,
    exclusion_layer,
    judge_object,
    object_verdict,
    registry_layer,
    retention_layer,
)
from tests.core.judgement.evidence import MICROSECOND, NOW, WEEK, evidence, listed

DAY = timedelta(days=1)
SEVEN = timedelta(days=7)


@pytest.mark.parametrize(
    ("known", "verdict", "reason"),
    [
        (evidence(), Verdict.PASS, "no row refers to it, and none was ever seen to"),
        (evidence(edges=("s row 1",)), Verdict.KEEP, "referenced by s row 1"),
        (evidence(edges=("s row 1", "t row 2")), Verdict.KEEP, "referenced by s row 1 and 1 more"),
        (
            evidence(registry_current=False),
            Verdict.UNKNOWN,
            "the registry is not true up to the listing",
        ),
        (
            evidence(near=("s row 1", "s row 2", "s row 3")),
            Verdict.UNKNOWN,
            "s row 1 and 2 more differs from it only in spelling or in what stands before it",
        ),
        # An edge keeps also where the registry is old: what it knows is enough.
        (evidence(edges=("s row 1",), registry_current=False), Verdict.KEEP, None),
        (evidence(edges=("s row 1",), near=("s row 2",)), Verdict.KEEP, None),
        (evidence(near=("s row 1",), released_at=NOW - 30 * DAY), Verdict.UNKNOWN, None),
        # What is sure wins over what is only likely.
        (evidence(near=("s row 1",), released_at=NOW), Verdict.KEEP, None),
        (evidence(registry_current=False, released_at=NOW - 30 * DAY), Verdict.UNKNOWN, None),
        (
            evidence(released_at=NOW - SEVEN),
            Verdict.PASS,
            "its last reference went away 7 d ago",
        ),
        (
            evidence(released_at=NOW - SEVEN + MICROSECOND),
            Verdict.KEEP,
            "its last reference went away 6 d 23 h ago, less than 7 d",
        ),
        (evidence(released_at=NOW), Verdict.KEEP, None),
        # A clock that was set back: the release lies in the future.
        (evidence(released_at=NOW + DAY), Verdict.KEEP, None),
    ],
)
def test_registry_layer(known: Evidence, verdict: Verdict, reason: str | None) -> None:
    found = registry_layer(known, SEVEN, NOW)
    assert found.verdict is verdict
    assert found.reason
    if reason is not None:
        assert found.reason == reason


@pytest.mark.parametrize(
    ("known", "verdict", "reason"),
    [
        (evidence(), Verdict.PASS, "every tracked column was asked, in every spelling"),
        (evidence(holders=("s row 1",)), Verdict.KEEP, "found in s row 1"),
        (evidence(holders=("s row 1", "s row 2")), Verdict.KEEP, "found in s row 1 and 1 more"),
        (
            evidence(database_asked=False),
            Verdict.UNKNOWN,
            "the databases did not answer for this key",
        ),
        (evidence(holders=("s row 1",), database_asked=False), Verdict.KEEP, "found in s row 1"),
    ],
)
def test_database_layer(known: Evidence, verdict: Verdict, reason: str) -> None:
    assert database_layer(known) == LayerVerdict(verdict, reason)


@pytest.mark.parametrize(
    ("retention", "age", "verdict"),
    [
        (SEVEN, SEVEN, Verdict.PASS),
        (SEVEN, SEVEN + MICROSECOND, Verdict.PASS),
        (SEVEN, SEVEN - MICROSECOND, Verdict.KEEP),
        (SEVEN, timedelta(), Verdict.KEEP),
        (SEVEN, -MICROSECOND, Verdict.UNKNOWN),
        (SEVEN, -365 * DAY, Verdict.UNKNOWN),
        (timedelta(), DAY, Verdict.PASS),
        (timedelta(), DAY - MICROSECOND, Verdict.KEEP),
        (timedelta(), -MICROSECOND, Verdict.UNKNOWN),
        (timedelta(hours=23), DAY - MICROSECOND, Verdict.KEEP),
        (DAY, DAY, Verdict.PASS),
        (DAY, DAY - MICROSECOND, Verdict.KEEP),
        (DAY + MICROSECOND, DAY, Verdict.KEEP),
        (3650 * DAY, 3650 * DAY - MICROSECOND, Verdict.KEEP),
    ],
)
def test_retention_layer(retention: timedelta, age: timedelta, verdict: Verdict) -> None:
    found = retention_layer(NOW - age, retention, NOW)
    assert found.verdict is verdict
    assert found.reason


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(minutes=5), "modified 0 h 5 min ago, younger than 1 d"),
        (timedelta(hours=23, minutes=59), "modified 23 h 59 min ago, younger than 1 d"),
        (timedelta(days=2, hours=3), "modified 2 d 3 h ago"),
        (-timedelta(hours=1), "modified in the future by the store's clock"),
    ],
)
def test_retention_layer_s_reasons(age: timedelta, reason: str) -> None:
    assert retention_layer(NOW - age, timedelta(), NOW).reason == reason


@pytest.mark.parametrize(
    ("etag", "in_parts"),
    [
        ('"d41d8cd98f00b204e9800998ecf8427e-2"', True),
        ('"d41d8cd98f00b204e9800998ecf8427e-10000"', True),
        ("d41d8cd98f00b204e9800998ecf8427e-1", True),
        ('"d41d8cd98f00b204e9800998ecf8427e"', False),
        ('"e1"', False),
        ("", False),
    ],
)
def test_what_was_uploaded_in_parts_has_to_be_older(etag: str, in_parts: bool) -> None:
    """Its date is that of the upload's beginning."""
    for retention in (timedelta(), SEVEN):
        needed = max(retention, DAY)
        at_once = retention_layer(NOW - needed, retention, NOW, etag)
        assert at_once.verdict is (Verdict.KEEP if in_parts else Verdict.PASS)
        assert ("upload in parts" in at_once.reason) is in_parts
        almost = retention_layer(NOW - needed - DAY + MICROSECOND, retention, NOW, etag)
        assert almost.verdict is at_once.verdict
        assert retention_layer(NOW - needed - DAY, retention, NOW, etag).verdict is Verdict.PASS
    judged = judge_object(
        listed(etag=etag, last_modified=NOW - SEVEN), evidence(), WEEK, now=NOW, bucket_now=NOW
    )
    assert judged.verdict is (ObjectVerdict.KEEP if in_parts else ObjectVerdict.ORPHAN)


def test_what_is_being_uploaded_is_held() -> None:
    known = evidence(uploading_since=NOW - DAY)
    judged = judge_object(listed(), known, WEEK, now=NOW, bucket_now=NOW)
    assert judged.verdict is ObjectVerdict.HELD
    assert judged.reason == (
        "a multipart upload to this key is in progress since 2026-05-31 12:00:00 UTC"
    )


@pytest.mark.parametrize(
    ("key", "prefixes", "patterns", "reason"),
    [
        ("a.jpg", (), (), None),
        ("backups/a", ("backups/",), (), "protected by the prefix backups/"),
        ("backups", ("backups/",), (), None),
        ("Backups/a", ("backups/",), (), None),
        ("x/backups/a", ("backups/",), (), None),
        ("b/1", ("a/", "b/"), ("*",), "protected by the prefix b/"),
        ("100%_a", ("100%_",), (), "protected by the prefix 100%_"),
        ("a.keep", (), ("*.keep",), "protected by the pattern *.keep"),
        ("a.KEEP", (), ("*.keep",), None),
        ("x/y/a.keep", (), ("*.keep",), "protected by the pattern *.keep"),
        ("a.jpg", (), ("?.jpg",), "protected by the pattern ?.jpg"),
        ("ab.jpg", (), ("?.jpg",), None),
        ("a.jpg", (), ("[ab].jpg",), "protected by the pattern [ab].jpg"),
        ("line\nbreak.keep", (), ("*.keep",), "protected by the pattern *.keep"),
        ("a.jpg", (), ("b*", "a*"), "protected by the pattern a*"),
    ],
)
def test_exclusion_layer(
    key: str, prefixes: tuple[str, ...], patterns: tuple[str, ...], reason: str | None
) -> None:
    verdict = Verdict.PASS if reason is None else Verdict.KEEP
    expected = reason or "no protected prefix or pattern matches"
    assert exclusion_layer(key, prefixes, patterns) == LayerVerdict(verdict, expected)


@pytest.mark.parametrize(
    ("storage_class", "doubtful"),
    [
        ("STANDARD", False),
        ("STANDARD_IA", False),
        ("INTELLIGENT_TIERING", False),
        ("GLACIER_IR", False),
        ("GLACIER", True),
        ("DEEP_ARCHIVE", True),
    ],
)
def test_what_cannot_be_read_is_held(storage_class: str, doubtful: bool) -> None:
    candidate = listed(storage_class=storage_class)
    doubts = doubts_about(candidate)
    assert bool(doubts) is doubtful
    judged = judge_object(candidate, evidence(), WEEK, now=NOW, bucket_now=NOW)
    assert judged.verdict is (ObjectVerdict.HELD if doubtful else ObjectVerdict.ORPHAN)
    assert judged.doubts == doubts
    if doubtful:
        assert doubts == (f"storage class {storage_class} cannot be read, so not be backed up",)
        assert judged.reason == doubts[0]


@pytest.mark.parametrize(
    ("age", "held"),
    [
        # The store's clock and the database's may differ by five minutes.
        (DAY * 30 + timedelta(minutes=5), True),
        (DAY * 30 + timedelta(minutes=5) + MICROSECOND, False),
        (DAY * 30, True),
        (DAY * 10, True),
        (DAY * 40, False),
    ],
)
def test_what_is_younger_than_an_open_transaction_is_held(age: timedelta, held: bool) -> None:
    candidate = listed(last_modified=NOW - age)
    since = NOW - DAY * 30
    judged = judge_object(candidate, evidence(), WEEK, now=NOW, bucket_now=NOW, open_since=since)
    assert judged.verdict is (ObjectVerdict.HELD if held else ObjectVerdict.ORPHAN)
    doubt = "younger than a transaction that may be open since 2026-05-02 12:00:00 UTC"
    assert judged.doubts == ((doubt,) if held else ())
    # Where no transaction is open, nothing is held for it.
    assert (
        judge_object(candidate, evidence(), WEEK, now=NOW, bucket_now=NOW).verdict
        is ObjectVerdict.ORPHAN
    )


def oracle(verdicts: tuple[Verdict, ...], doubtful: bool) -> str:
    """By the design's table of words: each verdict's sentence, spelled out on its own."""
    if any(verdict == "keep" for verdict in verdicts):
        return "keep"
    if any(verdict == "unknown" for verdict in verdicts) or doubtful:
        return "held"
    assert all(verdict == "pass" for verdict in verdicts)
    return "orphan"


def test_the_object_s_verdict_over_all_combinations() -> None:
    seen: dict[str, int] = {}
    for verdicts in product(Verdict, repeat=4):
        layers = Layers(*(LayerVerdict(v, f"layer {n}: {v}") for n, v in enumerate(verdicts)))
        for doubts in ((), ("a doubt",)):
            verdict = object_verdict(layers, doubts)
            assert verdict.value == oracle(verdicts, bool(doubts)), (verdicts, doubts)
            seen[verdict.value] = seen.get(verdict.value, 0) + 1
            reason = Judged(listed(), verdict, layers, doubts).reason
            if verdict is ObjectVerdict.ORPHAN:
                assert reason == ""
            elif verdict is ObjectVerdict.KEEP:
                assert reason == f"layer {verdicts.index(Verdict.KEEP)}: keep"
            elif Verdict.UNKNOWN in verdicts:
                assert reason == f"layer {verdicts.index(Verdict.UNKNOWN)}: unknown"
            else:
                assert reason == "a doubt"
    # 3^4 combinations, with and without doubt: only one of them lets an object go.
    assert seen == {"orphan": 1, "held": 2 * 2**4 - 1, "keep": 2 * (3**4 - 2**4)}


TIMES = st.sampled_from([-DAY, timedelta(), DAY - MICROSECOND, DAY, SEVEN - MICROSECOND, SEVEN])


@given(
    edges=st.booleans(),
    near=st.booleans(),
    current=st.booleans(),
    released=st.none() | TIMES,
    holders=st.booleans(),
    asked=st.booleans(),
    age=TIMES,
    excluded=st.booleans(),
    frozen=st.booleans(),
)
def test_only_an_object_that_nothing_speaks_for_goes(
    edges: bool,
    near: bool,
    current: bool,
    released: timedelta | None,
    holders: bool,
    asked: bool,
    age: timedelta,
    excluded: bool,
    frozen: bool,
) -> None:
    known = Evidence(
        edges=("s row 1",) if edges else (),
        released_at=None if released is None else NOW - released,
        near=("s row 2",) if near else (),
        registry_current=current,
        holders=("s row 3",) if holders else (),
        database_asked=asked,
    )
    rules = Rules(SEVEN, ("a",) if excluded else ("b",), ())
    candidate = listed(last_modified=NOW - age, storage_class="GLACIER" if frozen else "STANDARD")
    judged = judge_object(candidate, known, rules, now=NOW, bucket_now=NOW)
    orphan = (
        not (edges or near or holders or excluded or frozen)
        and current
        and asked
        and (released is None or released >= SEVEN)
        and age >= SEVEN
    )
    assert (judged.verdict is ObjectVerdict.ORPHAN) is orphan
    assert (judged.reason == "") is orphan


def test_each_clock_judges_what_it_stamped() -> None:
    """Releases carry our time, objects the store's: one clock's error must not age the other's."""
    later: datetime = NOW + 30 * DAY
    fresh = listed(last_modified=NOW)
    ours_ahead = judge_object(fresh, evidence(), WEEK, now=later, bucket_now=NOW)
    assert ours_ahead.layers.retention.verdict is Verdict.KEEP
    just_released = evidence(released_at=NOW)
    theirs_ahead = judge_object(listed(), just_released, WEEK, now=NOW, bucket_now=later)
    assert theirs_ahead.layers.registry.verdict is Verdict.KEEP
