"""Where in a URL the key stands: `https://img.example.org/*/plain/{key}@*`. Pure.

`*` is anything within one segment of the path, `**` anything. A pattern that begins with a host is
true under http and https; one that begins with `/` on every host; any other is matched against
the whole value (`public://{key}`). What `->` leads to is the key, where more stands before it in
the bucket: `/api/file/{key} -> media/{key}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

ALLOWED = (
    "a text with {key} in it once and no * beside it, such as "
    '"https://img.example.org/*/plain/{key}@*" or "/resize?src={key}&**", or with what the key '
    'begins with in the bucket: "/api/file/{key} -> media/{key}"'
)
# Longer texts are no URL of a key: nothing is searched in them.
LONGEST_URL = 16 * 1024

_TOKENS = re.compile(r"\*\*|\*|[^*]+")
_PREFIX = re.compile(r"[^{}\0*]+")
_WEB = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class BadPattern(ValueError):
    """The text is no pattern."""


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """A parsed pattern: what stands before and after the key, the latter from its end backwards.

    `anchor` is what its texts begin with: `//` (a host), `/` (a path) or nothing (a whole value).
    `prefix` is what the key begins with in the bucket.
    """

    anchor: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    literals: tuple[str, ...]
    prefix: str = ""

    def keys(self, text: str) -> Iterator[str]:
        """What `{key}` may stand for in `text`: the longest and the shortest, each once.

        Takes time proportional to the text's length, whatever the text is.
        """
        if len(text) > LONGEST_URL or not all(literal in text for literal in self.literals):
            return
        starts = _ends(self.before, text)
        stops = {len(text) - end for end in _ends(self.after, text[::-1])}
        if not starts or not stops:
            return
        first, last = min(starts), max(stops)
        nearest = min((stop for stop in stops if stop > first), default=last)
        furthest = max((start for start in starts if start < last), default=first)
        for start, stop in dict.fromkeys(((first, last), (first, nearest), (furthest, last))):
            if start < stop:
                yield self.prefix + text[start:stop]


def _ends(tokens: Iterable[str], text: str) -> set[int]:
    """Where the tokens may end when they begin at the beginning of `text`."""
    places = {0}
    for token in tokens:
        if not places:
            break
        if token == "**":  # noqa: S105
            places = set(range(min(places), len(text) + 1))
        elif token == "*":  # noqa: S105
            places = set(_within_segments(places, text))
        else:
            places = {place + len(token) for place in places if text.startswith(token, place)}
    return places


def _within_segments(places: Iterable[int], text: str) -> Iterator[int]:
    reached = -1
    for place in sorted(places):
        end = text.find("/", place)
        end = len(text) if end < 0 else end
        yield from range(max(place, reached + 1), end + 1)
        reached = max(reached, end)


@lru_cache(maxsize=256)
def parse_pattern(pattern: str) -> UrlPattern:
    """The pattern that the text stands for. Raises `BadPattern`."""
    where, arrow, target = pattern.partition(" -> ")
    before, key, after = where.partition("{key}")
    prefix = target.removesuffix("{key}")
    if (
        not key
        or (arrow and (prefix == target or not _PREFIX.fullmatch(prefix)))
        or not before
        or re.search(r"[{}\s\0]|\*\*\*", before + after)
        or before.endswith("*")
        or after.startswith("*")
    ):
        raise BadPattern(ALLOWED)
    anchor = ""
    if web := _WEB.match(before):
        host, slash, path = before[web.end() :].partition("/")
        before, anchor = f"//{host.lower()}{slash}{path}", "//"
    elif before.startswith("/"):
        anchor = "/"
    head, tail = _TOKENS.findall(before), _TOKENS.findall(after)
    literals = tuple(_literals([*head, *tail]))
    return UrlPattern(anchor, tuple(head), _backwards(tail), literals, prefix)


def _backwards(tokens: Sequence[str]) -> tuple[str, ...]:
    return tuple(token[::-1] for token in reversed(tokens))


def _literals(tokens: Iterable[str]) -> Iterator[str]:
    return (token for token in tokens if token[0] != "*")
