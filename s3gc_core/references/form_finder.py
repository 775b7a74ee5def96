"""Finds the places of many forms of keys in a text, all at once. Pure.

Most keys have a slash or a dot, and texts have few: what stands beside each is looked up among what
stands there in the forms. That takes half the time of an automaton (Aho-Corasick) of 100,000 forms,
and a fifth of the time to make one; an automaton finds the others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from ahocorasick_rs import BytesAhoCorasick

# Of fewer forms than this an automaton fits the processor's caches, and is faster.
MANY = 2_000
# Forms that have the same bytes beside their marks: of more, too many would have to be compared.
_SHARED = 4
# Each takes a look at the whole text.
_MOST_MARKS = 3
# The first that does for so many of the forms is taken; none is that does for less than the last.
_GOOD, _OF_USE = 0.9, 0.1
# Patterns of one automaton: more would need more memory at once while it is made.
_PATTERNS = 200_000
# Bytes at the end of a form by which an automaton looks for it.
_ENDING = 16

# Places in one text that are told one by one.
_FEW = 64

# Number of the key, start and end.
Match = tuple[int, int, int]


@dataclass(frozen=True)
class Mark:
    """The last `sign` of a form, by which it is looked for with so many bytes `before` it, and so
    many `after` it, none of which is the sign.
    """

    sign: bytes
    before: int = 0
    after: int = 0

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Finds all signs of a text that have as much beside them. Its group is what is beside."""
        # Begins with the sign, for which the library then looks at full speed.
        sign = re.escape(self.sign)
        if self.before:
            return re.compile(rb"(?s)%b(?<=(.{%d}))" % (sign, self.before + 1))
        # Without another sign among what it takes, it takes no other match away.
        return re.compile(rb"%b([^%b]{%d})" % (sign, sign, self.after))

    @cached_property
    def escaped(self) -> re.Pattern[bytes] | None:
        """Finds the same beside slashes that a URL escapes, of forms without a percent sign; None
        where slashes may be beside too.
        """
        if self.sign != b"/" or self.before:
            return None
        return re.compile(rb"%%(?=2[Ff]([^%%/]{%d}))" % self.after)

    def beside(self, forms: Iterable[bytes]) -> Iterator[bytes | None]:
        """For each, what `pattern` gives where the form stands; None where that may be more than
        the form.
        """
        # Of a million forms, so that a call for each takes longer than the rest.
        pieces = [form.rpartition(self.sign) for form in forms]
        if n := self.before:
            return (
                head[-n:] + sign if sign and len(head) >= n else None for head, sign, _ in pieces
            )
        n = self.after
        return (tail[:n] if sign and len(tail) >= n else None for _, sign, tail in pieces)


# The better first: what is longer is found less often where no key is.
MARKS = (
    Mark(b"/", after=16),
    Mark(b"/", after=8),
    Mark(b"/", before=16),
    Mark(b"/", before=8),
    Mark(b".", before=16),
    Mark(b".", before=8),
)


