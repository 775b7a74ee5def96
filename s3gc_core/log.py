"""The core's log: events with fields, one JSON line each, through the standard logger `s3gc`.

An application that uses the core as a library decides where they go, as with any library; nothing
is ever printed by itself. (structlog would do this, but importing it imports Rich, which batch
must not.) The fields themselves are in each log record, as its attribute `EVENT`.

What holds for all that is done within a block (`bound`), such as the operation's id, is in each of
its events. What is decided about one object is told at DEBUG, as there may be millions; what goes
wrong with one at WARNING.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

# The attribute of a log record that holds the event.
EVENT = "s3gc_event"

LOGGER = logging.getLogger("s3gc")
_NOTHING: Mapping[str, object] = MappingProxyType({})
_bound: ContextVar[Mapping[str, object]] = ContextVar("s3gc_log", default=_NOTHING)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """These fields go with every event of the block, and of the tasks and threads it starts."""
    before = _bound.get()
    _bound.set({**before, **fields})
    try:
        yield
    finally:
        # Not by a token: a generator may be ended from another context than it began in.
        _bound.set(before)


@contextmanager
def of_operation(operation_id: str) -> Iterator[None]:
    """The events of the block are an operation's. Operations of one command, such as a scan and the
    execution before it, have its `correlation_id` in common; one alone has its own id.
    """
    correlation = _bound.get().get("correlation_id", operation_id)
    with bound(operation_id=operation_id, correlation_id=correlation):
        yield


def is_debug() -> bool:
    """Whether anybody listens to what is told of single objects."""
    return LOGGER.isEnabledFor(logging.DEBUG)


def debug(event: str, **fields: object) -> None:
    """Something was decided about one object, as it should."""
    _write(logging.DEBUG, event, fields)


def info(event: str, **fields: object) -> None:
    """Something happened as it should."""
    _write(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    """Something happened that a person should know of."""
    _write(logging.WARNING, event, fields)


def _write(level: int, event: str, fields: dict[str, object]) -> None:
    if LOGGER.isEnabledFor(level):
        stamp = datetime.now(UTC).isoformat()
        told = {"event": event, **_bound.get(), **fields}
        line = {**told, "level": logging.getLevelName(level).lower(), "at": stamp}
        LOGGER.log(level, "%s", json.dumps(line, default=str), extra={EVENT: line})
