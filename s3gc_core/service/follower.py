"""The follower of a profile: a process that is begun again whenever it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any

import msgspec

from s3gc_core.actions.following import FOLLOW
from s3gc_core.jobs import FOLLOWER_FILE, LeaseHolder, lease_holder
from s3gc_core.service.station import Station

# Before an ended follower is begun again: from, up to. One that lived longer begins anew.
BACK_OFF_SECONDS = (1.0, 60.0)
# How often to look whether a follower that is not ours has ended.
LOOK_SECONDS = 0.5
# How long a follower may take to end when it is asked to.
END_SECONDS = 10.0
_LINE_BYTES = 1 << 20


class FollowerKeeper:
    """Keeps one profile's databases followed."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._process: Process | None = None

    async def keep(self) -> None:
        """Follow, for ever."""
        pause = BACK_OFF_SECONDS[0]
        while True:
            await self._until_free()
            began = asyncio.get_running_loop().time()
            code = await self._follow()
            if asyncio.get_running_loop().time() - began > BACK_OFF_SECONDS[1]:
                pause = BACK_OFF_SECONDS[0]
            state = self._station.state.follower
            detail = f"exit {code}, again in {pause:g} s; last told: {state.state} {state.detail}"
            state.state, state.detail, state.pid = "failed", detail, None
            state.restarts += 1
            self._station.note()
            self._station.tell("follower-ended", detail)
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACK_OFF_SECONDS[1])

    async def end(self) -> None:
        """Ask the follower to end, and end it where it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """End it at once; what it has not written it reads again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _until_free(self) -> None:
        """Wait for a follower that somebody else runs; end one that a service of this vault has
        left when it was killed.
        """
        state, before = self._station.state.follower, self._station.before
        left = before.follower.pid if before is not None else None
        while (holder := await self._holder()) is not None:
            if holder.pid == left:
                _ask_to_end(holder)
            else:
                detail = f"process {holder.pid} of {holder.actor}"
                if (state.state, state.detail) != ("elsewhere", detail):
                    state.state, state.detail = "elsewhere", detail
                    self._station.note()
                    self._station.tell("follower-elsewhere", detail)
            await asyncio.sleep(LOOK_SECONDS)

    async def _holder(self) -> LeaseHolder | None:
        """Who follows for good; a scan holds the streams for a moment only, and is waited for."""
        holder = await asyncio.to_thread(lease_holder, self._station.vault, FOLLOWER_FILE)
        return holder if holder is not None and holder.what == FOLLOW else None

    async def _follow(self) -> int:
        """Run one follower to its end; returns its exit code."""
        station, state = self._station, self._station.state.follower
        state.state, state.detail = "starting", ""
        # A session of its own: what is typed at our terminal is our business.
        process = self._process = await asyncio.create_subprocess_exec(
            *station.argv("follow"),
            stdin=DEVNULL,
            stdout=PIPE,
            env=dict(station.environment()),
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        state.pid = process.pid
        station.note()
        station.tell("follower-started", f"process {process.pid}")
        try:
            while line := await _next_line(process):
                self._hear(line)
        except (OSError, ValueError):
            # What cannot be understood is not followed: it is ended, and begun again.
            await self.end()
            raise
        return await process.wait()

    def _hear(self, line: bytes) -> None:
        record: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        if record.get("type") == "stream":
            state = self._station.state.follower
            event, database = str(record.get("event")), str(record.get("database"))
            # What costs room, or has returned, is said of a database that is followed all the same.
            if event not in ("kept", "returned"):
                state.state, state.detail = (
                    event,
                    ": ".join(filter(None, (database, str(record.get("detail", ""))))),
                )
                self._station.note()
            self._station.tell("stream", f"{database} {event}", record)


async def _next_line(process: Process) -> bytes:
    """The next line of its output; empty at the end."""
    return b"" if process.stdout is None else await process.stdout.readline()


def _ask_to_end(holder: LeaseHolder) -> None:
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it has just ended by itself
