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
            async with sitting(gateway(world, whole, UNRESTRICTED), WIDE, neutral) as ops:
                await first_cycle(ops)
                await second_cycle(ops, gates)
                await looks_around(ops)
            async with sitting(gateway(world, whole, UNRESTRICTED), NARROW, neutral) as ops:
                await narrow(ops)
        async with (
            Collector.open(world.config, clock=world.clock, session=READ_ONLY) as half,
            sitting(gateway(world, half, READ_ONLY), WIDE, neutral) as ops,
        ):
            await ops.sees("READ-ONLY", "ORPHAN", "=>", "deleted")
            await ops.take("main-read-only-160x48")


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


async def scan(ops: Operator) -> None:
    """One scan, watched to its end, and shown."""
    before = ops.last_scan()
    await ops.press("s")
    await ops.sees("SCAN", "DONE")
    await ops.press("escape")
    await ops.sees("1 Candidates")
    # The list stays as it is while it is looked at, until `r`.
    while ops.last_scan() == before or not ops.has_the_last_scan():
        if "r to show" in ops.text():
            await ops.press("r")
        await ops.pilot.pause(0.1)
    await ops.sees("ORPHAN")


async def approve(ops: Operator, prefix: str, reason: str) -> None:
    """Mark all orphans with a prefix, and begin to give a reason."""
    await ops.command(f"filter {prefix}")
    await ops.sees(f"{prefix}", without="KEEP:exclusion")
    await ops.press("plus")
    await ops.sees("marked")
    await ops.press("a")
    await ops.sees("To approve, give a reason")
    # Keys that come at once are not taken: they were meant for another screen.
    await asyncio.sleep(0.6)
    await ops.type(reason)


async def first_cycle(ops: Operator) -> None:
    """A plan of some covers is executed, so that there is a history."""
    await ops.sees("no scan yet")
    await scan(ops)
    await approve(ops, "covers/", "covers of deleted accounts")
    await ops.press("enter")
    await ops.sees("approved", "ctrl+x execute")
    await confirm(ops, "photos 6")
    await ops.press("enter")
    await ops.sees("EXECUTE", "DONE", "deleted 6")
    await ops.press("escape")
    await ops.press("escape")
    await ops.sees("1 Candidates")


async def confirm(ops: Operator, phrase: str) -> None:
    """Open the execute dialog and type what it asks for."""
    await ops.press("ctrl+x")
    await ops.sees("not yet matching")
    await asyncio.sleep(0.6)
    await ops.type(phrase)


async def second_cycle(ops: Operator, gates: Path) -> None:
    """Mark, approve, execute; a picture of each screen on the way."""
    await ops.command("filter")
    await ops.sees("KEEP:exclusion", "avatars/10.jpg")
    await scan(ops)
    await ops.sees("KEEP:exclusion", "avatars/10.jpg")
    await ops.press("g", "v", "j", "j", "j", "j", "v", "j", "j")
    await ops.sees("marked 5", "=> ORPHAN")
    await ops.take("main-160x48")
    await ops.press("t")
    await ops.sees("FOLDER / KEY")
    await ops.press("g", "j", "j", "l")
    await ops.sees("> posts/", "> 16/")
    await ops.press("j", "l")
    await ops.sees("settings.json")
    await ops.take("tree-160x48")
    await ops.press("t", "backslash")
    await ops.command("filter")
    await ops.pilot.resize_terminal(*MIDDLE)
    await looks_at_an_object(ops)
    await approve(ops, "posts/", "posts that were taken down")
    await ops.take("approve")
    await ops.press("enter")
    await ops.sees("approved", "ctrl+x execute")
    await ops.take("plan")
    await confirm(ops, "photos 3")
    await ops.take("execute")
    await ops.type("0")
    await ops.press("enter")
    await ops.sees("EXECUTE", "RUNNING", "20 / 30")
    await ops.take("job-running")
    open_gates(gates, *range(3, 10))
    await ops.sees("DONE", "deleted 30")
    await ops.take("job-ended")
    await ops.press("escape")
    await ops.press("escape")
    await ops.sees("1 Candidates")


async def looks_at_an_object(ops: Operator) -> None:
    """Detail and preview of one of the posts' pictures."""
    await ops.command("filter posts/")
    await ops.sees("posts/12/image-1.png", without="KEEP:exclusion")
    await ops.press("g", "enter")
    await ops.sees("posts/12/image-1.png", "exclusion", "q back")
    await ops.take("detail")
    await ops.press("escape")
    await ops.press("i")
    await ops.sees("enter")
    await ops.press("enter")
    await ops.sees("▀")
    await ops.take("preview")
    await ops.press("escape")


async def looks_around(ops: Operator) -> None:
    """References, help, and what can be done about what was deleted."""
    await ops.press("f")
    await ops.sees("[1 Coverage]", "tracked", "v view")
    await ops.take("references")
    await ops.press("escape")
    await ops.press("question_mark")
    await ops.sees("Works in the list of candidates")
    await ops.take("help")
    await ops.press("escape")
    await ops.press("5")
    await ops.sees("5 History", "deleted 30")
    await ops.press("g", "enter")
    await ops.sees("deleted", "posts/")
    await ops.take("operation")
    await ops.press("u")
    await ops.sees("restore", "posts/12/image-1.png", without="wait:")
    await ops.take("restore")


async def narrow(ops: Operator) -> None:
    """What is left of it on a small terminal: one pane at a time."""
    await ops.sees("ORPHAN", "1 of ")
    await ops.press("space", "j", "space", "j")
    await ops.sees("marked 2")
    await ops.take("main-80x24")
    await ops.press("3")
    await ops.sees("3 Plans and jobs", "ENDED")
    await ops.take("jobs-80x24")


if __name__ == "__main__":
    asyncio.run(main())
