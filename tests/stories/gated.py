"""`python -m tests.stories.gated DAYS OBJECTS GATES ARGUMENTS...`: s3gc in batches that wait.

The real command line, as far ahead in time as `tests.tui.shifted` makes it, with batches of so few
objects; the Nth batch of an execution or a restore begins when the file N is in the folder
GATES, after its safe point. So a test decides between which two batches something happens.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from s3gc_core.collection import execute, folder, restore
from tests.core.jobs.journals import until
from tests.tui import shifted

Step = Callable[..., Awaitable[Any]]


class Gates:
    """Counts the batches, and lets each wait for its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def before(self, step: Step) -> Step:
        """The same step, behind a gate."""

        @functools.wraps(step)
        async def gated(*args: Any, **kwargs: Any) -> Any:
            self._number += 1
            number = self._number
            await until(lambda: (self._folder / str(number)).exists())
            return await step(*args, **kwargs)

        return gated


def put_up(gates: Gates, objects: int) -> None:
    """Wrap what works on a batch, from outside."""
    for module, name in ((execute, "BATCH_OBJECTS"), (restore, "_BATCH"), (folder, "_BATCH")):
        setattr(module, name, objects)
    for holder, name in ((execute.Execution, "_collect"), (restore.Restore, "_restore_batch")):
        setattr(holder, name, gates.before(getattr(holder, name)))


if __name__ == "__main__":
    days, objects, gates, *arguments = sys.argv[1:]
    put_up(Gates(Path(gates)), int(objects))
    sys.argv[1:] = [days, *arguments]
    sys.exit(shifted.main())
