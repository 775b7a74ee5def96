"""`python -m tests.screenshots`: makes screenshots/ anew, with the real dashboard and real jobs."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core.collector import Collector
from s3gc_core.session import READ_ONLY, UNRESTRICTED, Session
from s3gc_tui import terminal
from s3gc_tui.demo.world import World, small_world
from s3gc_tui.gateway import Launch
from s3gc_tui.screens import job as job_screen
from tests.screenshots.neutral import Neutral, be_somebody_else
from tests.screenshots.operator import AHEAD, Operator, ShownGateway, sitting

WIDE, NARROW = (160, 48), (80, 24)
# For screens that ask or tell one thing.
MIDDLE = (100, 30)


async def main() -> None:
    """One story of an operator, with pictures."""
    be_somebody_else()
    terminal.prepare(os.environ)
    os.environ.pop("NO_COLOR", None)
    os.environ["COLORTERM"] = "truecolor"
    tempfile.tempdir = "/tmp"  # noqa: S108 - a folder of known length, masked in the pictures
    async with small_world() as world:
        # Journals are shown with the demo's date, so they are watched with its clock.
        vars(job_screen)["utc_now"] = world.clock.now
        neutral = Neutral(world.folder, datetime.now(UTC) + AHEAD)
        gates = world.folder / "gates"
        gates.mkdir()
        open_gates(gates, *range(1, 3))
        async with Collector.open(world.config, clock=world.clock, session=UNRESTRICTED) as whole:
            async with sitting(gateway(world, whole, UNRESTRICTED), WIDE, neutral) as kim:
                await first_cycle(kim)
                await second_cycle(kim, gates)
                await looks_around(kim)
            async with sitting(gateway(world, whole, UNRESTRICTED), NARROW, neutral) as kim:
                await narrow(kim)
        async with (
            Collector.open(world.config, clock=world.clock, session=READ_ONLY) as half,
            sitting(gateway(world, half, READ_ONLY), WIDE, neutral) as kim,
        ):
            await kim.sees("READ-ONLY", "ORPHAN", "=>", "deleted")
            await kim.take("main-read-only-160x48")


def gateway(world: World, collector: Collector, session: Session) -> ShownGateway:
    """The demo's, with jobs that wait for the photographer."""
    options = ("--config", str(world.config_path))
    boundary = world.clock.first_uploads_ended.isoformat()
    module = ("-m", "tests.screenshots.job", str(world.folder / "gates"), boundary)
    launch = Launch((sys.executable, *module, *options), ("s3gc", "--profile", "photo-app"))
    return ShownGateway(collector, launch, session, clock=world.clock, profile="photo-app")


def open_gates(gates: Path, *numbers: int) -> None:
    """Let these batches of each job begin."""
    for number in numbers:
        (gates / str(number)).touch()


async def scan(kim: Operator) -> None:
    """One scan, watched to its end, and shown."""
    before = kim.last_scan()
    await kim.press("s")
    await kim.sees("SCAN", "DONE")
    await kim.press("escape")
    await kim.sees("1 Candidates")
    # The list stays as it is while it is looked at, until `r`.
    while kim.last_scan() == before or not kim.has_the_last_scan():
        if "r to show" in kim.text():
            await kim.press("r")
        await kim.pilot.pause(0.1)
    await kim.sees("ORPHAN")


async def approve(kim: Operator, prefix: str, reason: str) -> None:
    """Mark all orphans with a prefix, and begin to give a reason."""
    await kim.command(f"filter {prefix}")
    await kim.sees(f"{prefix}", without="KEEP:exclusion")
    await kim.press("plus")
    await kim.sees("marked")
    await kim.press("a")
    await kim.sees("To approve, give a reason")
    # Keys that come at once are not taken: they were meant for another screen.
    await asyncio.sleep(0.6)
    await kim.type(reason)


