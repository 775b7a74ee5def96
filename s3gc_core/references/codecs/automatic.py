"""Codec `auto`: every codec that takes one value, tried on it.

Closes incident group b (a kind of reference that nobody told the collector about): the database
layer reads every tracked value this way, whatever codec is declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from s3gc_core.references.codecs import arrays, documents, free_text, separated
from s3gc_core.references.codecs.bucket_names import BucketNames
from s3gc_core.references.codecs.resizers import ENCODED, decode_base64
from s3gc_core.references.codecs.single import single_keys, without_host
from s3gc_core.references.codecs.url import url_keys
from s3gc_core.references.spellings import LONGEST

# A value in which no codec finds anything but itself: the fast path of nearly all rows.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.\-][A-Za-z0-9_.\-/]*+", re.ASCII)
_PLAIN_URL = re.compile(r"(?:https?|s3[an]?)://[A-Za-z0-9_.\-/:@~=+%]*[A-Za-z0-9_/]")
# Values within values: JSON in JSON, base64 of JSON ...
_DEEPEST = 6


def auto_keys(text: str, names: BucketNames, depth: int = 0) -> set[str]:
    """Every key that any codec finds in `text`."""
    if (
        len(text) <= LONGEST
        and _PLAIN_KEY.fullmatch(text)
        and "//" not in text
        and "./" not in text
    ):
        found = {text}
        if names.url_patterns:
            found |= url_keys(text, names)
        if text.startswith(ENCODED):
            found |= _decoded(text, names, depth)
        elif "." in text.partition("/")[0]:
            found |= without_host(text, names)
        return found
    if not names.url_patterns and _PLAIN_URL.fullmatch(text):
        return single_keys(text, names)
    found = single_keys(text, names) | text_keys(text, names)
    if depth >= _DEEPEST:
        return found
    stripped = text.strip()
    if stripped[:1] in ("[", "{", '"'):
        inside = documents.strings(text)
        inside = arrays.elements(text) if inside is None else inside
        found |= each_key(inside or (), text, names, depth)
    for separator in separated.SEPARATORS:
        # A doubled quote is one of a field, though it be the only field.
        if separator in text or (separator == "," and '""' in text):
            for field in separated.fields(text, separator):
                if "." in field or "/" in field:
                    found |= single_keys(field, names)
    return found | _decoded(stripped, names, depth)


def each_key(inside: Iterable[str], text: str, names: BucketNames, depth: int = 0) -> set[str]:
    """The keys of strings found inside of `text`."""
    found: set[str] = set()
    for string in inside:
        if string != text:
            found |= auto_keys(string, names, depth + 1)
        else:
            found |= single_keys(string, names)
    return found


def text_keys(text: str, names: BucketNames) -> set[str]:
    """Every URL and every key-like token in free text."""
    found: set[str] = set()
    for token in free_text.tokens(text):
        found |= single_keys(token, names)
    return found


def _decoded(text: str, names: BucketNames, depth: int) -> set[str]:
    decoded = decode_base64("".join(text.split())) if text.startswith(ENCODED) else None
    return set() if decoded is None else auto_keys(decoded, names, depth + 1)
