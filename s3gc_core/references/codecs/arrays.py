"""Codec `array`: the elements of a PostgreSQL array (`{a,"b c",NULL}`, nested) or of a JSON array.

Closes incident group b (a kind of reference that nobody told the collector about: a column of many
keys) and c (the quotes and backslashes around an element). What does not parse is read as free
text by who asks.
"""

from __future__ import annotations

import re

from s3gc_core.references.codecs import documents

# What may stand before an array whose lower bounds are not 1.
_BOUNDS = re.compile(r"(?:\[[+-]?\d+:[+-]?\d+\])+=")
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[{}])|\"(?P<quoted>(?:[^\"\\]|\\.)*+)\"|(?P<bare>(?:[^\"\\{},]|\\.)++))\s*",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def elements(text: str) -> list[str] | None:
    """The elements, those of inner arrays included; NULL is none. None where it is no array."""
    body = _BOUNDS.sub("", text.strip(), count=1)
    found = _literal(body) if body.startswith("{") else None
    return documents.strings(text) if found is None else found


def _literal(text: str) -> list[str] | None:
    found: list[str] = []
    depth = place = 0
    while match := _TOKEN.match(text, place):
        place = match.end()
        if match["mark"] == "{":
            depth += 1
            continue
        if match["mark"] == "}":
            depth -= 1
        elif match["quoted"] is not None:
            found.append(_ESCAPE.sub(r"\1", match["quoted"]))
        elif (bare := match["bare"].strip()) and bare.upper() != "NULL":
            found.append(_ESCAPE.sub(r"\1", bare))
        if depth <= 0:
            break
        if text.startswith(",", place):
            place += 1
    return found if depth == 0 and place == len(text) else None
