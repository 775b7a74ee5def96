"""`python -m s3gc_tui.demo.job BOUNDARY ARGUMENTS...`: s3gc under the demo's clock.

The demo's dashboard starts its jobs with it: objects of a world that was made a minute ago are
old enough only by the demo's calendar, which begins at BOUNDARY (ISO 8601).
"""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_file import find_config, load_config
from s3gc_tui.batch import batch_context
from s3gc_tui.cli import build_parser, load_command
from s3gc_tui.context import Context
from s3gc_tui.demo.world import DemoClock
from s3gc_tui.running import run_command


class DemoContext(Context):
    """Opens its collector with the demo's clock; everything else is as always."""

    __slots__ = ()

    def config(self) -> Config:
        """The demo's own configuration; the environment is about the operator's."""
        return load_config(find_config(self.args.config), {})

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        """The collector of the configuration, at the demo's time."""
        clock = DemoClock(datetime.fromisoformat(sys.argv[1]))
        return Collector.open(
            self.config(), clock=clock, progress=self.progress, session=self.session()
        )


def main() -> int:
    """Run one sub-command as `--batch` does."""
    args = build_parser().parse_args(sys.argv[2:])
    return run_command(load_command(args.command), batch_context(args, DemoContext))


if __name__ == "__main__":
    sys.exit(main())
