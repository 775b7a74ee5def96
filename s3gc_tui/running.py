"""Runs one command to its exit code: signals, errors and crashes, the same in batch and by hand."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from s3gc_core.errors import (
    ConfigurationError,
    ExitCode,
    GuardBlocked,
    OperationCancelled,
    S3gcError,
)
from s3gc_core.ids import new_id
from s3gc_core.log import bound
from s3gc_core.redaction import secrets_of_environment
from s3gc_tui.log_lines import SCRUBBER
from s3gc_tui.safe_text import printable, safe_text

if TYPE_CHECKING:
    # The dashboard uses this module too, before anything is opened.
    from s3gc_tui.context import Command, Context
    from s3gc_tui.lines import Record

_SIGNALS = {
    signal.SIGHUP: ExitCode.HANGUP,
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}
_OUTCOMES = {
    ExitCode.BLOCKED: "blocked",
    ExitCode.PARTIAL: "partial",
}

Complain = Callable[[str], None]


def complain(text: str) -> None:
    """A line on standard error, cleaned."""
    sys.stderr.write(safe_text(text) + "\n")
    sys.stderr.flush()


def run_command(command: Command, context: Context) -> ExitCode:
    """Run it; every way it can end becomes an exit code and a last line."""
    try:
        # What the operations of one command have in common in the log.
        with bound(correlation_id=new_id()):
            return asyncio.run(_until_signal(command, context))
    except S3gcError as error:
        _tell(context, error)
        return error.exit_code
    except _EndedBySignalError as ended:
        complain(
            f"s3gc: ended by {ended.signal.name}; what had begun was finished or will be recovered"
        )
        _last_line(context, _ending("cancelled", f"ended by signal {ended.signal.name}"))
        return _SIGNALS[ended.signal]
    except Exception as error:  # noqa: BLE001 - the outermost frame: reported below, never swallowed
        path = crash_report(error)
        complain(f"s3gc failed unexpectedly ({type(error).__name__}); the report is {path}")
        _last_line(context, _ending("failed", type(error).__name__))
        return ExitCode.FAILED


class _EndedBySignalError(Exception):
    def __init__(self, received: signal.Signals) -> None:
        super().__init__(received.name)
        self.signal = received


async def _until_signal(command: Command, context: Context) -> ExitCode:
    """Run until done, or until a signal: the command is cancelled and cleans up first."""
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []
    task = asyncio.ensure_future(command.run(context))

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    # What whoever started us wants ignored stays so: `nohup` outlives its terminal.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        raise _EndedBySignalError(received[0]) from None
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def tell_error(error: S3gcError) -> None:
    """What happened, why it matters and what to do next, on standard error."""
    if isinstance(error, ConfigurationError):
        complain(f"s3gc: {error.origin}:")
        for problem in error.problems:
            complain(f"  - {problem}")
    else:
        complain(f"s3gc: {error.what}")
    complain(f"  why:  {error.why}")
    complain(f"  next: {error.next_step}")


def _tell(context: Context, error: S3gcError) -> None:
    tell_error(error)
    blocked = list(error.guards) if isinstance(error, GuardBlocked) else []
    if error.exit_code is ExitCode.BLOCKED and not blocked:
        blocked = [error.name]
    _last_line(
        context,
        {
            **_ending(_outcome(error), error.name),
            "operation_id": error.operation_id,
            "blocked": blocked,
            "what": error.what,
            "why": error.why,
            "next_step": error.next_step,
            **(error.counts if isinstance(error, OperationCancelled) else {}),
        },
    )


def _outcome(error: S3gcError) -> str:
    """The outcome that a script reads; that of a cancelled operation is told by its counts."""
    if isinstance(error, OperationCancelled):
        return "cancelled"
    return _OUTCOMES.get(error.exit_code, "failed")


def _last_line(context: Context, record: Record) -> None:
    """Scripts get a summary however a job ends; a person has read it on standard error."""
    if context.args.batch:
        context.emit(record)


def _ending(outcome: str, error: str) -> Record:
    return {"type": "summary", "outcome": outcome, "operation_id": None, "error": error}


def crash_report(error: Exception) -> str:
    """The traceback, cleaned and without locals and secrets, in a file for its owner alone."""
    SCRUBBER.learn(secrets_of_environment(os.environ))
    descriptor, path = tempfile.mkstemp(prefix="s3gc-crash-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        for part in traceback.format_exception(error):
            lines = SCRUBBER.scrubbed(part).splitlines()
            file.writelines(f"{printable(line)}\n" for line in lines)
    return path
