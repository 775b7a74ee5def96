"""Every secret that a configuration holds, or names: what no log, report or answer may tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3gc_core.config import Config
from s3gc_core.config_api import ADMIN_VARIABLE, token_text
from s3gc_core.redaction import secrets_of_url


def secrets_of_config(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    """Passwords in URLs, the replica's keys, the admin API's tokens from wherever they come."""
    for url in (config.endpoint_url, *(database.url for database in config.databases)):
        yield from secrets_of_url(url)
    named = [ADMIN_VARIABLE]
    if config.replica is not None:
        yield from secrets_of_url(config.replica.endpoint_url)
        named += [config.replica.access_key_env, config.replica.secret_key_env]
    yield from (environment[name] for name in named if name in environment)
    for token in config.api.tokens:
        try:
            text = token_text(token, environment)
        except OSError:
            # Where it cannot be read there is none to be told; what needs it says so.
            continue
        if text is not None:
            yield text
