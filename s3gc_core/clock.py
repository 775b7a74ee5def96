"""What time it is: ours, and the object store's. Injected, so that tests can let days pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


def utc_now() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Two readings, both aware datetimes in UTC."""

    def now(self) -> datetime:
        """Our own time: stamps of records, expiry of plans."""
        ...

    def bucket_now(self, server_date: datetime) -> datetime:
        """The store's time, from the `Date` header it just sent. Ages of objects count from it."""
        ...


class SystemClock:
    """The machine's clock and the server's own word."""

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return utc_now()

    def bucket_now(self, server_date: datetime) -> datetime:
        """The server's `Date`, as it was sent."""
        return server_date


class ShiftedClock:
    """Real time plus a shift that can be moved: `clock.advance(timedelta(days=10))`."""

    def __init__(self, shift: timedelta = timedelta()) -> None:
        self.shift = shift

    def advance(self, by: timedelta) -> None:
        """Let `by` pass."""
        self.shift += by

    def now(self) -> datetime:
        """The machine's time plus the shift."""
        return utc_now() + self.shift

    def bucket_now(self, server_date: datetime) -> datetime:
        """The server's `Date` plus the shift."""
        return server_date + self.shift
