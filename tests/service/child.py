"""`python -m tests.service.child PLAN`: `s3gc serve` as a process, for which time goes faster.

PLAN is a file of `Plan`. Each event of the service is a line of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from s3gc_core.clock import utc_now
from s3gc_core.config import Config
from s3gc_core.config_file import load_config
from s3gc_core.service import Profile, ServiceEvent, follower, scheduled_runs, serve

# How it ends when it is asked to, and only then.
ENDED = 143


class Plan(msgspec.Struct, frozen=True):
    """What to serve, by which clock: real time from `began` on, so many times as fast."""

    profiles: dict[str, str]
    began: datetime
    at: datetime
    speed: float
    program: list[str]
    safe_seconds: float = 20.0
    api: str = ""


class FastClock:
    """The time of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def now(self) -> datetime:
        """Now, on its time line."""
        return self._plan.at + (utc_now() - self._plan.began) * self._plan.speed

    def bucket_now(self, server_date: datetime) -> datetime:
        """The store is not asked by the service."""
        raise NotImplementedError


class Api:
    """An admin API that only leaves a sign of its coming and going."""

    def __init__(self, sign: Path) -> None:
        self._sign = sign

    def __call__(self, profiles: Mapping[str, Config]) -> AbstractAsyncContextManager[None]:
        @asynccontextmanager
        async def listening():  # type: ignore[no-untyped-def]
            self._sign.write_text(f"up {sorted(profiles)}")
            yield
            self._sign.write_text("down")

        return listening()


async def main(plan: Plan) -> None:
    """Serve until a signal comes; a second one is a second cancellation."""
    profiles = [
        Profile(name, ("--config", path), load_config(Path(path)))
        for name, path in plan.profiles.items()
    ]
    scheduled_runs.LOOK_SECONDS = follower.LOOK_SECONDS = 0.05
    scheduled_runs.BACK_OFF_SECONDS = follower.BACK_OFF_SECONDS = (0.2, 1.0)
    scheduled_runs.SAFE_SECONDS = plan.safe_seconds

    def told(event: ServiceEvent) -> None:
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()

    api = Api(Path(plan.api)) if plan.api else None
    task = asyncio.ensure_future(
        serve(profiles, told, clock=FastClock(plan), program=plan.program, api=api)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        sys.exit(ENDED)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)))
