"""On which line of a TOML file a setting stands; `tomllib` does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from s3gc_core.config_rules import Where


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header or `name = value`: its first and last line, counted from 1, and what it sets."""

    first: int
    last: int
    header: bool
    names: tuple[Where, ...]


class Lines:
    """Where each setting of a file stands. The text must be valid TOML."""

    def __init__(self, text: str) -> None:
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._places: dict[Where, _Statement] = {}
        under: Where = ()
        tables: dict[Where, int] = {}
        for statement in _statements(self._lines):
            if statement.header:
                under = _numbered(statement.names[-1], tables)
                places: tuple[Where, ...] = (under,)
            else:
                places = tuple((*under, *names) for names in statement.names)
            for place in places:
                self._places.setdefault(place, statement)

    def of(self, where: Where, value: object) -> int | None:
        """The line of a place, or of the nearest thing around it; None where it is not there.

        Inside a value of several lines, the one line that has the value or the name in it.
        """
        for length in range(len(where), 0, -1):
            statement = self._places.get(where[:length])
            if statement is None:
                continue
            inside = range(statement.first, statement.last + 1)
            for needle in (value, where[-1]) if length < len(where) else ():
                hits = [line for line in inside if _has(self._lines[line - 1], needle)]
                if len(hits) == 1:
                    return hits[0]
            return statement.first
        return None


def _has(line: str, needle: object) -> bool:
    return isinstance(needle, str) and needle != "" and needle in line


def _statements(lines: list[str]) -> Iterator[_Statement]:
    """Each statement is the shortest run of lines that is TOML by itself."""
    first = 1
    for last in range(1, len(lines) + 1):
        chunk = "\n".join(lines[first - 1 : last])
        try:
            content = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line: an array, or a text of several lines
        if content:
            names = tuple(_names(content))
            yield _Statement(first, last, chunk.lstrip().startswith("["), names)
        first = last + 1


def _names(content: Mapping[str, object], under: Where = ()) -> Iterator[Where]:
    for name, value in content.items():
        yield (*under, name)
        inner = value[0] if isinstance(value, list) and value == [{}] else value
        if isinstance(inner, Mapping):
            yield from _names(inner, (*under, name, *((0,) if inner is not value else ())))
    if not content and under:
        yield under


def _numbered(names: Where, tables: dict[Where, int]) -> Where:
    """The place of a header; the entries of `[[name]]` are counted as they come."""
    if not names or not isinstance(names[-1], int):
        return names
    number = tables.get(names, 0)
    tables[names] = number + 1
    return (*names[:-1], number)
