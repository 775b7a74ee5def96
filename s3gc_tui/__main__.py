"""Entry point of `s3gc`."""

from __future__ import annotations

import sys

from s3gc_core.errors import ExitCode
from s3gc_tui.cli import build_parser
from s3gc_tui.lines import Output, json_line


def main() -> int:
    """Parse the command line and run; returns the exit code."""
    parser = build_parser()
    try:
        args = parser.parse_args()
    except SystemExit as ended:
        if ended.code == ExitCode.USAGE and "--batch" in sys.argv:
            # Scripts get their last line even where the command line was wrong.
            summary = {"type": "summary", "outcome": "failed", "operation_id": None}
            Output().line(json_line({**summary, "error": "usage"}))
        raise
    if args.command is None:
        parser.print_usage(sys.stderr)
        sys.stderr.write(
            "s3gc: name a sub-command (`s3gc --help` lists them); `s3gc demo --batch` shows a"
            " whole life of objects on a small real world\n"
        )
        return ExitCode.USAGE
    if args.batch:
        from s3gc_tui.batch import run_batch

        return run_batch(args)
    from s3gc_tui.by_hand import run_by_hand

    return run_by_hand(args)


if __name__ == "__main__":
    sys.exit(main())
