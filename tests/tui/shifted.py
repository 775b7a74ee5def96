"""`python -m tests.tui.shifted DAYS ARGUMENTS...`: s3gc as a process for which days have passed.

The real command line with a collector whose clock, and the store's, are that far ahead. Without
it nothing could be an orphan in a test: a fresh object is younger than the shortest retention.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from s3gc_core.clock import ShiftedClock
from s3gc_core.collector import Collector, silent
from s3gc_core.errors import ExitCode
from s3gc_tui.cli import build_parser, load_command
from s3gc_tui.context import Context
from s3gc_tui.lines import JsonLines, Output, PlainText
from s3gc_tui.log_lines import log_to_standard_error
from s3gc_tui.running import run_command

DAYS = timedelta(days=float(sys.argv[1])) if len(sys.argv) > 1 else timedelta()


class ShiftedContext(Context):
    """Opens its collector with the shifted clock; everything else is the product's."""

    __slots__ = ()

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        clock = ShiftedClock(DAYS)
        return Collector.open(
            self.config(), clock=clock, progress=self.progress, session=self.session()
        )


def main() -> ExitCode:
    args = build_parser().parse_args(sys.argv[2:])
    log_to_standard_error(logging.INFO if args.batch else logging.WARNING, args, os.environ)
    output = Output(sys.stdout)
    emit = JsonLines(output) if args.batch else PlainText(output)
    context = ShiftedContext(args, emit, output, silent, ask=None)
    return run_command(load_command(args.command), context)


if __name__ == "__main__":
    sys.exit(main())
