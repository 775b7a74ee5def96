"""Work that goes on behind a screen, and what is drawn of it while it does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, TypeVar

from textual.dom import DOMNode
from textual.worker import Worker

# Seconds between two paints of what is being read: more would be bytes, and nobody reads faster.
REDRAW = 0.5

T = TypeVar("T")


def begin(
    node: DOMNode,
    work: Callable[[], Awaitable[None]],
    group: str,
    *,
    exclusive: bool = True,
    exit_on_error: bool = False,
) -> Worker[None]:
    """Begin `work()` on a widget, a screen or the application; what it has to say it says there.

    With `exclusive` the newer work of a group ends the older. The function is handed on and not a
    coroutine, which would never run where a newer one of the group comes before its turn.
    """
    # mypy cannot tell which of Textual's forms of callables this is.
    ask: Any = work
    return node.run_worker(ask, group=group, exclusive=exclusive, exit_on_error=exit_on_error)


async def read_all(
    pages: AsyncIterable[T], take: Callable[[T], object], draw: Callable[[], object]
) -> None:
    """Hand every page to `take`, and `draw` now and then; the last word is the caller's."""
    drawn = 0.0
    async for page in pages:
        take(page)
        if (now := time.monotonic()) - drawn >= REDRAW:
            drawn = now
            draw()
