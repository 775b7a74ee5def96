"""What a session may change: nothing, everything, or everything until a moment that it named.

A dashboard is read-only unless it was started with `--write`; the core refuses by itself, so that
no mistake in what draws the screen can delete anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from s3gc_core.clock import utc_now
from s3gc_core.errors import ReadOnlySession

# Set (to anything) in the environment, a process is read-only; a job inherits it from its starter.
READ_ONLY_VARIABLE = "S3GC_READ_ONLY"


@dataclass(frozen=True, slots=True)
class Session:
    """May write until `write_until` (UTC, the machine's clock); None is never, `FOREVER` always."""

    write_until: datetime | None
    now: Callable[[], datetime] = utc_now

    @property
    def may_write(self) -> bool:
        """Whether changes are allowed at this moment."""
        return self.write_until is not None and self.now() < self.write_until

    def check(self, what: str) -> None:
        """Raise `ReadOnlySession` unless `what` may be done now."""
        if self.write_until is None:
            raise ReadOnlySession(f"this session is read-only, so it does not {what}")
        if not self.may_write:
            ended = f"{self.write_until:%H:%M} UTC"
            raise ReadOnlySession(f"this session could write until {ended}: it does not {what}")


FOREVER = datetime.max.replace(tzinfo=UTC)
READ_ONLY = Session(None)
UNRESTRICTED = Session(FOREVER)