async def first_cycle(kim: Operator) -> None:
    """A plan of some covers is executed, so that there is a history."""
    await kim.sees("no scan yet")
    await scan(kim)
    await approve(kim, "covers/", "covers of deleted accounts")
    await kim.press("enter")
    await kim.sees("approved", "ctrl+x execute")
    await confirm(kim, "photos 6")
    await kim.press("enter")
    await kim.sees("EXECUTE", "DONE", "deleted 6")
    await kim.press("escape")
    await kim.press("escape")
    await kim.sees("1 Candidates")


async def confirm(kim: Operator, phrase: str) -> None:
    """Open the execute dialog and type what it asks for."""
    await kim.press("ctrl+x")
    await kim.sees("not yet matching")
    await asyncio.sleep(0.6)
    await kim.type(phrase)


async def second_cycle(kim: Operator, gates: Path) -> None:
    """Mark, approve, execute; a picture of each screen on the way."""
    await kim.command("filter")
    await kim.sees("KEEP:exclusion", "avatars/10.jpg")
    await scan(kim)
    await kim.sees("KEEP:exclusion", "avatars/10.jpg")
    await kim.press("g", "v", "j", "j", "j", "j", "v", "j", "j")
    await kim.sees("marked 5", "=> ORPHAN")
    await kim.take("main-160x48")
    await kim.press("t")
    await kim.sees("FOLDER / KEY")
    await kim.press("g", "j", "j", "l")
    await kim.sees("> posts/", "> 16/")
    await kim.press("j", "l")
    await kim.sees("settings.json")
    await kim.take("tree-160x48")
    await kim.press("t", "backslash")
    await kim.command("filter")
    await kim.pilot.resize_terminal(*MIDDLE)
    await looks_at_an_object(kim)
    await approve(kim, "posts/", "posts that were taken down")
    await kim.take("approve")
    await kim.press("enter")
    await kim.sees("approved", "ctrl+x execute")
    await kim.take("plan")
    await confirm(kim, "photos 3")
    await kim.take("execute")
    await kim.type("0")
    await kim.press("enter")
    await kim.sees("EXECUTE", "RUNNING", "20 / 30")
    await kim.take("job-running")
    open_gates(gates, *range(3, 10))
    await kim.sees("DONE", "deleted 30")
    await kim.take("job-ended")
    await kim.press("escape")
    await kim.press("escape")
    await kim.sees("1 Candidates")


async def looks_at_an_object(kim: Operator) -> None:
    """Detail and preview of one of the posts' pictures."""
    await kim.command("filter posts/")
    await kim.sees("posts/12/image-1.png", without="KEEP:exclusion")
    await kim.press("g", "enter")
    await kim.sees("posts/12/image-1.png", "exclusion", "q back")
    await kim.take("detail")
    await kim.press("escape")
    await kim.press("i")
    await kim.sees("enter")
    await kim.press("enter")
    await kim.sees("▀")
    await kim.take("preview")
    await kim.press("escape")


async def looks_around(kim: Operator) -> None:
    """References, help, and what can be done about what was deleted."""
    await kim.press("f")
    await kim.sees("[1 Coverage]", "tracked", "v view")
    await kim.take("references")
    await kim.press("escape")
    await kim.press("question_mark")
    await kim.sees("Works in the list of candidates")
    await kim.take("help")
    await kim.press("escape")
    await kim.press("5")
    await kim.sees("5 History", "deleted 30")
    await kim.press("g", "enter")
    await kim.sees("deleted", "posts/")
    await kim.take("operation")
    await kim.press("u")
    await kim.sees("restore", "posts/12/image-1.png", without="wait:")
    await kim.take("restore")


async def narrow(kim: Operator) -> None:
    """What is left of it on a small terminal: one pane at a time."""
    await kim.sees("ORPHAN", "1 of ")
    await kim.press("space", "j", "space", "j")
    await kim.sees("marked 2")
    await kim.take("main-80x24")
    await kim.press("3")
    await kim.sees("3 Plans and jobs", "ENDED")
    await kim.take("jobs-80x24")


if __name__ == "__main__":
    asyncio.run(main())
