"""When unattended runs start: `HH:MM` or a cron expression of five fields, both in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_DAILY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class BadSchedule(ValueError):
    """The text is no schedule; the message says which part and what it may be."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which a run starts. Weekdays count from Sunday = 0.

    `either_day`: day of month and weekday are both given, and one of them is enough (crontab(5)).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def matches(self, moment: datetime) -> bool:
        """Whether a run starts in the minute of `moment` (UTC)."""
        day = moment.day in self.days
        weekday = moment.isoweekday() % 7 in self.weekdays
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and (day or weekday if self.either_day else day and weekday)
        )


def parse_schedule(text: str) -> Schedule:
    """The schedule that `text` writes. Raises `BadSchedule`."""
    daily = _DAILY.fullmatch(text)
    fields = f"{int(daily[2])} {int(daily[1])} * * *".split() if daily else text.split()
    if len(fields) != 5:
        raise BadSchedule("HH:MM in UTC, or five cron fields: minute hour day month weekday")
    schedule = Schedule(
        minutes=_field("minute", fields[0], 0, 59),
        hours=_field("hour", fields[1], 0, 23),
        days=_field("day of month", fields[2], 1, 31),
        months=_field("month", fields[3], 1, 12, _MONTHS),
        weekdays=frozenset(n % 7 for n in _field("weekday", fields[4], 0, 7, _WEEKDAYS)),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    if not schedule.either_day and all(
        min(schedule.days) > _LAST_DAYS[month - 1] for month in schedule.months
    ):
        raise BadSchedule("a day that exists in one of the months (this never starts)")
    return schedule


def _field(
    name: str, text: str, low: int, high: int, words: tuple[str, ...] = ()
) -> frozenset[int]:
    """One field: a list of `*`, `a`, `a-b`, each with an optional `/step`."""
    found: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _number(name, first, low, high, words)
            end = _number(name, last, low, high, words) if dash else high if slash else start
        stride = _number(name, step, 1, high, ()) if slash else 1
        if start > end:
            raise BadSchedule(f"{name} as a rising range within {low}-{high}")
        found.update(range(start, end + 1, stride))
    return frozenset(found)


def _number(name: str, text: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text in words:
        return words.index(text) + low
    if not re.fullmatch(r"[0-9]{1,2}", text) or not low <= int(text) <= high:
        raise BadSchedule(f"{name} within {low}-{high}, * or a list, range or step of these")
    return int(text)
