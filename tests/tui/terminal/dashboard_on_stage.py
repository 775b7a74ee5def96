"""`python -m tests.tui.terminal.dashboard_on_stage DAYS GATES PID_FILE --config FILE [--write]`.

The dashboard as the product shows it, as far ahead in time as its jobs, which `tests.stories.gated`
makes wait. It writes down its process id, and has a key (Z) that blocks its event loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from textual.binding import Binding

from s3gc_core.clock import ShiftedClock
from s3gc_core.collector import Collector
from s3gc_core.config_file import load_config
from s3gc_core.session import READ_ONLY, UNRESTRICTED
from s3gc_tui import app, dashboard, terminal
from s3gc_tui.gateway import Gateway, Launch

HANG_SECONDS = 60


class Dashboard(app.Dashboard):
    """The product's, with a key that blocks its event loop."""

    BINDINGS = [Binding("Z", "hang", priority=True, show=False)]  # noqa: RUF012

    def action_hang(self) -> None:
        until = time.monotonic() + HANG_SECONDS
        Path(sys.argv[3]).with_suffix(".hangs").touch()
        while time.monotonic() < until:
            time.sleep(0.01)


async def main() -> int:
    days, gates, pid_file, option, config, *more = sys.argv[1:]
    terminal.refuse_what_cannot_draw(os.environ)
    terminal.prepare(os.environ)
    settings = load_config(Path(config), {})
    clock = ShiftedClock(timedelta(days=float(days)))
    session = UNRESTRICTED if more == ["--write"] else READ_ONLY
    job = (sys.executable, "-m", "tests.stories.gated", days, "1", gates, option, config)
    app.Dashboard = Dashboard  # type: ignore[misc]
    Path(pid_file).write_text(str(os.getpid()))
    launch = Launch(job, ("s3gc", option, config))

    def opened() -> AbstractAsyncContextManager[Gateway]:
        collector = Collector.open(settings, clock=clock, session=session)
        return Gateway.open(collector, launch, session, clock=clock, profile="stage")

    code, _ = await dashboard.show(settings, opened)
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
