"""Guesses what stands before the keys in URLs and paths: `/media/a/b.jpg` is about `a/b.jpg`. Pure.

A path and a key that end alike are cut where they begin to differ: `/api/file/b.jpg` and
`media/b.jpg` into `/api/file/` and `media/`. What is found for enough paths is offered as a URL
pattern (`/media/{key}`, `/api/file/{key} -> media/{key}`).
"""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote

from s3gc_core.databases.protocol import Value
from s3gc_core.references.discovery import ColumnId, text_of
from s3gc_core.url_pattern import BadPattern, parse_pattern

# So many different paths at least, and this share of those that begin alike, must be about keys.
_LEAST = 3
_SHARE = 0.2
_SLASHES = 8
# Paths in one value, and of one column.
_PATHS = 100
_PATHS_OF_COLUMN = 2_000
_LONGEST = 2_048
_KEPT = 2_000
# The path of a URL, or a path by itself.
_PATH = re.compile(
    r"(?:(?:[A-Za-z][\w+.\-]*:)?//[^\s/\"'<>`\\]+|(?<![\w.:/}\-]))(/[^\s\"'<>()\[\]{}|,;`?#\\]+)"
)
_WEB = re.compile(r"(?:(?:https?|s3[an]?):/|/)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Base:
    """What stands before what is common: in the path, and in the key."""

    path: str
    key: str

    @property
    def pattern(self) -> str:
        """The URL pattern that reads such paths."""
        return f"{self.path}{{key}}" + (f" -> {self.key}{{key}}" if self.key else "")

    @property
    def is_pattern(self) -> bool:
        """Whether it says anything, and can be written as a pattern."""
        # What begins at the root, or at nothing, is read without being told.
        if not self.path.strip("/"):
            return False
        try:
            return len(parse_pattern(self.pattern).before) == 1
        except BadPattern:
            return False


@dataclass(slots=True)
class Bases:
    """Looks for the ends of paths, which columns hold, in the keys of a listing."""

    _paths: defaultdict[str, set[ColumnId]] = field(default_factory=lambda: defaultdict(set))
    # By what a path may end in: the paths.
    _by_end: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # How many paths begin so, by column, and in all of them (None).
    _begun: Counter[tuple[ColumnId | None, str]] = field(default_factory=Counter)
    _found: dict[_Base, set[str]] = field(default_factory=dict)

    def want(self, column: ColumnId, values: Iterable[Value]) -> None:
        """Look for the paths in these values from now on."""
        fresh = dict.fromkeys(path for value in values for path in _paths_in(value))
        for path in islice(fresh, _PATHS_OF_COLUMN):
            is_new = path not in self._paths
            self._paths[path].add(column)
            for before, end in _at_slashes(path):
                self._begun[column, before] += 1
                if is_new:
                    self._begun[None, before] += 1
                    self._by_end[end].append(path)

    @property
    def anything_wanted(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._by_end)

    def look(self, keys: Iterable[str]) -> None:
        """Look at a page of the listing."""
        for key in keys:
            for _, end in (("", key), *_at_slashes(key)):
                for path in self._by_end.get(end, ()):
                    base = _differing(path, key)
                    if base in self._found or self._has_room():
                        self._found.setdefault(base, set()).add(path)

    def patterns(self) -> dict[ColumnId, tuple[str, ...]]:
        """By column, the patterns that say what stands before the keys in it.

        A path that one pattern reads is no reason for another.
        """
        left = {base: paths for base, paths in self._found.items() if self._is_offered(base, paths)}
        found: defaultdict[ColumnId, list[str]] = defaultdict(list)
        while left:
            best = max(left, key=lambda base: (len(left[base]), -len(base.key), base.pattern))
            read = left.pop(best)
            for column in sorted({c for path in read for c in self._paths[path]}):
                found[column].append(best.pattern)
            rest = {base: paths - read for base, paths in left.items()}
            left = {base: paths for base, paths in rest.items() if self._is_offered(base, paths)}
        return {column: tuple(patterns) for column, patterns in found.items()}

    def _is_offered(self, base: _Base, paths: Collection[str]) -> bool:
        """Whether enough is read, in one column or in all of them together."""
        read: Counter[ColumnId | None] = Counter({None: len(paths)})
        read.update(column for path in paths for column in self._paths[path])
        return base.is_pattern and any(
            count >= max(_LEAST, _SHARE * self._begun[column, base.path])
            for column, count in read.items()
        )

    def _has_room(self) -> bool:
        """Whether another base may be kept; what was seen once only gives way."""
        if len(self._found) >= _KEPT:
            self._found = {base: paths for base, paths in self._found.items() if len(paths) > 1}
        return len(self._found) < _KEPT


def _paths_in(value: Value) -> Iterator[str]:
    plain = html.unescape(text_of(value).replace("\\/", "/"))
    for match in islice(_PATH.finditer(plain), _PATHS):
        yield unquote(match[1][:_LONGEST])
    whole = plain.strip()
    if len(whole) <= _LONGEST and not _WEB.match(whole) and not re.search(r"\s", whole):
        yield unquote(whole)


def _at_slashes(path: str) -> Iterator[tuple[str, str]]:
    """Before and after each slash, where anything follows."""
    for slash in islice(re.finditer("/", path), _SLASHES):
        if end := path[slash.end() :]:
            yield path[: slash.end()], end


def _differing(path: str, key: str) -> _Base:
    """What is left of both without the steps in which they end alike."""
    one, other = path.split("/"), key.split("/")
    same = 0
    while same < min(len(one), len(other)) and one[-1 - same] == other[-1 - same]:
        same += 1
    return _Base(_head(one, same), _head(other, same))


def _head(steps: Sequence[str], same: int) -> str:
    return "".join(f"{step}/" for step in steps[: len(steps) - same])
