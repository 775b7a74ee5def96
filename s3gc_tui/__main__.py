"""Entry point of `s3gc`."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from s3gc_core.errors import ExitCode
from s3gc_tui.cli import build_parser
from s3gc_tui.log_lines import wrong_setting


def main() -> int:
    """Parse the command line and run; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that is not UTF-8 shows an escape instead of ending the program.
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        args = parser.parse_args()
        if args.plain is not None and args.batch:
            parser.error("only one of --plain and --batch")
        if wrong := wrong_setting(os.environ):
            parser.error(wrong)
    except SystemExit as ended:
        if ended.code == ExitCode.USAGE and "--batch" in sys.argv:
            _usage_summary()
        raise
    if args.plain is not None:
        from s3gc_tui.plain import run_plain_command

        return run_plain_command(args)
    if args.command is None:
        if not args.batch:
            from s3gc_tui.dashboard import run_dashboard

            return run_dashboard(args)
        parser.print_usage(sys.stderr)
        sys.stderr.write("s3gc: --batch needs a sub-command (`s3gc --help` lists them)\n")
        _usage_summary()
        return ExitCode.USAGE
    if args.batch:
        from s3gc_tui.batch import run_batch

        return run_batch(args)
    from s3gc_tui.by_hand import run_by_hand

    return run_by_hand(args)


def _usage_summary() -> None:
    """Scripts get their last line even where the command line was wrong."""
    # Not for a dashboard, which would import it all before its first paint.
    from s3gc_tui.lines import Output, json_line

    summary = {"type": "summary", "outcome": "failed", "operation_id": None, "error": "usage"}
    Output(sys.stdout).line(json_line(summary))


if __name__ == "__main__":
    sys.exit(main())
