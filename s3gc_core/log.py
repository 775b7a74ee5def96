"""The core's log: structured events through the standard library's logger `s3gc`.

An application that uses the core as a library decides where they go, as with any library; nothing
is ever printed by itself.
"""

from __future__ import annotations

import logging

import structlog

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    logging.getLogger("s3gc"),
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)
