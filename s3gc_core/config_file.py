"""The configuration file: TOML, with the environment laid over it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from platformdirs import user_config_path

from s3gc_core.config import Config
from s3gc_core.config_create import DEFAULTS, FILE_NAMES, dotted, validated
from s3gc_core.config_environment import FromEnvironment, read_environment
from s3gc_core.config_lines import Lines
from s3gc_core.config_rules import Findings, Where
from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.redaction import shown

FILE_NAME = "s3gc.toml"
_WRITE_ONE = "an existing file; `s3gc init` writes one"


def find_config(config: Path | None = None, profile: str | None = None) -> Path:
    """The configuration file: `--config`, `--profile`, or s3gc.toml in the current folder.

    A profile is NAME.toml in the user's configuration folder. Raises `ConfigurationError` where
    there is no such file.
    """
    if config is not None and profile is not None:
        raise _wrong("--profile", shown(profile), "only one of --config and --profile")
    if config is not None:
        path, setting = config, "--config"
    elif profile is not None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", profile):
            raise _wrong("--profile", shown(profile), "letters, digits, - _ and .")
        path, setting = profiles_folder() / f"{profile}.toml", "--profile"
    else:
        path, setting = Path(FILE_NAME), "configuration file"
    if not path.is_file():
        raise _wrong(setting, f"{shown(path)} (not there)", _WRITE_ONE)
    return path


def profiles_folder() -> Path:
    """Where profiles lie, each as NAME.toml."""
    return user_config_path("s3gc")


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path`, with the environment (default: the process's) over it.

    A relative `vault_path` in the file, and the default one, lie in the file's folder. Raises one
    `ConfigurationError` that lists everything wrong, with lines and variables.
    """
    environment = os.environ if environ is None else environ
    text = _read(path)
    settings = _parse(text, path)
    lines = cache(lambda: Lines(text))
    found = read_environment(environment)

    def label(where: Where, value: object) -> str:
        variable = found.label(where)
        line = None if variable else lines().of(where, value)
        return variable or dotted(where) + (f" (line {line})" if line else "")

    findings = Findings(label)
    findings.problems.extend(found.problems)
    _place_vault(settings, path)
    _lay_urls(settings, environment, found, findings)
    found.over(settings)
    names = FILE_NAMES | {str(where[0]) for where in found.values}
    return validated(settings, findings, names, str(path))


def _read(path: Path) -> str:
    problem = ""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        problem = _WRITE_ONE
    except OSError as error:
        problem = f"a file that can be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "a file in UTF-8"
    raise _wrong("configuration file", shown(path), problem)


def _parse(text: str, path: Path) -> dict[str, object]:
    problem = ""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError too
        problem = str(error)
    # Raised out here: the parser's error carries the whole text, passwords included.
    place = re.search(r"\(at (line \d+, column \d+|end of document)\)", problem)
    where = place[1] if place else "configuration file"
    reason = problem.partition(" (at ")[0]
    raise ConfigurationError(
        [Problem(where, "this text", f"valid TOML ({reason})")], origin=str(path)
    )


def _wrong(setting: str, value: str, allowed: str) -> ConfigurationError:
    return ConfigurationError([Problem(setting, value, allowed)])


def _place_vault(settings: dict[str, object], path: Path) -> None:
    written = settings.get("vault_path", str(DEFAULTS["vault_path"]))
    if isinstance(written, str) and written.strip() and not written.startswith("~"):
        settings["vault_path"] = path.absolute().parent / written


def _lay_urls(
    settings: dict[str, object],
    environ: Mapping[str, str],
    found: FromEnvironment,
    findings: Findings,
) -> None:
    """URLs of databases from the environment: `DATABASE_URL`, and variables that url_env names."""
    written = settings.get("database")
    entries = written if isinstance(written, list) else [] if written is None else [written]
    tables: dict[Where, dict[str, object]] = {
        ("database", number) if isinstance(written, list) else ("database",): entry
        for number, entry in enumerate(entries)
        if isinstance(entry, dict)
    }
    if "DATABASE_URL" in environ:
        _lay_database_url(environ["DATABASE_URL"], settings, len(entries), tables, found, findings)
    for where, table in tables.items():
        if "url_env" in table:
            variable = table.pop("url_env")
            if "url" in table:
                findings.add((*where, "url_env"), variable, "only one of url and url_env")
            elif not isinstance(variable, str) or not re.fullmatch(r"[A-Za-z_]\w*", variable):
                findings.add((*where, "url_env"), variable, "the name of an environment variable")
            else:
                table["url"] = environ.get(variable)
                found.variables[(*where, "url")] = variable


def _lay_database_url(
    url: str,
    settings: dict[str, object],
    count: int,
    tables: Mapping[Where, dict[str, object]],
    found: FromEnvironment,
    findings: Findings,
) -> None:
    """It is the URL of the only database, or of the only one that has none."""
    without = [where for where, table in tables.items() if not {"url", "url_env"} & set(table)]
    if count > 1 and len(without) != 1:
        found.variables[("DATABASE_URL",)] = "DATABASE_URL"
        allowed = "unset; of several databases each has its own url or url_env"
        findings.add(("DATABASE_URL",), None, allowed, said="one URL for several databases")
    elif tables:
        where = without[0] if count > 1 else next(iter(tables))
        tables[where].pop("url_env", None)
        tables[where]["url"] = url
        found.variables[(*where, "url")] = "DATABASE_URL"
    else:
        found.put(("database",), url, "DATABASE_URL")
