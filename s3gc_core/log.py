"""The core's log: events with fields, one JSON line each, through the standard logger `s3gc`.

An application that uses the core as a library decides where they go, as with any library; nothing
is ever printed by itself. (structlog would do this, but importing it imports Rich, which batch
must not.)
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

_logger = logging.getLogger("s3gc")


def info(event: str, **fields: object) -> None:
    """Something happened as it should."""
    _write(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    """Something happened that a person should know of."""
    _write(logging.WARNING, event, fields)


def _write(level: int, event: str, fields: dict[str, object]) -> None:
    if _logger.isEnabledFor(level):
        stamp = datetime.now(UTC).isoformat()
        line = {"event": event, **fields, "level": logging.getLevelName(level).lower(), "at": stamp}
        _logger.log(level, "%s", json.dumps(line, default=str))
