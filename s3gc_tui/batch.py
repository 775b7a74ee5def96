"""Headless jobs: JSON lines or CSV on standard output, no prompt, no colour, Textual or Rich."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from s3gc_core.collector import silent
from s3gc_core.errors import ExitCode
from s3gc_tui.cli import load_command
from s3gc_tui.context import Context
from s3gc_tui.csv_rows import CsvRows
from s3gc_tui.lines import Emit, JsonLines, Output
from s3gc_tui.log_lines import log_to_standard_error
from s3gc_tui.running import run_command


def batch_context(args: argparse.Namespace, kind: type[Context] = Context) -> Context:
    """The surroundings of a command for a script; the log goes to standard error."""
    log_to_standard_error(logging.INFO, args, os.environ)
    output = Output(sys.stdout)
    emit: Emit = JsonLines(output)
    if args.batch == "csv":
        emit = CsvRows(output, JsonLines(Output(sys.stderr)))
    return kind(args, emit, output, silent, ask=None)


def run_batch(args: argparse.Namespace) -> ExitCode:
    """Run one sub-command for a script."""
    return run_command(load_command(args.command), batch_context(args))
