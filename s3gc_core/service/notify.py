"""What systemd is told: sd_notify(3), a datagram on the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from s3gc_core import log

_SOCKET, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells systemd; without a socket, nobody. `watchdog_seconds` is how often it has to hear of
    us, None where it does not ask.
    """

    address: str = ""
    watchdog_seconds: float | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Notifier:
        """By the environment of a unit with Type=notify."""
        asked, pid = environ.get(_WATCHDOG, ""), environ.get(_WATCHDOG_PID, "")
        is_asked = asked.isdigit() and int(asked) > 0 and pid in ("", str(os.getpid()))
        return cls(environ.get(_SOCKET, ""), int(asked) / 1e6 if is_asked else None)

    def __call__(self, state: str) -> None:
        """Tell a state, such as `READY=1`. Whoever does not listen is no reason to stop serving."""
        if not self.address:
            return
        # An @ stands for the zero byte of an abstract socket.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), address)
        except OSError as error:
            log.warning("notify_failed", state=state, reason=error.strerror)


def of_children(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what is systemd's word to us alone."""
    ours = (_SOCKET, _WATCHDOG, _WATCHDOG_PID)
    return {name: value for name, value in environ.items() if name not in ours}
