"""Opening the dashboard: on a terminal that can show it, with a collector that may do so much."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.clock import Clock
from s3gc_core.config_file import find_config, load_config
from s3gc_core.errors import ExitCode, S3gcError
from s3gc_core.session import READ_ONLY, READ_ONLY_VARIABLE, Session
from s3gc_tui import terminal
from s3gc_tui.gateway import Gateway, Later, Launch
from s3gc_tui.running import tell_error

if TYPE_CHECKING:
    from s3gc_core.collector import Collector


def run_dashboard(args: argparse.Namespace) -> int:
    """Show dashboards until the operator leaves; returns the exit code."""
    try:
        terminal.refuse_what_cannot_draw(os.environ)
        terminal.prepare(os.environ)
        profile: str | None = args.profile
        config: Path | None = args.config
        session = session_of(args.write)
        while True:
            code, following = asyncio.run(_one(config, profile, session))
            if following is None:
                return code
            # Another configuration was asked for. What it may do has to be asked for again.
            config, profile, session = None, following, READ_ONLY
    except S3gcError as error:
        tell_error(error)
        return error.exit_code


def session_of(minutes: int | None) -> Session:
    """A session that may write for so many minutes from now; None is read-only."""
    if minutes is None or os.environ.get(READ_ONLY_VARIABLE):
        return READ_ONLY
    return Session(datetime.now(UTC) + timedelta(minutes=minutes))


async def _one(
    config: Path | None, profile: str | None, session: Session
) -> tuple[int, str | None]:
    path = find_config(config, profile)
    settings = load_config(path, os.environ)
    options = ["--profile", profile] if profile else ["--config", str(path.absolute())]

    def opened() -> AbstractAsyncContextManager[Collector]:
        # Imported in the thread that opens it, after the first paint.
        from s3gc_core import collector

        return collector.Collector.open(settings, session=session)

    launch = Launch.of_configuration(options)
    return await show(Later(settings, opened), launch, session, profile=profile or "")


async def show(
    collector: Later,
    launch: Launch,
    session: Session,
    *,
    clock: Clock | None = None,
    profile: str = "",
) -> tuple[int, str | None]:
    """Show one dashboard; its exit code, and the profile to open next.

    Raises what opening the collector raises, once the terminal is as it was.
    """
    # Textual is imported only now: after the checks, and not by batch.
    from s3gc_tui.app import Dashboard

    gateway = Gateway(collector, launch, session, clock=clock, profile=profile)
    app = Dashboard(gateway)
    try:
        following = await app.run_async(mouse=False)
    finally:
        await gateway.close()
    if app.failure is not None:
        raise app.failure
    return app.return_code or ExitCode.DONE, following
