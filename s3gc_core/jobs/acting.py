"""On whose word something is done, where that is not whoever runs the process.

It belongs to the work at hand and not to the process: an admin API acts for several tokens at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

# The argument of a recorded operation that names the job (see `start`) it was done for.
JOB_ARGUMENT = "job"


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts, as the audit log names it (`api:monitoring`), and for which job; empty: for none.

    An empty `who` is whoever runs the process.
    """

    who: str
    job_id: str = ""


_ACTING: ContextVar[Acting | None] = ContextVar("acting", default=None)


def acting_now() -> Acting | None:
    """On whose word the work at hand is done; None: of whoever runs the process."""
    return _ACTING.get()


def act_for(acting: Acting) -> None:
    """From now on the work at hand, and all that it begins, is done on this word."""
    _ACTING.set(acting)


@contextmanager
def acting_for(acting: Acting) -> Iterator[None]:
    """As `act_for`, as long as the block lasts."""
    token = _ACTING.set(acting)
    try:
        yield
    finally:
        _ACTING.reset(token)


def job_argument() -> Mapping[str, str]:
    """What an operation records of the job it is done for."""
    acting = _ACTING.get()
    return {JOB_ARGUMENT: acting.job_id} if acting is not None and acting.job_id else {}
