"""How fast it goes and how long it may take, from looks at made-up moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3gc_tui.models.rate import SHOWN_AFTER, STALLED_AFTER, Rate, rate_words

BEGAN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def steady(per_second: int, seconds: int, rate: Rate | None = None) -> Rate:
    rate = rate or Rate.begin(BEGAN, 0)
    begin, done = (rate.at - BEGAN).total_seconds(), rate.done
    for second in range(1, seconds + 1):
        rate = rate.after(at(begin + second), done + per_second * second)
    return rate


def test_a_steady_pace_is_its_rate_and_its_remaining_time() -> None:
    rate = steady(50, 40)
    assert rate.per_second == pytest.approx(50)
    assert (rate.remaining(5_000) or ()) == pytest.approx((100.0, 100.0))
    assert rate_words(rate, at(40), 5_000) == "rate 50/s   1m 40s left"


def test_nothing_is_shown_before_there_is_enough_data() -> None:
    few = int(SHOWN_AFTER) - 1
    assert steady(50, few).per_second is None
    assert steady(50, few).remaining(100) is None
    assert rate_words(steady(50, few), at(few), 100) == "rate after 30 s of data"
    assert steady(50, few + 1).per_second is not None


def test_a_pace_that_changes_gives_a_range() -> None:
    rate = steady(10, 30, steady(100, 60))
    found = rate.remaining(1_000)
    assert found is not None
    low, high = found
    assert 10 < low < 30 < high < 100
    assert " to " in rate_words(rate, at(90), 1_000)


def test_a_slow_pace_keeps_its_fraction() -> None:
    rate = Rate.begin(BEGAN, 0)
    for second in range(4, 44, 4):
        rate = rate.after(at(second), second // 4)
    assert rate_words(rate, at(40), None) == "rate 0.2/s"


def test_without_progress_it_is_stalled_instead_of_a_frozen_number() -> None:
    rate = steady(50, 40)
    assert rate.stalled(at(40 + STALLED_AFTER - 1)) is None
    assert rate_words(rate, at(80), 100) == "stalled 40 s"


def test_a_pause_is_no_data_and_no_stall() -> None:
    rate = steady(50, 40)
    rested = rate.rested(at(1_000), rate.done)
    assert rested.stalled(at(1_001)) is None
    assert rested.per_second == rate.per_second
    assert rested.active == rate.active


def test_what_begins_anew_is_measured_anew() -> None:
    assert steady(50, 40).after(at(41), 0) == Rate.begin(at(41), 0)


def test_two_looks_at_one_moment_are_one() -> None:
    rate = steady(50, 40)
    assert rate.after(rate.at, rate.done + 10) is rate
