"""Prometheus' text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/

So little of it is needed that a dependency would be more to look after; tests read what is written
here with Prometheus' own parser.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from s3gc_core.errors import TextfileNotWritten
from s3gc_core.ids import new_id

# What it is called over HTTP: without the version a scraper has to guess.
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Whoever collects it is another user than the one that runs s3gc.
_MODE = 0o644
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a family, with the labels that tell it from the others."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: `kind` is `gauge` or `counter`, whose name then ends in `_total`."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def exposition(families: Iterable[Family], labels: Mapping[str, str]) -> str:
    """The families as text; `labels` go with every sample. A family without samples is left out."""
    return "".join(f"{line}\n" for family in families for line in _lines(family, labels))


def _lines(family: Family, labels: Mapping[str, str]) -> Iterator[str]:
    if not family.samples:
        return
    told = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {family.name} {told}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        pairs = {**labels, **sample.labels}.items()
        inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
        yield f"{family.name}{{{inner}}} {_number(sample.value)}"


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(character) or _tame(character) for character in value)


def _tame(character: str) -> str:
    # No byte that acts on a terminal, and nothing that is not UTF-8, which nobody could read.
    if character.isprintable():
        return character
    return "\\" + character.encode("unicode_escape").decode()


def _number(value: float) -> str:
    # Whole numbers stay exact: a double's shortest form would tell bytes as 1e+16.
    return str(int(value)) if value == int(value) else repr(value)


def write_textfile(path: Path, text: str) -> None:
    """Replace the file at once, so that node_exporter reads the old one or the new one.

    The file that becomes it has another ending than `.prom`, which node_exporter leaves alone.
    Raises `TextfileNotWritten`; the old file is there then.
    """
    new = path.with_name(f".{path.name}-{new_id()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                # The user's umask is for what is private, which this is not.
                os.fchmod(file.fileno(), _MODE)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TextfileNotWritten(f"cannot write {path}: {error.strerror}") from error
