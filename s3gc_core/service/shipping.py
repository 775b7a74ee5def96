"""Keeping the replica up to date between operations, which ship when they end."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, Process

from s3gc_core.errors import ExitCode
from s3gc_core.replica import ReplicaLag, replica_lag
from s3gc_core.service.station import Station

# How often to look whether the replica lacks anything; and how much longer after failures, up to.
LOOK_SECONDS, MOST_SECONDS = 60.0, 900.0
# How long a shipment may take to end once it is asked to.
END_SECONDS = 20.0


class ReplicaKeeper:
    """Ships what a profile's replica lacks."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._process: Process | None = None

    async def keep(self) -> None:
        """Ship whenever something is lacking, for ever."""
        pause = LOOK_SECONDS
        while True:
            lag = await self._lag()
            if lag is not None and lag.records:
                code = await self._ship()
                is_shipped = code in (ExitCode.DONE, ExitCode.BUSY)
                pause = LOOK_SECONDS if is_shipped else min(pause * 2, MOST_SECONDS)
                lag = await self._lag()
                if not is_shipped:
                    self._station.tell("replica-behind", f"exit {code}: {_words(lag)}")
                elif code == ExitCode.DONE:
                    self._station.tell("shipped", _words(lag))
            self._station.state.replica = _words(lag)
            self._station.note()
            await asyncio.sleep(pause)

    async def end(self) -> None:
        """End a shipment, within a bounded time; the next one goes on where it was."""
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _lag(self) -> ReplicaLag | None:
        async with self._station.audit() as audit:
            return await replica_lag(self._station.profile.config, audit, self._station.clock.now())

    async def _ship(self) -> int:
        station = self._station
        process = self._process = await asyncio.create_subprocess_exec(
            *station.argv("vault", "replicate"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            env=dict(station.environment()),
            start_new_session=True,
        )
        return await process.wait()


def _words(lag: ReplicaLag | None) -> str:
    if lag is None:
        return ""
    behind = f"{lag.records} records behind" if lag.records else "has everything"
    return f"{behind}; {lag.problem}" if lag.problem else behind
