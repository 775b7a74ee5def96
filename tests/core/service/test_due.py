"""Days of schedules, simulated: exactly the runs that crontab(5) and downtime leave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.config import Config
from s3gc_core.config_schedule import parse_schedule
from s3gc_core.service.due import due, jitter_of

MINUTE = timedelta(minutes=1)
# A Sunday, the last of a month of 30 days two before the end of the next.
BEGIN = datetime(2026, 11, 29, tzinfo=UTC)
Span = tuple[int, int]


def numbers(field: str, low: int, high: int) -> set[int]:
    """What a field of cron means, said once more and apart from the product."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start, end = (low, high) if span == "*" else (int(first), int(last) if dash else int(first))
        if step and not dash and span != "*":
            end = high
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def slots(text: str, begin: datetime, end: datetime) -> list[datetime]:
    """Every minute from `begin` to before `end` in which crontab(5) starts a command."""
    if ":" in text:
        text = f"{int(text[3:])} {int(text[:2])} * * *"
    minute, hour, day, month, weekday = text.split()
    either = not day.startswith("*") and not weekday.startswith("*")
    minutes, hours = numbers(minute, 0, 59), numbers(hour, 0, 23)
    days, months = numbers(day, 1, 31), numbers(month, 1, 12)
    weekdays = {number % 7 for number in numbers(weekday, 0, 7)}

    def fits(at: datetime) -> bool:
        by_day, by_weekday = at.day in days, at.isoweekday() % 7 in weekdays
        return (
            at.minute in minutes
            and at.hour in hours
            and at.month in months
            and (by_day or by_weekday if either else by_day and by_weekday)
        )

    each = (begin + MINUTE * n for n in range(int((end - begin) / MINUTE)))
    return [at for at in each if fits(at)]


def is_up(at: datetime, downtimes: Sequence[Span]) -> bool:
    since = int((at - BEGIN) / MINUTE)
    return not any(begin <= since < end for begin, end in downtimes)


def simulated(
    text: str, days: int, downtimes: Sequence[Span], jitter: timedelta, takes: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """(slot, start) of each run, by a service that sleeps until what it was told to wait for."""
    schedule, last, free = parse_schedule(text), None, BEGIN
    now = BEGIN
    while now < BEGIN + timedelta(days=days):
        if is_up(now, downtimes) and now >= free:
            next_one = due(last, BEGIN, now, schedule, jitter)
            if next_one.is_now:
                yield next_one.slot, now
                last, free = next_one.slot, now + takes
            else:
                assert now < next_one.at == next_one.slot + jitter
                now = max(now, next_one.at - MINUTE)
        now += MINUTE


def expected(
    text: str, days: int, downtimes: Sequence[Span], jitter: timedelta, takes: timedelta
) -> list[tuple[datetime, datetime]]:
    """The same from the definition: at each minute that could start a run, the newest slot that
    has come and is newer than the last run's.
    """
    end = BEGIN + timedelta(days=days)
    every = [s for s in slots(text, BEGIN - jitter, end) if s + jitter > BEGIN]
    found: list[tuple[datetime, datetime]] = []
    free = BEGIN
    for n in range(int((end - BEGIN) / MINUTE)):
        now = BEGIN + MINUTE * n
        come = every[: bisect_right(every, now - jitter)][-1:]
        if (
            come
            and (not found or come[-1] > found[-1][0])
            and now >= free
            and is_up(now, downtimes)
        ):
            found.append((come[-1], now))
            free = now + takes
    return found


SCHEDULES = (
    "02:30", "00:00", "23:59", "*/7 * * * *", "0 */6 * * *", "15,45 9-17 * * 1-5", "0 3 1 * *",
    "0 4 * * 0", "30 12 30 11 7", "0 0 */2 * 1", "5/20 3 * * *", "10 1 29 2 *",
)  # fmt: skip
NEVER_DOWN: tuple[Span, ...] = ()
DOWN = ((100, 400), (1000, 1001), (1435, 1500), (1600, 2000))


@pytest.mark.parametrize("downtimes", [NEVER_DOWN, DOWN], ids=["up", "down"])
@pytest.mark.parametrize("jitter", [0, 11, 90])
@pytest.mark.parametrize("text", SCHEDULES)
def test_two_days_of_a_schedule(text: str, jitter: int, downtimes: tuple[Span, ...]) -> None:
    course = text, 2, downtimes, MINUTE * jitter, MINUTE * 20
    assert list(simulated(*course)) == expected(*course)


def test_a_daily_run_by_the_letter() -> None:
    runs = simulated("02:30", 3, (), timedelta(), MINUTE)
    assert [f"{start:%d %H:%M}" for _, start in runs] == ["29 02:30", "30 02:30", "01 02:30"]
    # Down over two nights, until ten: one run makes up for both, and the third is on time.
    runs = simulated("02:30", 3, [(60, 34 * 60)], timedelta(), MINUTE)
    made_up = [(f"{slot:%d %H:%M}", f"{start:%d %H:%M}") for slot, start in runs]
    assert made_up == [("30 02:30", "30 10:00"), ("01 02:30", "01 02:30")]


def test_a_run_longer_than_its_period_leaves_out_what_it_covers() -> None:
    runs = simulated("*/5 * * * *", 1, (), timedelta(), MINUTE * 12)
    first = [(f"{slot:%H:%M}", f"{start:%H:%M}") for slot, start in runs][:3]
    assert first == [("00:05", "00:05"), ("00:15", "00:17"), ("00:25", "00:29")]


def test_what_was_due_before_the_vault_was_served_is_nobodys() -> None:
    schedule = parse_schedule("02:30")
    at_ten = BEGIN + timedelta(hours=10)
    first = due(None, at_ten, at_ten, schedule, timedelta())
    assert (first.is_now, first.at) == (False, BEGIN + timedelta(days=1, hours=2, minutes=30))


def test_a_clock_that_was_ahead_silences_nothing() -> None:
    schedule = parse_schedule("02:30")
    ahead = BEGIN + timedelta(days=4000, hours=2, minutes=30)
    at_ten = BEGIN + timedelta(hours=10)
    assert not due(ahead, at_ten, at_ten, schedule, timedelta()).is_now
    next_day = due(ahead, at_ten, at_ten + timedelta(days=1), schedule, timedelta())
    assert (next_day.is_now, next_day.slot.day) == (True, 30)


@settings(max_examples=60)
@given(
    text=st.sampled_from(SCHEDULES),
    downtimes=st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1439)), max_size=4),
    jitter=st.integers(0, 200),
    takes=st.integers(1, 200),
)
def test_any_day(text: str, downtimes: list[Span], jitter: int, takes: int) -> None:
    course = text, 1, downtimes, MINUTE * jitter, MINUTE * takes
    assert list(simulated(*course)) == expected(*course)


def test_jitter_is_the_vaults_own_and_spreads(tmp_path: Path) -> None:
    vaults = [
        Config("photos", vault_path=tmp_path / str(n), schedule_jitter_seconds=600)
        for n in range(200)
    ]
    found = [jitter_of(vault, "run") for vault in vaults]
    assert found == [jitter_of(vault, "run") for vault in vaults]
    assert timedelta() <= min(found) < timedelta(seconds=60)
    assert timedelta(seconds=540) < max(found) <= timedelta(seconds=600)
    assert len(set(found)) > 100
    assert jitter_of(Config("photos", vault_path=tmp_path), "run") == timedelta()
