"""A ground whose processes reach the bucket through a proxy, which can hold a request back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.ground import Ground
from tests.servers.proxy import Exchange, Proxy


@dataclass(slots=True)
class Proxied:
    """The witness goes straight to the bucket; s3gc goes through the proxy."""

    ground: Ground
    proxy: Proxy

    def at_delete(self, number: int, then: Callable[[Exchange], Awaitable[None]]) -> None:
        """Do something at the Nth DeleteObjects from now on, before the store sees it."""
        seen = 0

        async def before(exchange: Exchange) -> None:
            nonlocal seen
            if exchange.method == "POST" and "?delete" in exchange.path:
                seen += 1
                if seen == number:
                    await then(exchange)

        self.proxy.before = before
