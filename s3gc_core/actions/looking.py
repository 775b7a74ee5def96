"""Shows the keys of the listing that is held, page by page, to what looks for something in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from s3gc_core.actions.operations import OperationRun


async def look_through(
    pages: AsyncIterator[list[str]],
    look: Callable[[list[str]], None],
    run: OperationRun,
    phase: str,
    total: int,
) -> None:
    """Call `look` with each page, in a thread; `phase` of `total` keys is told to the journal."""
    looked_at = 0
    async for keys in pages:
        await asyncio.to_thread(look, keys)
        looked_at += len(keys)
        run.journal.progress(phase, looked_at, total)
        await run.journal.checkpoint()
