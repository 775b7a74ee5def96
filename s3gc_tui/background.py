"""Work that goes on behind a screen, one at a time of each group: the newer one ends the older."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode


def begin(
    node: DOMNode,
    work: Callable[[], Coroutine[Any, Any, None]],
    group: str,
    *,
    exit_on_error: bool = False,
) -> None:
    """Begin `work()` on a screen or the application; what it has to say it says there.

    The function is handed on and not a coroutine, which would never run where a newer one of the
    group comes before its turn.
    """
    # mypy cannot tell which of Textual's forms of callables this is.
    ask: Any = work
    node.run_worker(ask, group=group, exclusive=True, exit_on_error=exit_on_error)