class FormFinder:
    """Finds `forms`, of which each belongs to the key with the number beside it in `keys`."""

    def __init__(self, forms: Sequence[bytes], keys: Sequence[int], many: int = MANY) -> None:
        self._forms = forms
        self._keys = keys
        self._marked: list[tuple[Mark, Mapping[bytes, Sequence[int]]]] = []
        rest: Sequence[int] = range(len(forms))
        while len(rest) >= many and len(self._marked) < _MOST_MARKS:
            mark, beside = self._best_mark(rest)
            count = sum(map(len, beside.values()))
            if count < _OF_USE * len(rest):
                break
            self._marked.append((mark, beside))
            if count == len(rest):
                rest = []
                break
            found = set().union(*beside.values())
            rest = [number for number in rest if number not in found]
        self._automata = [
            _Automaton(
                [forms[number] for number in rest[first : first + _PATTERNS]],
                [keys[number] for number in rest[first : first + _PATTERNS]],
            )
            for first in range(0, len(rest), _PATTERNS)
        ]

    @property
    def lets_others_run(self) -> bool:
        """Whether other threads run while most of the work is done."""
        return bool(self._automata)

    def find(self, text: bytes) -> list[Match]:
        """Every match, also those that overlap, in the order of their ends."""
        found = [match for automaton in self._automata for match in automaton.find(text)]
        for mark, beside in self._marked:
            # Of most texts this is all, and it runs in C.
            if not beside.keys().isdisjoint(mark.pattern.findall(text)):
                found += self._marked_places(mark, beside, text)
        return sorted(found, key=_end)

    @property
    def sees_through(self) -> bool:
        """Whether `hints` needs no slash unescaped before, of forms without a percent sign."""
        return not self._automata and all(mark.escaped for mark, _ in self._marked)

    def hints(self, text: bytes) -> list[int] | None:
        """Of each form that is in the text, a place inside of it; others where none is besides.

        In less time than `find`. None where there are too many to be worth it.
        """
        endings = [end for automaton in self._automata for end in automaton.ends(text)]
        looks: set[bytes] = set()
        for mark, beside in self._marked:
            looks |= beside.keys() & mark.pattern.findall(text)
            if mark.escaped and b"%" in text:
                looks |= beside.keys() & mark.escaped.findall(text)
        if len(endings) + len(looks) > _FEW:
            return None
        return [end - 1 for end in endings] + [
            place for look in looks for place in _all(look, text)
        ]

    def _marked_places(
        self, mark: Mark, beside: Mapping[bytes, Sequence[int]], text: bytes
    ) -> Iterator[Match]:
        for place in mark.pattern.finditer(text):
            for number in beside.get(place[1], ()):
                form = self._forms[number]
                start = place.start() - form.rfind(mark.sign)
                if start >= 0 and text.startswith(form, start):
                    yield self._keys[number], start, start + len(form)

    def _best_mark(self, numbers: Sequence[int]) -> tuple[Mark, Mapping[bytes, Sequence[int]]]:
        """The mark that does for most of these forms, and their numbers by what is beside it."""
        best: tuple[int, Mark, Mapping[bytes, Sequence[int]]] = (-1, MARKS[0], {})
        forms = [self._forms[number] for number in numbers]
        for mark in MARKS:
            few = _shared_by_few(list(mark.beside(forms)), numbers)
            count = sum(map(len, few.values()))
            if count > best[0]:
                best = count, mark, few
            if count >= _GOOD * len(numbers):
                break
        return best[1], best[2]


def _shared_by_few(
    texts: Sequence[bytes | None], numbers: Sequence[int]
) -> Mapping[bytes, Sequence[int]]:
    """The numbers by the texts beside them, but for those of a text that too many have."""
    alone = dict(zip(texts, zip(numbers, strict=True), strict=True))
    if len(alone) == len(texts) and None not in alone:
        return cast("dict[bytes, tuple[int]]", alone)
    by_text: defaultdict[bytes, list[int]] = defaultdict(list)
    for text, number in zip(texts, numbers, strict=True):
        if text is not None:
            by_text[text].append(number)
    return {text: some for text, some in by_text.items() if len(some) <= _SHARED}


class _Automaton:
    """Finds forms of keys by their last bytes: with as much as the whole forms, it would be several
    times as large, and slower, as texts that only begin like keys lead far into it.
    """

    def __init__(self, patterns: Sequence[bytes], keys: Sequence[int]) -> None:
        self._keys: defaultdict[bytes, list[int]] = defaultdict(list)
        lengths: defaultdict[bytes, set[int]] = defaultdict(set)
        for pattern, key in zip(patterns, keys, strict=True):
            self._keys[pattern].append(key)
            lengths[pattern[-_ENDING:]].add(len(pattern))
        # Of the forms with each of the endings, how long they are.
        self._lengths = [tuple(some) for some in lengths.values()]
        self._automaton = BytesAhoCorasick(list(lengths))

    def ends(self, text: bytes) -> list[int]:
        """Where those that `find` would look at end."""
        return [
            end for _, _, end in self._automaton.find_matches_as_indexes(text, overlapping=True)
        ]

    def find(self, text: bytes) -> Iterator[Match]:
        for ending, _, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for length in self._lengths[ending]:
                start = end - length
                if start >= 0:
                    for key in self._keys.get(text[start:end], ()):
                        yield key, start, end


def _all(look: bytes, text: bytes) -> Iterator[int]:
    """Every place of it."""
    place = text.find(look)
    while place >= 0:
        yield place
        place = text.find(look, place + 1)


def _end(match: Match) -> int:
    return match[2]
