"""Diagnostics on standard error: an event a line, as JSON or for people, cleaned and redacted.

What libraries say by the standard logging module goes the same way, in the same form.
"""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s3gc_core.log import EVENT
from s3gc_core.redaction import Scrubber, secrets_of_environment
from s3gc_tui.safe_text import safe_text

if TYPE_CHECKING:
    # The command line is parsed before anything that takes long is imported.
    from s3gc_core.config import Config

FORMAT_VARIABLE = "S3GC_LOG_FORMAT"
LEVEL_VARIABLE = "S3GC_LOG_LEVEL"
FORMATS = ("json", "console")
LEVELS = ("debug", "info", "warning")


# What this process must not tell anybody: from its environment and its configuration.
SCRUBBER = Scrubber()
# Our own words.
_OURS = frozenset({"event", "level", "at", "operation_id", "correlation_id"})


class LogLines(logging.Formatter):
    """One line of printable characters for each log record."""

    def __init__(self, format_: str, scrubber: Scrubber = SCRUBBER) -> None:
        super().__init__()
        self._is_json = format_ == "json"
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        fields = {
            name: value if name in _OURS else self._scrubbed(value)
            for name, value in self._fields(record).items()
        }
        if self._is_json:
            return json.dumps(fields, default=str).replace("\x7f", "\\u007f")
        return _for_people(fields)

    def _fields(self, record: logging.LogRecord) -> Mapping[str, object]:
        event: Mapping[str, object] | None = getattr(record, EVENT, None)
        if event is not None:
            return event
        # A library's: what it says is one field, whatever it holds.
        told = {"event": "library", "logger": record.name, "text": record.getMessage()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return {**told, "level": record.levelname.lower(), "at": at}

    def _scrubbed(self, value: object) -> object:
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, Mapping):
            return {str(self._scrubbed(str(k))): self._scrubbed(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._scrubbed(one) for one in value]
        return self._scrubber.scrubbed(str(value))


def _for_people(fields: Mapping[str, object]) -> str:
    told = dict(fields)
    at, level, event = (str(told.pop(name, "")) for name in ("at", "level", "event"))
    words = [f"{name}={_word(value)}" for name, value in told.items()]
    return safe_text(f"{at[11:19]} {level:<7} {event}") + "".join(f" {word}" for word in words)


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return safe_text(text) if text and " " not in text else f'"{safe_text(text)}"'


def learn_secrets(config: Config, environment: Mapping[str, str]) -> None:
    """What a configuration holds, or names, that the log and crash reports must not tell."""
    # Only here: whoever only asks for help waits for no configuration.
    from s3gc_core.config_secrets import secrets_of_config

    SCRUBBER.learn(secrets_of_config(config, environment))


def wrong_setting(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the variables of the log; None where nothing is."""
    for variable, allowed in ((FORMAT_VARIABLE, FORMATS), (LEVEL_VARIABLE, LEVELS)):
        if environment.get(variable) not in (None, "", *allowed):
            return f"{variable}: invalid value (choose from {', '.join(allowed)})"
    return None


def log_to_standard_error(level: int, args: Namespace, environment: Mapping[str, str]) -> None:
    """Send the log there, from `level` on unless command line or environment say another one, in
    that order; libraries speak from WARNING on.
    """
    format_ = args.log_format or environment.get(FORMAT_VARIABLE) or FORMATS[0]
    SCRUBBER.learn(secrets_of_environment(environment))
    named = args.log_level or environment.get(LEVEL_VARIABLE)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(format_))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("s3gc").setLevel(named.upper() if named else level)
