"""The same sub-commands for a person: text, progress bars, and a question where one is due."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from s3gc_core.collector import silent
from s3gc_core.errors import ExitCode
from s3gc_tui.cli import load_command
from s3gc_tui.context import Context
from s3gc_tui.lines import Output, PlainText
from s3gc_tui.log_lines import log_to_standard_error
from s3gc_tui.running import run_command


class Bars:
    """One progress bar a phase, on standard error; phases are our own words, never outside text."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing and put the terminal back."""
        self._progress.stop()

    def __call__(self, phase: str, done: int, total: int | None = None) -> None:
        """Move a phase's bar."""
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(phase, total=total)
        self._progress.update(self._tasks[phase], completed=done, total=total)


def ask(question: str) -> str:
    """Ask on the terminal; what was typed, without its line end."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


def run_by_hand(args: argparse.Namespace) -> ExitCode:
    """Run one sub-command for a person."""
    log_to_standard_error(logging.WARNING, args, os.environ)
    output = Output(sys.stdout)
    questions = ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    # A question and a moving bar do not go together on one screen.
    if not sys.stderr.isatty() or (args.command == "execute" and args.confirm is None):
        context = Context(args, PlainText(output), output, silent, questions)
        return run_command(load_command(args.command), context)
    with Bars() as bars:
        context = Context(args, PlainText(output), output, bars, questions)
        return run_command(load_command(args.command), context)
