"""`python -m tests.faults.child`: the real command line in processes that may be made to die.

Imports everything once, opens nothing, and forks a fresh process for each job: a line of JSON on
standard input such as `{"argv": [...], "env": {...}, "fault": "settle:after:2", "wrong": null,
"batch_objects": 4, "output": FILE, "diagnostics": FILE}`. It answers with the process id, waits
for an empty line (its parent has a handle on the process then), and answers how it ended.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from s3gc_core.clock import ShiftedClock
from s3gc_core.collector import Collector, silent
from s3gc_tui.cli import build_parser, load_command
from s3gc_tui.context import Context
from s3gc_tui.demo.seaweed import die_with_parent
from s3gc_tui.lines import JsonLines, Output
from s3gc_tui.log_lines import log_to_standard_error
from s3gc_tui.running import run_command
from tests.faults import failpoints

# Everything was uploaded a month ago, as far as s3gc can tell.
SHIFT = timedelta(days=30)
COMMANDS = ("scan", "execute", "restore", "plan", "vault")


class ShiftedContext(Context):
    """The surroundings of a command, a month later."""

    __slots__ = ()

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        return Collector.open(self.config(), clock=ShiftedClock(SHIFT), progress=self.progress)


def main() -> int:
    for name in COMMANDS:
        load_command(name)
    tell("ready")
    for line in sys.stdin:
        job = json.loads(line)
        ask_the_kernel = die_with_parent()
        pid = os.fork()
        if not pid:
            return work(job, ask_the_kernel)
        tell(str(pid))
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        tell(str(os.waitstatus_to_exitcode(status)))
    return 0


def tell(answer: str) -> None:
    os.write(1, answer.encode() + b"\n")


def work(job: dict[str, Any], ask_the_kernel: Callable[[], None] | None) -> int:
    """The forked process: its own standard streams, its own environment, its own faults."""
    if ask_the_kernel is not None:
        ask_the_kernel()
    for number, path in ((0, os.devnull), (1, job["output"]), (2, job["diagnostics"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(job["env"])
    failpoints.make_batches_small(job["batch_objects"])
    if job["wrong"]:
        failpoints.WRONGS[job["wrong"]]()
    if job["fault"]:
        failpoints.install(job["fault"])
    args = build_parser().parse_args(["--batch", *job["argv"]])
    log_to_standard_error(logging.INFO, args, os.environ)
    output = Output(sys.stdout)
    context = ShiftedContext(args, JsonLines(output), output, silent, ask=None)
    return run_command(load_command(args.command), context)


if __name__ == "__main__":
    sys.exit(main())
