"""A follower's own beats: they say for which moment the registry is true, let the server forget
what is applied, and notice a stream that has fallen silent.
"""

from __future__ import annotations

from datetime import datetime
from time import monotonic

from s3gc_core.clock import Clock
from s3gc_core.databases import Beat, Following
from s3gc_core.errors import StreamLost
from s3gc_core.references.chain import refuse_set_back
from s3gc_core.references.registry import Registry

# How often we beat while following.
BEAT_SECONDS = 1.0
# So long a beat may be missing from a stream that tells nothing else: it lacks our own row.
SILENCE_SECONDS = 60.0


async def beat_after(following: Following, database: str, counter: int) -> Beat:
    """Make a beat now, after the beat `counter`, which the stream has told.

    Raises `StreamLost`, also where the row was set back, `DatabaseUnreachable`.
    """
    beat = await following.beat()
    refuse_set_back(database, beat, counter)
    return beat


class Beats:
    """Goes on with each step of a session."""

    def __init__(
        self, registry: Registry, following: Following, database: str, clock: Clock
    ) -> None:
        self._registry = registry
        self._following = following
        self._database = database
        self._clock = clock
        self._made: tuple[int, datetime, str] | None = None
        self._made_at = 0.0
        self._quiet_since: float | None = None

    async def go_on(self, counter: int, *, idle: bool, is_whole: bool) -> None:
        """The stream has come to the beat `counter`; `idle` if nothing came in the last step.

        The registry is asked only if it `is_whole`: between transactions. Raises `StreamLost`,
        `DatabaseUnreachable`.
        """
        now = monotonic()
        self._quiet_since = (self._quiet_since or now) if idle else None
        if is_whole and self._made is not None and counter >= self._made[0]:
            await self._registry.confirm(self._database, *self._made)
            self._made = None
        if self._made is None:
            if now >= self._made_at + BEAT_SECONDS:
                # The moment before: what was committed by then comes before the beat.
                at = self._clock.now()
                beat = await beat_after(self._following, self._database, counter)
                self._made = beat.counter, at, beat.token
                self._made_at = now
        elif self._quiet_since is not None and now - max(self._quiet_since, self._made_at) > (
            SILENCE_SECONDS
        ):
            raise StreamLost(
                "heartbeat-silent",
                f"{self._database}: the stream tells nothing, not even our own heartbeat",
            )
