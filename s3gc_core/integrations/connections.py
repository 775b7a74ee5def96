"""Connections to the admin API: few, and none that is open and asks nothing.

Nobody needs a token to connect. Each connection takes a file descriptor, of which the service has
a bounded number for its runs, logs and vaults as well.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from s3gc_core import log

# As many may be open at the same time, those that listen to events among them.
MOST_CONNECTIONS = 256
# A request has to be whole so long after its connection, or the answer before it.
REQUEST_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class Connection(H11Protocol):
    """A connection that is closed where no whole request comes; uvicorn itself only looks at that
    between two requests.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._looking: asyncio.TimerHandle | None = None
        self._waits_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, if there are not too many."""
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            log.warning("admin_api_connection_refused", open=len(self.connections) - 1)
            transport.abort()
            return
        self._looking = self.loop.call_later(_LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = self.loop.time()
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._waits_since = now  # it is being answered
        elif now - self._waits_since > REQUEST_SECONDS:
            self.transport.abort()
            return
        self._looking = self.loop.call_later(_LOOK_SECONDS, self._look)
