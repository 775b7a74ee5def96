"""Settings from environment variables: on their own, or over those of a file.

    S3_BUCKET, AWS_REGION             bucket, region
    S3GC_ENDPOINT_URL                 endpoint_url; without it AWS_ENDPOINT_URL
    DATABASE_URL, S3GC_CDC_BACKEND,   the database
    S3GC_CDC_OVER
    S3GC_EXECUTE_MODE                 true: mode execute; false: not execute
    S3GC_REPLICA_<SETTING>            the settings of [replica]
    S3GC_API_HOST, S3GC_API_PORT      those of [api]
    S3GC_<SETTING>                    any other setting, those of [guards] too (but for its
                                      prefixes); lists by commas
    S3GC_PROFILE                      caution
    S3GC_ADMIN_API_KEY, S3GC_READ_ONLY, S3GC_LOG_FORMAT, S3GC_LOG_LEVEL
                                      are read elsewhere

Any other name that begins with S3GC_ is an error: it would be dropped silently.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from s3gc_core.config import Config, Mode
from s3gc_core.config_api import API
from s3gc_core.config_create import (
    CREATE_NAMES,
    DEFAULTS,
    GUARDS,
    LISTS,
    SCALARS,
    dotted,
    validated,
)
from s3gc_core.config_replica import REPLICA
from s3gc_core.config_rules import Findings, Where, did_you_mean
from s3gc_core.errors import Problem
from s3gc_core.redaction import shown

RESERVED = frozenset(
    {
        "S3GC_ADMIN_API_KEY",
        "S3GC_READ_ONLY",
        "S3GC_LOG_FORMAT",
        "S3GC_LOG_LEVEL",
    }
)
_OWN_NAMES = {"bucket": "S3_BUCKET", "region": "AWS_REGION", "caution": "S3GC_PROFILE"}
VARIABLES: dict[str, Where] = {
    **{_OWN_NAMES.get(name, f"S3GC_{name.upper()}"): (name,) for name in (*SCALARS, *LISTS)},
    **{f"S3GC_{name.upper()}": ("guards", name) for name in GUARDS},
    **{f"S3GC_REPLICA_{name.upper()}": ("replica", name) for name in REPLICA},
    **{f"S3GC_API_{name.upper()}": ("api", name) for name in API},
    "S3GC_CDC_BACKEND": ("cdc_backend",),
    "S3GC_CDC_OVER": ("cdc_over",),
}
_SPECIAL = ("S3GC_EXECUTE_MODE", "DATABASE_URL", "AWS_ENDPOINT_URL")


@dataclass(slots=True)
class FromEnvironment:
    """What the environment sets: values by place, the variable behind each, and what is wrong."""

    values: dict[Where, object] = field(default_factory=dict)
    variables: dict[Where, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    not_execute: bool = False

    def label(self, where: Where) -> str | None:
        """The variable that a place comes from, or None."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.variables:
                return self.variables[where[:length]] + dotted(where[length:])
        return None

    def put(self, where: Where, value: object, variable: str) -> None:
        """Set a value."""
        self.values[where] = value
        self.variables[where] = variable

    def over(self, settings: dict[str, object]) -> None:
        """Lay the values over `settings`."""
        for where, value in self.values.items():
            table = str(where[0])
            if len(where) == 1:
                settings[table] = value
                continue
            written = settings.get(table, {})
            if isinstance(written, Mapping):
                settings[table] = {**written, where[1]: value}
        if self.not_execute and settings.get("mode") == Mode.EXECUTE:
            self.put(("mode",), Mode.DRY_RUN, "S3GC_EXECUTE_MODE")
            settings["mode"] = Mode.DRY_RUN


def read_environment(environ: Mapping[str, str]) -> FromEnvironment:
    """All settings in `environ` but `DATABASE_URL`, which depends on the databases of the file."""
    found = FromEnvironment()
    known = {*VARIABLES, *_SPECIAL, *RESERVED}
    for variable in sorted(environ):
        if variable.startswith("S3GC_") and variable not in known:
            allowed = did_you_mean(variable, known) or f"one of {', '.join(sorted(known))}"
            found.problems.append(Problem(_clean(variable), "an unknown name", allowed))
    if "AWS_ENDPOINT_URL" in environ:
        found.put(("endpoint_url",), environ["AWS_ENDPOINT_URL"], "AWS_ENDPOINT_URL")
    for variable, where in VARIABLES.items():
        if variable in environ:
            found.put(where, _typed(where, environ[variable]), variable)
    _execute_mode(environ, found)
    return found


def _clean(variable: str) -> str:
    return variable if re.fullmatch(r"\w+", variable) else shown(variable)


def _typed(where: Where, text: str) -> object:
    """The text as the setting's type; what cannot be is left as it is, for the rule to refuse."""
    name = str(where[-1])
    if name in LISTS:
        return [element.strip() for element in text.split(",")] if text.strip() else []
    default = DEFAULTS.get(name)
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if isinstance(default, int) and re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        return int(text)
    if isinstance(default, float) and re.fullmatch(r"[+-]?[0-9.]{1,18}", text.strip()):
        return _number(text)
    return text


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _execute_mode(environ: Mapping[str, str], found: FromEnvironment) -> None:
    """`S3GC_EXECUTE_MODE` may agree with `S3GC_MODE`, or stand alone."""
    variable = "S3GC_EXECUTE_MODE"
    text = environ.get(variable)
    if text is None:
        return
    if text.lower() not in ("true", "false"):
        found.problems.append(Problem(variable, shown(text), "true or false"))
        return
    execute = text.lower() == "true"
    mode = found.values.get(("mode",))
    if mode in tuple(Mode) and execute != (mode == Mode.EXECUTE):
        allowed = f"left out, or in agreement with S3GC_MODE ({mode})"
        found.problems.append(Problem(variable, shown(text), allowed))
    elif mode is None and execute:
        found.put(("mode",), Mode.EXECUTE, variable)
    elif not execute:
        found.not_execute = True


def create_config_from_env(
    *, tables: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """A configuration from the environment alone; `tables` as for `create_config`.

    Raises one `ConfigurationError` that lists every unknown S3GC_ name and every bad value.
    """
    environment = os.environ if environ is None else environ
    found = read_environment(environment)
    settings: dict[str, object] = {"tables": {} if tables is None else tables}
    found.variables[("bucket",)] = "S3_BUCKET"  # also named where it is missing
    if "DATABASE_URL" in environment:
        found.put(("database",), environment["DATABASE_URL"], "DATABASE_URL")
    found.over(settings)
    findings = Findings(lambda where, _: found.label(where) or dotted(where))
    findings.problems.extend(found.problems)
    return validated(settings, findings, CREATE_NAMES, "environment")
