"""How fast a phase goes, and how long it may still take: two moving averages, and no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import exp

from s3gc_tui.display import count, duration

# Seconds: data before a rate is shown; without progress before it is called stalled; and over
# which the two averages forget. Where they differ, the remaining time is a range.
SHOWN_AFTER = 30.0
STALLED_AFTER = 10.0
FAST, SLOW = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Average:
    """An exponentially weighted mean over time; true from its first value on."""

    forgets: float
    sum: float = 0.0
    weight: float = 0.0

    def after(self, value: float, seconds: float) -> Average:
        """With a value that held for so long."""
        kept = exp(-seconds / self.forgets)
        return replace(
            self,
            sum=self.sum * kept + value * (1 - kept),
            weight=self.weight * kept + (1 - kept),
        )

    @property
    def value(self) -> float:
        """The mean; 0 before any value."""
        return self.sum / self.weight if self.weight else 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """`done` units as of `at`; `active` seconds of data, pauses left out."""

    at: datetime
    done: int
    progressed_at: datetime
    active: float = 0.0
    fast: Average = Average(FAST)
    slow: Average = Average(SLOW)

    @classmethod
    def begin(cls, at: datetime, done: int) -> Rate:
        """Nothing is known yet."""
        return cls(at, done, at)

    def after(self, at: datetime, done: int) -> Rate:
        """With one more look. A look at the same moment as the last one tells nothing."""
        seconds = (at - self.at).total_seconds()
        if seconds <= 0:
            return self
        if done < self.done:
            return Rate.begin(at, done)
        speed = (done - self.done) / seconds
        return Rate(
            at,
            done,
            at if done > self.done else self.progressed_at,
            self.active + seconds,
            self.fast.after(speed, seconds),
            self.slow.after(speed, seconds),
        )

    def rested(self, at: datetime, done: int) -> Rate:
        """After a pause, whose time is no data."""
        return replace(self, at=at, done=done, progressed_at=at)

    @property
    def per_second(self) -> float | None:
        """Units a second; None before there is enough data."""
        return self.slow.value if self.active >= SHOWN_AFTER else None

    def stalled(self, now: datetime) -> float | None:
        """Seconds without progress; None while there is some."""
        still = (now - self.progressed_at).total_seconds()
        return still if still >= STALLED_AFTER else None

    def remaining(self, units: int) -> tuple[float, float] | None:
        """Seconds for so many units, at best and at worst; None where that is not known."""
        low, high = sorted((self.fast.value, self.slow.value))
        if self.per_second is None or low <= 0:
            return None
        return units / high, units / low


def rate_words(rate: Rate, now: datetime, left: int | None) -> str:
    """The rate for people. `left` units are to do, None where nobody knows."""
    stalled = rate.stalled(now)
    if stalled is not None:
        return f"stalled {duration(stalled)}"
    speed = rate.per_second
    if speed is None:
        return f"rate after {SHOWN_AFTER:.0f} s of data"
    words = f"rate {count(round(speed))}/s" if speed >= 10 else f"rate {speed:.1f}/s"
    span = rate.remaining(left) if left else None
    if span is None:
        return words
    low, high = (duration(seconds) for seconds in span)
    return f"{words}   {low} left" if low == high else f"{words}   {low} to {high} left"
