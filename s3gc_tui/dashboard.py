"""Opening the dashboard: on a terminal that can show it, with a collector that may do so much."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.config_file import find_config, load_config
from s3gc_core.errors import ExitCode, S3gcError
from s3gc_core.session import READ_ONLY, READ_ONLY_VARIABLE, Session
from s3gc_tui import terminal
from s3gc_tui.log_lines import learn_secrets
from s3gc_tui.running import tell_error

if TYPE_CHECKING:
    # Slow to import, and not needed before the first paint.
    from s3gc_core.config import Config
    from s3gc_tui.app import OpenGateway
    from s3gc_tui.gateway import Gateway


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
    learn_secrets(settings, os.environ)
    options = ["--profile", profile] if profile else ["--config", str(path.absolute())]

    def opened() -> AbstractAsyncContextManager[Gateway]:
        from s3gc_core.collector import Collector
        from s3gc_tui.gateway import Gateway, Launch

        collector = Collector.open(settings, session=session)
        launch = Launch.of_configuration(options)
        return Gateway.open(collector, launch, session, profile=profile or "")

    return await show(settings, opened)


async def show(settings: Config, opened: OpenGateway) -> tuple[int, str | None]:
    """Show one dashboard; its exit code, and the profile to open next.

    Raises what opening raises, once the terminal is as it was.
    """
    if settings.keys:
        # What is wrong with them is said before the terminal is taken.
        from s3gc_tui.keymap import Keymap

        Keymap.of(settings.keys)
    # Textual is imported only now: after the checks, and not by batch.
    from s3gc_tui.app import Dashboard

    app = Dashboard(settings.bucket, opened)
    try:
        following = await app.run_async(mouse=False)
    finally:
        await app.close()
    if app.failure is not None:
        raise app.failure
    return app.return_code or ExitCode.DONE, following
