"""The terminal around the dashboard: which ones can show it, what a slow line needs, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Mapping, MutableMapping

from s3gc_core.errors import ExitCode, S3gcError

# A clean end has so many seconds; after that the process ends anyway.
HARD_LIMIT_SECONDS = 2.0

EXIT_OF_SIGNAL = {
    signal.SIGHUP: ExitCode.HANGUP,
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}

# Leave the alternate screen, show the cursor, end mouse reports and bracketed paste (xterm's
# control sequences), for an end that no longer waits for the driver to do so.
_RESTORE = b"\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[?1049l\x1b[0m\r\n"


class NoTerminal(S3gcError):
    """There is no terminal that could show the dashboard."""

    exit_code = ExitCode.USAGE
    why = "the dashboard needs a terminal that can be drawn on"
    next_step = "use `s3gc --plain`, or a sub-command with --batch (`s3gc --help` lists them)"


def refuse_what_cannot_draw(environment: Mapping[str, str]) -> None:
    """Raise `NoTerminal` for pipes and dumb terminals."""
    # Textual draws on standard error.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise NoTerminal("standard input, output and error are not all a terminal")
    if environment.get("TERM", "") in ("", "dumb"):
        raise NoTerminal("the terminal type (TERM) is dumb, or not set")


def prepare(environment: MutableMapping[str, str]) -> None:
    """Settings that Textual reads when it is imported: no animation, few frames on a slow line."""
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    # A shell may have exported them. They are believed before the terminal, and after a resize.
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    if "SSH_CONNECTION" in environment:
        environment.setdefault("TEXTUAL_FPS", "15")
        # An escape sequence that a bad line tears apart is not taken for single keys.
        environment.setdefault("ESCDELAY", "400")


def settings() -> list[object] | None:
    """The terminal's settings as they are, to put them back; to be asked before it is drawn on."""
    return termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None


def handle_signals(leave: Callable[[ExitCode], None], saved: list[object] | None) -> None:
    """End on hang-up, interrupt and termination: cleanly, or after two seconds anyway."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: object) -> None:
        code = EXIT_OF_SIGNAL[signal.Signals(number)]
        timer = threading.Timer(HARD_LIMIT_SECONDS, end_now, (code, saved))
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(leave, code)

    for number in EXIT_OF_SIGNAL:
        # Not the loop's own handlers: a loop that is stuck would never call them.
        signal.signal(number, on_signal)


def end_now(code: ExitCode, saved: list[object] | None) -> None:
    """Put the terminal back, and end without waiting for anything."""
    try:
        # The original stream: Textual catches what is printed on the other.
        if sys.__stderr__ is not None:
            os.write(sys.__stderr__.fileno(), _RESTORE)
        if saved is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, saved)  # type: ignore[arg-type]
    except (OSError, termios.error):
        pass  # the terminal is gone, which is why we end
    finally:
        os._exit(code)
