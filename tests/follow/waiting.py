"""Waiting for what another process, or a server, does in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.05


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = LIMIT_SECONDS) -> None:
    """Ask again and again until it is so. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while True:
            if await is_so():
                return
            await asyncio.sleep(_POLL_SECONDS)
