"""`s3gc serve`: schedule, follower, drills and replica of one or several profiles, until ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

from s3gc_core.actions.scheduled import Timed
from s3gc_core.clock import Clock, SystemClock
from s3gc_core.config import Config
from s3gc_core.config_schedule import parse_schedule
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.jobs import SERVICE_FILE, actor, vault_lease
from s3gc_core.service.due import jitter_of
from s3gc_core.service.events import Told
from s3gc_core.service.follower import FollowerKeeper
from s3gc_core.service.notify import Notifier
from s3gc_core.service.profiles import Profile, refuse_shared
from s3gc_core.service.scheduled_runs import ScheduledRuns, end_scheduled
from s3gc_core.service.shipping import ReplicaKeeper
from s3gc_core.service.station import PROGRAM, Station

# How often the state is written at least; and the pause after which a part is begun again that
# ended by an error: from, up to.
HEARTBEAT_SECONDS = 5.0
BACK_OFF_SECONDS = (1.0, 60.0)
# How long the admin API may take to end.
API_SECONDS = 10.0


class AdminApi(Protocol):
    """What answers requests beside the schedule, for all profiles by their names.

    Entering it raises where it cannot listen; leaving it ends it.
    """

    def __call__(self, profiles: Mapping[str, Config]) -> AbstractAsyncContextManager[object]:
        """Answer requests as long as the block lasts."""
        ...


class Served:
    """One profile while it is served."""

    def __init__(self, station: Station) -> None:
        config = station.profile.config
        self.station = station
        self._follower = FollowerKeeper(station) if any(d.cdc for d in config.databases) else None
        self._shipper = ReplicaKeeper(station) if config.replica is not None else None
        self._runs = {Timed.RUN: _runs(station, Timed.RUN, config.schedule_cron)}
        if config.drill_cron:
            sample = ("--sample", str(config.drill_sample))
            self._runs[Timed.DRILL] = _runs(station, Timed.DRILL, config.drill_cron, sample)

    def parts(self) -> list[Coroutine[Any, Any, None]]:
        """Everything that goes on until the service ends."""
        keepers = {f"schedule of {kind}s": runs.keep for kind, runs in self._runs.items()}
        if self._follower is not None:
            keepers["follower"] = self._follower.keep
        if self._shipper is not None:
            keepers["replica"] = self._shipper.keep
        return [_again(self.station, name, keep) for name, keep in keepers.items()]

    async def end(self) -> None:
        """Ask what is under way to end; returns within a bounded time."""
        ending = [end_scheduled(self.station)]
        ending += [child.end() for child in (self._follower, self._shipper) if child is not None]
        try:
            ends = await asyncio.gather(*ending, return_exceptions=True)
        finally:
            self.station.note()
        for error in ends:
            if error is not None:
                raise error

    def kill(self) -> None:
        """End at once what cannot go on by itself."""
        for child in (self._follower, self._shipper):
            if child is not None:
                child.kill()


async def serve(
    profiles: Sequence[Profile],
    told: Told,
    *,
    clock: Clock | None = None,
    program: Sequence[str] = PROGRAM,
    api: AdminApi | None = None,
) -> None:
    """Serve until cancelled; then no new work, and what is under way is asked to end, within a
    bounded time. Cancelled again, it ends at once: a run that is at work goes on by itself.

    Raises `ConfigurationError` where two profiles share what each must have of its own, and
    `VaultBusy` where a vault is served already.
    """
    clock = clock or SystemClock()
    notify = Notifier.of(os.environ)
    await refuse_shared(profiles)
    async with AsyncExitStack() as stack:
        for profile in profiles:
            path, what = profile.config.vault_path, f"service of profile {profile.name}"
            stack.enter_context(vault_lease(path, new_id(), what, actor(), file=SERVICE_FILE))
        served = [Served(Station.open(profile, clock, told, program)) for profile in profiles]
        beside = await stack.enter_async_context(AsyncExitStack())
        if api is not None:
            await beside.enter_async_context(api({p.name: p.config for p in profiles}))
        for one in served:
            one.station.note()
            one.station.tell("serving", f"vault {one.station.vault}")
        tasks = [asyncio.create_task(part) for one in served for part in one.parts()]
        tasks.append(asyncio.create_task(_beat([one.station for one in served], notify)))
        notify("READY=1")
        try:
            await asyncio.gather(*tasks)
        finally:
            notify("STOPPING=1")
            try:
                await _stop(served, tasks, beside)
            except BaseException:
                for one in served:
                    one.kill()
                raise


def _runs(station: Station, kind: Timed, cron: str, more: tuple[str, ...] = ()) -> ScheduledRuns:
    jitter = jitter_of(station.profile.config, kind)
    return ScheduledRuns(station, kind, parse_schedule(cron), jitter, more)


async def _again(station: Station, name: str, keep: Callable[[], Awaitable[None]]) -> None:
    """Go on with a part of the service, also after an error, which is told."""
    least, most = BACK_OFF_SECONDS
    pause = least
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await keep()
        except S3gcError as error:
            station.tell("part-failed", f"{name}: {error.what}")
        except (OSError, ValueError) as error:
            station.tell("part-failed", f"{name}: {type(error).__name__}: {error}")
        if asyncio.get_running_loop().time() - began > most:
            pause = least
        await asyncio.sleep(pause)
        pause = min(pause * 2, most)


async def _beat(stations: Sequence[Station], notify: Notifier) -> None:
    """Show that we live: in the state, and to systemd where it asks."""
    asked = notify.watchdog_seconds
    pause = HEARTBEAT_SECONDS if asked is None else min(HEARTBEAT_SECONDS, asked / 3)
    while True:
        for station in stations:
            station.note()
        notify("WATCHDOG=1")
        await asyncio.sleep(pause)


async def _stop(
    served: Sequence[Served], tasks: Sequence[asyncio.Task[None]], beside: AsyncExitStack
) -> None:
    """No new work; then whoever asks is told nothing more, and what is under way ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in served:
        one.station.state.is_stopping = True
        one.station.note()
        one.station.tell("stopping")
    try:
        async with asyncio.timeout(API_SECONDS):
            await beside.aclose()
    except TimeoutError:
        served[0].station.tell("part-failed", "the admin API did not end in time")
    ends = await asyncio.gather(*(one.end() for one in served), return_exceptions=True)
    for one, error in zip(served, ends, strict=True):
        if isinstance(error, S3gcError | OSError):
            one.station.tell("part-failed", f"ending: {error}")
        elif error is not None:
            raise error
