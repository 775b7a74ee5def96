"""What the admin API tells, and its process logs, without a secret: also inside of an application
that writes s3gc's log as it likes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from s3gc_core.config import Config
from s3gc_core.config_secrets import secrets_of_config
from s3gc_core.log import EVENT, LOGGER
from s3gc_core.redaction import Scrubber, secrets_of_environment

# Of all configurations in this process: their log is one.
SCRUBBER = Scrubber()


class _Scrubbing(logging.Filter):
    """Takes secrets out of events before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it through, without them."""
        event: object = getattr(record, EVENT, None)
        if isinstance(event, Mapping):
            told = {name: _scrubbed(value) for name, value in event.items()}
            setattr(record, EVENT, told)
            record.args = (json.dumps(told, default=str),)
        return True


_SCRUBBING = _Scrubbing()


def keep_secret(config: Config, environ: Mapping[str, str]) -> None:
    """From now on nothing of this configuration is told in this process's log, or in an error."""
    SCRUBBER.learn([*secrets_of_environment(environ), *secrets_of_config(config, environ)])
    # The same one each time, which is added once.
    LOGGER.addFilter(_SCRUBBING)


def _scrubbed(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _scrubbed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one) for one in value]
    return SCRUBBER.scrubbed(str(value))
