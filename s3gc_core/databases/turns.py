"""Turns on a connection that carries one result at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Turns:
    """A read waits until the one before it has ended or was abandoned."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._reader: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        """My turn. Raises RuntimeError for a task that would wait for itself."""
        task = asyncio.current_task()
        if self._turn.locked() and self._reader is task:
            # A read that was broken out of is closed by the event loop in its next rounds.
            for _ in range(3):
                await asyncio.sleep(0)
            if self._turn.locked() and self._reader is task:
                raise RuntimeError("a read of this snapshot is still open in this task")
        async with self._turn:
            self._reader = task
            yield

    def abandoned(self) -> None:
        """The reader left its read, and may wait for it to be closed."""
        self._reader = None
