"""Somebody who sits at the dashboard, presses keys, reads the screen and takes pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

import msgspec
from textual.pilot import Pilot

from s3gc_core.jobs import Job, JobEvents
from s3gc_tui.app import Dashboard
from s3gc_tui.demo.world import RETENTION
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.picture import Picture
from s3gc_tui.widgets.candidate_list import CandidateList
from tests.screenshots import pictures
from tests.screenshots.neutral import FREE_BYTES, Neutral

SECONDS = 25.0
# The demo's clock, beyond the machine's by which journals are kept.
AHEAD = RETENTION


class ShownGateway(Gateway):
    """The real one. Its journals have the demo's date, its disk the same room on each machine."""

    async def picture(self) -> Picture:
        found = await super().picture()
        vault = replace(found.vault, free_bytes=FREE_BYTES) if found.vault else None
        return replace(found, vault=vault, jobs=tuple(_ahead(job) for job in found.jobs))

    async def job(self, operation_id: str) -> Job | None:
        found = await super().job(operation_id)
        return _ahead(found) if found else None

    async def job_events(self, operation_id: str, after_offset: int = 0) -> JobEvents:
        found = await super().job_events(operation_id, after_offset)
        events = [msgspec.structs.replace(one, at=one.at + AHEAD) for one in found.events]
        return replace(found, events=tuple(events))


def _ahead(job: Job) -> Job:
    state = job.state
    if state is None:
        return job
    moved = {
        name: getattr(state, name) + AHEAD
        for name in ("started_at", "heartbeat_at", "ended_at")
        if getattr(state, name) is not None
    }
    return replace(job, state=msgspec.structs.replace(state, **moved))


@dataclass(slots=True)
class Operator:
    """Looks at one dashboard."""

    app: Dashboard
    pilot: Pilot[str]
    neutral: Neutral

    def text(self) -> str:
        """What the screen shows."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    def last_scan(self) -> str | None:
        """The last finished scan that the dashboard knows of."""
        picture = self.app.main.picture
        last = picture.status.last_scan if picture and picture.status else None
        return last.scan_id if last else None

    def has_the_last_scan(self) -> bool:
        """Whether the list is of the last scan, and of all of it."""
        snapshot = self.app.main.query_one(CandidateList).snapshot
        same = snapshot is not None and snapshot.scan_id == self.last_scan()
        return same and " partial" not in self.text() and "r to show" not in self.text()

    async def sees(self, *texts: str, without: str = "\0") -> None:
        """Wait until all of this is on the screen."""
        await self._until(
            lambda: all(one in self.text() for one in texts) and without not in self.text()
        )

    async def _until(self, right: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while not right():
                    await self.pilot.pause(0.05)
        except TimeoutError:
            raise AssertionError(f"never shown; the screen is:\n{self.text()}") from None

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """As a person types: the next character once the last one is there."""
        for end, character in enumerate(text, start=1):
            await self.press("space" if character == " " else character)
            await self.sees(text[:end].rstrip())

    async def command(self, text: str) -> None:
        """Type into the line that `:` opens."""
        await self.press("colon")
        await self.type(text)
        await self.press("enter")

    async def take(self, name: str) -> None:
        """Take a picture of what is there once it has been drawn."""
        await self.pilot.pause(0.3)
        svg = self.app.export_screenshot(title="s3gc")
        pictures.write(name, self.neutral.clean(svg))
        print(f"screenshots/{name}.svg, .png")  # noqa: T201 - a command's output


@asynccontextmanager
async def sitting(
    gateway: Gateway, size: tuple[int, int], neutral: Neutral
) -> AsyncIterator[Operator]:
    """A dashboard of that many columns and rows, and its operator."""
    app = Dashboard(gateway.about.bucket, lambda: nullcontext(gateway))
    async with app.run_test(size=size) as pilot:
        ops = Operator(app, pilot, neutral)
        await ops._until(lambda: app._main is not None)
        yield ops
