"""When unattended runs start: `HH:MM` or a cron expression of five fields, both in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

ALLOWED = "HH:MM in UTC, or five cron fields: minute hour day month weekday"

_DAILY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# No field of a schedule is longer than all of its minutes, one by one.
_LONGEST_FIELD = 200
# The library takes "4-4/2" for "4/2", where crontab(5) has the 4 alone.
_STEP_OF_ONE = re.compile(r"\b0*(\w+)-0*\1/|\b[a-z]+-[0-9]+/|\b[0-9]+-[a-z]+/", re.IGNORECASE)
# By the library's word for a field.
_FIELDS = {
    "minute": "minute within 0-59",
    "hour": "hour within 0-23",
    "day-of-month": "day of month within 1-31, in one of the months",
    "month": "month within 1-12 or jan-dec",
    "day-of-week": "weekday within 0-7 or sun-sat",
}


class BadSchedule(ValueError):
    """The text is no schedule; the message says which part and what it may be."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments at which runs are due, as crontab(5) has them. Made by `parse_schedule`.

    `fields` are the five of cron: where day and weekday are both given, one of them is enough.
    """

    fields: str

    def after(self, moment: datetime) -> datetime:
        """The first moment after this one. Both are UTC."""
        return next(CronSim(self.fields, moment.astimezone(UTC)))

    def until(self, moment: datetime) -> datetime:
        """The last moment that is not after this one. Both are UTC."""
        # The library looks for what is strictly before.
        whole = moment.astimezone(UTC).replace(second=0, microsecond=0)
        return next(CronSim(self.fields, whole.replace(second=1), reverse=True))


def parse_schedule(text: str) -> Schedule:
    """The schedule that `text` writes. Raises `BadSchedule`."""
    daily = _DAILY.fullmatch(text)
    fields = f"{int(daily[2])} {int(daily[1])} * * *".split() if daily else text.split()
    # The library knows a sixth field, of seconds.
    if len(fields) != 5 or max(map(len, fields)) > _LONGEST_FIELD:
        raise BadSchedule(ALLOWED)
    if any(map(_STEP_OF_ONE.search, fields)):
        raise BadSchedule("a step through a range of more than one, such as 4-8/2")
    schedule = Schedule(" ".join(fields))
    now = datetime(2000, 1, 1, tzinfo=UTC)
    problem = ""
    try:
        schedule.after(now)
        schedule.until(now)
    except CronSimError as error:
        problem = str(error).removeprefix("Bad ")
    except StopIteration:
        problem = "never"
    if problem == "never":
        raise BadSchedule("a day that exists in one of the months (this never starts)")
    if problem:
        field = _FIELDS.get(problem)
        syntax = "* or a list, range or step of these"
        raise BadSchedule(f"{field}, {syntax}" if field else ALLOWED)
    return schedule
