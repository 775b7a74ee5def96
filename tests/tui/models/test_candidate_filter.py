"""The filter line: what it means, what it refuses, and that it survives being written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.judgement import CandidateFilter, ObjectVerdict
from s3gc_tui.models.candidate_filter import FilterError, filter_text, parse_filter
from s3gc_tui.safe_text import safe_text

ORPHAN, KEEP, HELD = ObjectVerdict.ORPHAN, ObjectVerdict.KEEP, ObjectVerdict.HELD


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", CandidateFilter()),
        ("  \t ", CandidateFilter()),
        ("thumbs/2024", CandidateFilter(prefix="thumbs/2024")),
        ("a:b", CandidateFilter(prefix="a:b")),
        ("%_*", CandidateFilter(prefix="%_*")),
        ('prefix:"a b"', CandidateFilter(prefix="a b")),
        ("~draft", CandidateFilter(containing=("draft",))),
        ('"two words" ~x', CandidateFilter(containing=("two words", "x"))),
        ('~"a \\" b"', CandidateFilter(containing=('a " b',))),
        (r"a\\b\x1b\u{202e}", CandidateFilter(prefix="a\\b\x1b\u202e")),
        ("verdict:orphan", CandidateFilter(verdicts=frozenset({ORPHAN}))),
        ("verdict:KEEP,held", CandidateFilter(verdicts=frozenset({KEEP, HELD}))),
        ("verdict:keep,held verdict:held", CandidateFilter(verdicts=frozenset({HELD}))),
        ("size>10", CandidateFilter(larger_than=10)),
        ("size>10M", CandidateFilter(larger_than=10 << 20)),
        ("size>10mib size<1.5G", CandidateFilter(larger_than=10 << 20, smaller_than=3 << 29)),
        ("size<1kB", CandidateFilter(smaller_than=1000)),
        ("size>1k size>2k size<9k size<8k", CandidateFilter((""), (), frozenset(), 2048, 8192)),
        ("age>30d", CandidateFilter(older_than=timedelta(days=30))),
        ("age<2h age>1.5m", CandidateFilter("", (), frozenset(), None, None,
                                           timedelta(seconds=90), timedelta(hours=2))),
        ("age>2w", CandidateFilter(older_than=timedelta(days=14))),
        (
            'thumbs/2024 verdict:orphan size>10M age>30d "x y"',
            CandidateFilter(
                "thumbs/2024", ("x y",), frozenset({ORPHAN}), 10 << 20, None, timedelta(days=30)
            ),
        ),
    ],
)  # fmt: skip
def test_a_line_means(text: str, meaning: CandidateFilter) -> None:
    assert parse_filter(text) == meaning
    assert parse_filter(filter_text(meaning)) == meaning


@pytest.mark.parametrize(
    ("text", "term", "allowed"),
    [
        ("a size>ten", "size>ten", "such as 10M"),
        ("size>", "size>", "such as 10M"),
        ("size>10X b", "size>10X", "such as 10M"),
        ("size>-1", "size>-1", "such as 10M"),
        ("age>30", "age>30", "such as 30d"),
        ("age>30M", "age>30M", "such as 30d"),
        ("age>99999999999w", "age>99999999999w", "nothing is that old"),
        ("x verdict:gone", "verdict:gone", "orphan, keep, held"),
        ("verdict:", "verdict:", "orphan, keep, held"),
        ("verdict:keep verdict:orphan", "verdict:orphan", "two verdicts"),
        ("a b", "b", "one start only"),
        ("a prefix:b", "prefix:b", "one start only"),
        ('"open', '"open', "closing quote"),
        ('~"', '~"', "closing quote"),
        ('"a\\"', '"a\\"', "closing quote"),
        ('""', '""', "a value is missing"),
        ("~", "~", "a value is missing"),
        ("prefix:", "prefix:", "a value is missing"),
        ('a"b', 'a"b', "closing quote|quote inside"),
        (r"\q", r"\q", "an escape is"),
        (r"\x1", r"\x1", "an escape is"),
        (r"\u{110000}", r"\u{110000}", "an escape is"),
        (r"\u{d800}", r"\u{d800}", "an escape is"),
        ("a\\", "a\\", "an escape is"),
    ],
)
def test_a_bad_term_is_named_with_what_is_allowed(text: str, term: str, allowed: str) -> None:
    with pytest.raises(FilterError, match=allowed) as caught:
        parse_filter(text)
    assert caught.value.term == term


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
seconds = st.integers(0, 10**9).map(lambda number: timedelta(seconds=number))
filters = st.builds(
    CandidateFilter,
    prefix=st.just("") | keys,
    containing=st.lists(keys, max_size=3).map(tuple),
    verdicts=st.frozensets(st.sampled_from(ObjectVerdict)),
    larger_than=st.none() | st.integers(0, 1 << 70),
    smaller_than=st.none() | st.integers(0, 1 << 70),
    older_than=st.none() | seconds,
    younger_than=st.none() | seconds,
)


@given(filters)
def test_a_filter_survives_being_written_down(wanted: CandidateFilter) -> None:
    text = filter_text(wanted)
    assert parse_filter(text) == wanted
    assert text.isprintable()


@given(keys)
def test_a_key_can_be_typed_as_the_screen_shows_it(key: str) -> None:
    shown = safe_text(key).replace('"', '\\"')
    assert parse_filter(f'"{shown}"') == CandidateFilter(containing=(key,))


@given(st.text(max_size=30))
def test_any_line_means_something_or_is_refused(text: str) -> None:
    try:
        meaning = parse_filter(text)
    except FilterError as error:
        refused = error
    else:
        assert parse_filter(filter_text(meaning)) == meaning
        return
    assert refused.term in text
    assert refused.allowed
