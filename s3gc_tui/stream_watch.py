"""How the change streams stand, asked beside everything else: their servers may take their time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from s3gc_core.errors import Refused, S3gcError
from s3gc_core.jobs import FOLLOWER_FILE, StartedJob, lease_holder
from s3gc_tui.models.picture import Picture, StreamsLook

if TYPE_CHECKING:
    from s3gc_core.collector import Collector

# Seconds between two questions to the servers, and how many an answer may take.
_PERIOD = 5.0
_LONGEST = 20.0
# How long the first look waits for its answer.
_PATIENCE_SECONDS = 0.1


class StreamWatch:
    """Asks how the streams stand, one question at a time, and who follows."""

    def __init__(self, collector: Collector, now: Callable[[], datetime]) -> None:
        self._collector = collector
        self._now = now
        self._last: StreamsLook | None = None
        self._asking: asyncio.Task[StreamsLook] | None = None
        self._again_at = 0.0
        # The follower that was started here last.
        self.started: StartedJob | None = None

    async def latest(self) -> StreamsLook | None:
        """The newest answer (None before the first one); asks again when it is time."""
        if self._asking is None and time.monotonic() >= self._again_at:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            patience = _PATIENCE_SECONDS if self._last is None else 0
            await asyncio.wait([self._asking], timeout=patience)
            if self._asking.done():
                asking, self._asking = self._asking, None
                self._last = asking.result()
                self._again_at = time.monotonic() + _PERIOD
        return self._last

    def again(self) -> None:
        """Ask at the next look, whatever time it is."""
        self._again_at = 0.0

    async def ask(self) -> StreamsLook:
        """How they stand now, however long the answer takes."""
        return await self._ask()

    async def _ask(self) -> StreamsLook:
        problem = ""
        try:
            async with asyncio.timeout(_LONGEST):
                streams = tuple(await self._collector.stream_status())
                return StreamsLook(self._now(), streams)
        except TimeoutError:
            problem = f"no answer within {_LONGEST:.0f} s"
        except S3gcError as error:
            problem = f"{error.what}; {error.next_step}"
        except OSError as error:
            problem = error.strerror or type(error).__name__
        return StreamsLook(self._now(), problem=problem)

    async def seen(self, picture: Picture) -> Picture:
        """A picture with the newest answer and who holds the streams now. Raises `OSError`."""
        path = self._collector.config.vault_path
        follower = await asyncio.to_thread(lease_holder, path, FOLLOWER_FILE)
        if follower != picture.follower:
            self.again()
        return replace(picture, follower=follower, streams=await self.latest())

    async def stop(self) -> None:
        """End the process that follows. Raises `ReadOnlySession`, `Refused`."""
        try:
            await self._collector.stop_following()
        except OSError as error:
            raise Refused(
                f"the process that follows cannot be ended: {error.strerror}",
                why="it belongs to somebody else, or is gone already",
                next_step="ask again; or end it where it was started (`s3gc follow --stop`)",
            ) from error
        self.again()

    async def close(self) -> None:
        """Give up the question that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
