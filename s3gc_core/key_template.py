"""Keys computed from a row's columns. Pure.

files/{id}.{type}                           a column's value
files/{hash[0:2]}/{hash[2:4]}/{hash}        a slice of it (as in Python; bounds may be left out)
files/{id:.2}/{id:0>8}                      a format of it (precision, fill, width)
thumbs/{id}_{200,400,800}.webp              alternatives: one key for each
{{literally}}/{id}                          a brace
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

# Keys of one row: enough for every size and format of a picture, and it bounds the registry.
MOST_KEYS = 1000

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_FIELD = re.compile(
    r"(?P<column>[^\[\]{}.:!,]+)(?:\[(?P<start>-?\d{1,4})?:(?P<stop>-?\d{1,4})?\])?"
    r"(?::(?P<spec>.*))?"
)
_SPEC = re.compile(r"(?:.?[<>^])?0?[0-9]{0,4}(?:\.[0-9]{1,4})?s?")

ALLOWED = (
    "a text with at least one {column} in it, such as files/{id[0:2]}/{id:.8}.{type} or "
    "thumbs/{id}_{200,400}.webp; columns are texts, a brace is {{ or }}"
)


class BadTemplate(ValueError):
    """The text is no template."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column's value, or the part of it that slice and format take."""

    column: str
    part: slice
    spec: str


# A text as it is, a column, or alternatives.
Piece = str | Field | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """A parsed template."""

    pieces: tuple[Piece, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, each once, in order."""
        return tuple(
            dict.fromkeys(piece.column for piece in self.pieces if isinstance(piece, Field))
        )

    def keys(self, values: Mapping[str, str]) -> Iterator[str]:
        """One key for each combination of alternatives."""
        choices: list[tuple[str, ...]] = []
        for piece in self.pieces:
            match piece:
                case str():
                    choices.append((piece,))
                case Field():
                    choices.append((format(values[piece.column][piece.part], piece.spec),))
                case _:
                    choices.append(piece)
        return map("".join, product(*choices))


@lru_cache(maxsize=256)
def parse_template(template: str) -> KeyTemplate:
    """The template that the text stands for. Raises `BadTemplate`."""
    pieces: list[Piece] = []
    for match in _TOKEN.finditer(template):
        token = match[0]
        if token in ("{", "}"):
            raise BadTemplate(f"a single {token}")
        if token in ("{{", "}}"):
            pieces.append(token[0])
        elif match[1] is None:
            pieces.append(token)
        elif "," in match[1] and not re.search(r"[:\[\]]", match[1]):
            pieces.append(tuple(dict.fromkeys(match[1].split(","))))
        else:
            pieces.append(_field(match[1]))
    if prod(len(piece) for piece in pieces if isinstance(piece, tuple)) > MOST_KEYS:
        raise BadTemplate(f"more than {MOST_KEYS} keys a row")
    parsed = KeyTemplate(tuple(pieces))
    if not parsed.columns:
        raise BadTemplate("no column")
    return parsed


def _field(inside: str) -> Field:
    field = _FIELD.fullmatch(inside)
    spec = (field and field["spec"]) or ""
    if field is None or field["column"].strip().isdigit() or not _SPEC.fullmatch(spec):
        raise BadTemplate(f"{{{inside}}} is no column")
    start, stop = (None if bound is None else int(bound) for bound in field.group("start", "stop"))
    return Field(field["column"], slice(start, stop), spec)
