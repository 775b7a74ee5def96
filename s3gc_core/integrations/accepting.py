"""Whether who asks for metrics reads Prometheus' text, or JSON: by the Accept header (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What a scraper names; all of them read the plain format, too.
_TEXT = ("text/plain", "application/openmetrics-text")
_JSON = ("application/json",)
_WEIGHT = re.compile(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)
# How much of a media range is named: `*/*`, `text/*`, `text/plain`.
_ANY, _KIND, _NAMED = 0, 1, 2


def prefers_text(accept: str) -> bool:
    """Whether it prefers text to JSON. Of the same weight what is named goes before what is not,
    and otherwise JSON does: `*/*`, as curl sends it, is answered with that.
    """
    ranges = list(_ranges(accept))
    text = _rank(ranges, _TEXT)
    return text[0] > 0 and text > _rank(ranges, _JSON)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = part.split(";")
        found = [match for one in parameters if (match := _WEIGHT.fullmatch(one))]
        yield media.strip().lower(), float(found[0][1]) if found else 1.0


def _rank(ranges: list[tuple[str, float]], types: tuple[str, ...]) -> tuple[float, int]:
    """The weight of the best of these types, and how much of it was named."""
    return max((_of(ranges, one) for one in types), default=(0.0, _ANY))


def _of(ranges: list[tuple[str, float]], wanted: str) -> tuple[float, int]:
    """What is named most closely decides, also where it is refused (weight 0)."""
    kind = wanted.partition("/")[0]
    for media, named in ((wanted, _NAMED), (f"{kind}/*", _KIND), ("*/*", _ANY)):
        weights = [weight for one, weight in ranges if one == media]
        if weights:
            return max(weights), named
    return 0.0, _ANY
