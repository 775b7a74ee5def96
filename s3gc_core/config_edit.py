"""Adds sources and URL patterns to a configuration file; all else in it stays as it was written."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomlkit

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.config_file import load_config

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(source: SourceConfig, first_database: str) -> str | dict[str, Any]:
    """A source as it stands under [tables]: what is the default is left out."""
    entry: dict[str, Any] = {}
    if source.template is None:
        entry["column"] = source.columns[0]
    for field in fields(SourceConfig):
        value = getattr(source, field.name)
        if field.name in ("table", "columns") or value == field.default:
            continue
        entry[field.name] = str(value) if isinstance(value, Codec) else value
    if source.template is not None:
        entry.pop("codec", None)
    if source.database == first_database:
        entry.pop("database", None)
    else:
        entry["database"] = source.database
    return source.columns[0] if entry == {"column": source.columns[0]} else entry


def by_table(
    sources: Iterable[SourceConfig], first_database: str
) -> dict[str, list[str | dict[str, Any]]]:
    """Sources as they stand under [tables], table by table."""
    tables: dict[str, list[str | dict[str, Any]]] = {}
    for source in sources:
        tables.setdefault(source.table, []).append(written(source, first_database))
    return tables


def table_line(table: str, entries: Sequence[str | Mapping[str, Any]]) -> str:
    """The line to paste under [tables]: `users = ["avatar", {column = "body", codec = "text"}]`."""
    document = tomlkit.document()
    document.add(table, _array(entries))
    return tomlkit.dumps(document).strip()


def patterns_line(patterns: Sequence[str]) -> str:
    """The line to put before the file's first table: `url_patterns = ["/media/{key}"]`."""
    document = tomlkit.document()
    document.add("url_patterns", _array(patterns))
    return tomlkit.dumps(document).strip()


def with_sources(
    text: str,
    sources: Iterable[SourceConfig],
    first_database: str,
    patterns: Sequence[str] = (),
) -> str:
    """The text of a configuration file with these sources added under [tables], and these URL
    patterns to those that it has.
    """
    document = tomlkit.parse(text)
    if patterns:
        known = list(document.get("url_patterns", []))
        document["url_patterns"] = _array([*known, *(p for p in patterns if p not in known)])
    tables = document.get("tables")
    if tables is None:
        tables = tomlkit.table()
        document.add("tables", tables)
    for table, entries in by_table(sources, first_database).items():
        there = tables.get(table, [])
        before = list(there) if isinstance(there, list) else [there]
        tables[table] = _array([*before, *entries])
    return tomlkit.dumps(document)


def _array(entries: Sequence[Any]) -> Any:
    array = tomlkit.array()
    for entry in entries:
        if isinstance(entry, Mapping):
            inline = tomlkit.inline_table()
            inline.update(dict(entry))
            array.append(inline)
        else:
            array.append(str(entry))
    return array.multiline(len(entries) > 2)


def add_sources(
    path: Path,
    sources: Sequence[SourceConfig],
    first_database: str,
    env: Mapping[str, str],
    patterns: Sequence[str] = (),
) -> None:
    """Add sources and URL patterns to the file at `path`, in one step: it is the old file or the
    new one.

    The new text is read as a configuration first. Raises `ConfigurationError` where that fails,
    and `OSError`; then nothing was changed.
    """
    text = with_sources(path.read_text(encoding="utf-8"), sources, first_database, patterns)
    # Beside the file, because paths in it are relative to it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".toml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            file.flush()
            os.fsync(file.fileno())
        load_config(Path(name), env)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
