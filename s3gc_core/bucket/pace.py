"""How fast the store is asked: one pace for all workers of a bucket, by the operator's limits.

Beside what the store itself demands by SlowDown, which the client's own adaptive limit obeys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3gc_core.config import Config

MB = 1_000_000
# What may be saved up while nothing is asked, in seconds of the limit: no burst to speak of.
_SAVED_SECONDS = 0.1
# Never wait for a turn, though they count: the databases were asked right before them.
_AT_ONCE = frozenset({"DeleteObjects", "DeleteObject"})


class Allowance:
    """A limit of so many units a second; 0 is none. Plain arithmetic on seconds it is told."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * _SAVED_SECONDS)
        self._left = self._most
        self._at = now

    def take(self, units: float, now: float) -> float:
        """Take `units`; returns the seconds to wait before they may be used.

        More than there is becomes a debt, which whoever comes next waits for, too: so the first to
        come is the first to go, and a unit larger than any saving goes all the same.
        """
        if not self._per_second:
            return 0.0
        saved = self._left + max(0.0, now - self._at) * self._per_second
        self._left = min(self._most, saved) - units
        self._at = max(self._at, now)
        return max(0.0, -self._left / self._per_second)


class Pace:
    """Requests, and bytes of object bodies both ways, a second; 0 sets no limit.

    `clock` tells seconds, `sleep` waits so many.
    """

    def __init__(
        self,
        requests: float,
        body_bytes: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._requests = Allowance(requests, clock())
        self._bytes = Allowance(body_bytes, clock())
        self._clock = clock
        self._sleep = sleep

    @classmethod
    def of(cls, config: Config) -> Pace:
        """The configured limits."""
        return cls(config.max_requests_per_second, config.max_bandwidth_mb_per_second * MB)

    @classmethod
    def unlimited(cls) -> Pace:
        """For whoever has waited already."""
        return cls(0, 0)

    def sent(self, count: int) -> None:
        """Count requests that could not wait: whoever comes next waits for them, too."""
        self._requests.take(count, self._clock())

    async def body(self, size: int) -> None:
        """Wait until `size` bytes of a body may be sent, or were due."""
        await self._wait(self._bytes.take(size, self._clock()))

    async def before_signing(self, operation_name: str, **_: Any) -> None:
        """Called for each try of each request. Not later: a signature is good for minutes only."""
        seconds = self._requests.take(1, self._clock())
        if operation_name not in _AT_ONCE:
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)
