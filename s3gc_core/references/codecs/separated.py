"""Codec `csv`: the fields of a list with a separator, quoted or not, in one line or several.

Closes incident group b (a kind of reference that nobody told the collector about: a column of many
keys) and c (quotes and spaces around a key).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

_LINES = re.compile(r"[\r\n]+")
# A list of keys in a column of text; other lists are declared, with their separator.
SEPARATORS = (",", ";", "|", "\t")


def fields(text: str, separator: str = ",") -> Iterator[str]:
    """Every field, as CSV has it, and as it stands between two separators.

    The second finds what the first does not: a quote that opens and never closes takes the rest of
    the text into one field.
    """
    found = dict.fromkeys((*_as_csv(text, separator), *_split(text, separator)))
    return (field for field in found if field.strip())


def _as_csv(text: str, separator: str) -> Iterator[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        for row in rows:
            yield from row
    except csv.Error:
        return  # a field too long to be a key; the split has the others


def _split(text: str, separator: str) -> Iterator[str]:
    for line in _LINES.split(text):
        yield from line.split(separator)
