"""The filter line: `thumbs/2024 verdict:orphan size>10M age>30d ~draft "two words"`.

A bare word is the start of the key, `~word` and `"..."` are found anywhere in it. Values may be
quoted. Characters that cannot be typed are written as the screen shows them: `\\x1b`, `\\u{202e}`,
and a backslash doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from s3gc_core.judgement import CandidateFilter, ObjectVerdict

_SIZES = {"": 1, "B": 1} | {
    name: factor
    for at, letter in enumerate("KMGTPE", 1)
    for name, factor in (
        (letter, 1024**at),
        (f"{letter}I", 1024**at),
        (f"{letter}IB", 1024**at),
        (f"{letter}B", 1000**at),
    )
}
_AGES = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")
_ESCAPE = re.compile(r"\\(\\|\"|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|.|$)", re.DOTALL)
_TERM = re.compile(r'(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*"|["\\])+', re.DOTALL)
_BOUND = re.compile(r"(size|age)([<>])(.*)", re.DOTALL)
_PLAIN = re.compile(r"[^\s\"\\~:<>]+")
_VERDICTS = ", ".join(ObjectVerdict)


class FilterError(ValueError):
    """A term that means nothing: `term` as typed, and what is `allowed` there."""

    def __init__(self, term: str, allowed: str) -> None:
        super().__init__(f"{term}: {allowed}")
        self.term = term
        self.allowed = allowed


def parse_filter(text: str) -> CandidateFilter:
    """The filter that a line means. Raises `FilterError`, which names the term."""
    prefix: str | None = None
    containing: list[str] = []
    verdicts: frozenset[ObjectVerdict] | None = None
    larger: list[int] = []
    smaller: list[int] = []
    older: list[timedelta] = []
    younger: list[timedelta] = []
    for term in _TERM.findall(text):
        if bound := _BOUND.fullmatch(term):
            name, direction, value = bound.groups()
            if name == "size":
                (larger if direction == ">" else smaller).append(_size(term, value))
            else:
                (older if direction == ">" else younger).append(_age(term, value))
        elif term.startswith("verdict:"):
            named = _verdicts(term)
            verdicts = named if verdicts is None else verdicts & named
            if not verdicts:
                raise FilterError(term, "no object has two verdicts; verdict:keep,held is either")
        elif term.startswith(("~", '"')):
            containing.append(_value(term, term.removeprefix("~")))
        else:
            if prefix is not None:
                raise FilterError(term, "a key has one start only; ~word is found anywhere in it")
            prefix = _value(term, term.removeprefix("prefix:"))
    return CandidateFilter(
        prefix or "",
        tuple(containing),
        verdicts or frozenset(),
        max(larger, default=None),
        min(smaller, default=None),
        max(older, default=None),
        min(younger, default=None),
    )


def filter_text(wanted: CandidateFilter) -> str:
    """The line that means a filter, in pure printable text."""
    return " ".join(_terms(wanted))


def _terms(wanted: CandidateFilter) -> Iterator[str]:
    if wanted.prefix:
        plain = _PLAIN.fullmatch(wanted.prefix) and wanted.prefix.isprintable()
        yield wanted.prefix if plain else f"prefix:{_quoted(wanted.prefix)}"
    if wanted.verdicts:
        yield "verdict:" + ",".join(sorted(wanted.verdicts))
    for name, limit in (("size>", wanted.larger_than), ("size<", wanted.smaller_than)):
        if limit is not None:
            yield name + _size_text(limit)
    for name, span in (("age>", wanted.older_than), ("age<", wanted.younger_than)):
        if span is not None:
            yield name + _age_text(span)
    for part in wanted.containing:
        yield f"~{part}" if _PLAIN.fullmatch(part) and part.isprintable() else _quoted(part)


def _verdicts(term: str) -> frozenset[ObjectVerdict]:
    names = term.removeprefix("verdict:").lower().split(",")
    try:
        return frozenset(ObjectVerdict(name) for name in names)
    except ValueError:
        raise FilterError(term, f"a verdict is one of {_VERDICTS}") from None


def _size(term: str, value: str) -> int:
    number = _NUMBER.fullmatch(value)
    if number is None or number[2].upper() not in _SIZES:
        raise FilterError(term, "a size is a number with or without a unit, such as 10M or 1.5GiB")
    return _scaled(number[1], _SIZES[number[2].upper()])


def _age(term: str, value: str) -> timedelta:
    number = _NUMBER.fullmatch(value)
    if number is None or number[2] not in _AGES:
        raise FilterError(term, "an age is a number and one of s, m, h, d, w, such as 30d")
    seconds = _scaled(number[1], int(_AGES[number[2]].total_seconds()))
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise FilterError(term, "nothing is that old") from None


def _scaled(number: str, unit: int) -> int:
    """Exactly, rounded down: floats are coarse above 8 PiB."""
    whole, _, fraction = number.partition(".")
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * unit // scale


def _size_text(size: int) -> str:
    for at, letter in reversed(list(enumerate("KMGTPE", 1))):
        if size and size % 1024**at == 0:
            return f"{size // 1024**at}{letter}"
    return str(size)


def _age_text(span: timedelta) -> str:
    seconds = span // timedelta(seconds=1)
    for letter in "dhm":
        unit = int(_AGES[letter].total_seconds())
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def _value(term: str, value: str) -> str:
    """A word or quoted text as the characters it stands for."""
    quoted = value.startswith('"')
    if quoted and (len(value) < 2 or not value.endswith('"') or _ends_escaped(value)):
        raise FilterError(term, "the closing quote is missing")
    inner = value[1:-1] if quoted else value
    if re.search(r'(?<!\\)(?:\\\\)*"', inner):
        raise FilterError(term, 'a quote inside is written \\"')
    if not inner:
        raise FilterError(term, "a value is missing")
    return _ESCAPE.sub(lambda match: _unescaped(term, match), inner)


def _ends_escaped(value: str) -> bool:
    before = value[:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unescaped(term: str, match: re.Match[str]) -> str:
    code = match[2] or match[3]
    if code is None:
        if match[1] in ("\\", '"'):
            return match[1]
    elif (point := int(code, 16)) <= 0x10FFFF and not 0xD800 <= point < 0xE000:
        return chr(point)
    raise FilterError(term, 'an escape is \\\\, \\", \\x1b or \\u{202e}')


def _quoted(value: str) -> str:
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{{{ord(character):x}}}"
