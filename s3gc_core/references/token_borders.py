"""Whether a key that was found in a text stands there by itself, or inside of a longer word. Pure.

Any doubt counts as a border: then the key stands by itself, and its object is kept.
"""

from __future__ import annotations

import re
from enum import StrEnum

# A key of so many characters is not part of a longer word by chance: at 36 letters and digits,
# and 10 GB of text, that is expected less than once in 100 million keys. Whether it has a slash
# tells less: `1/2` is in many a date.
LONG = 12


class MentionKind(StrEnum):
    """How a key stands in a text.

    `whole`: by itself. `part`: inside of a longer word, which a key so long is hardly by chance.
    `chance`: inside of a longer word, which says nothing: the key is short, or it is the beginning
    or the end of another number.
    """

    WHOLE = "whole"
    PART = "part"
    CHANCE = "chance"


_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_DIGITS = frozenset(b"0123456789")
# They join two parts of a word, and end or begin none: `a.jpg.` at the end of a sentence.
_JOINTS = frozenset(b"-_.")
_BEFORE = re.compile(
    rb"(?:%(?:25)*(?P<url>[0-9A-Fa-f]{2})|\\u(?P<json>[0-9A-Fa-f]{4})|\\x(?P<c>[0-9A-Fa-f]{2})"
    rb"|\\(?P<short>[abefnrtv0]))\Z"
)
_AFTER = re.compile(rb"%(?:25)*(?P<url>[0-9A-Fa-f]{2})|\\u(?P<json>[0-9A-Fa-f]{4})|\\(?=/)")
# An escape is no longer than this, percent signs that are escaped several times too.
_LONGEST_ESCAPE = 12


def kind_of(text: bytes, start: int, end: int, key: str) -> MentionKind:
    """How `key`, written at `start:end`, stands in `text`, which goes on on either side."""
    before, after = goes_on_before(text, start), goes_on_after(text, end)
    if not before and not after:
        return MentionKind.WHOLE
    other_number = (not before or (_is_digit(key[0]) and text[start - 1] in _DIGITS)) and (
        not after or (_is_digit(key[-1]) and text[end] in _DIGITS)
    )
    return MentionKind.CHANCE if len(key) < LONG or other_number else MentionKind.PART


def goes_on_before(text: bytes, start: int) -> bool:
    """Whether the word that begins at `start` begins earlier. Only ASCII is taken for a word: in
    many scripts words follow each other without a space. A slash is a border: in URLs and paths
    folders stand before a key.
    """
    last = text[start - 1]
    if last not in _WORD and last not in _JOINTS:
        return False
    if escape := _BEFORE.search(text, max(0, start - _LONGEST_ESCAPE), start):
        return _decoded(escape) in _WORD
    while last in _JOINTS and start > 1:
        start -= 1
        last = text[start - 1]
    return last in _WORD


def goes_on_after(text: bytes, end: int) -> bool:
    """Whether the word that ends at `end` goes on, as the name of a folder too (`a` in `a/b`)."""
    while end < len(text):
        if text[end] in _WORD:
            return True
        width = 1
        if escape := _AFTER.match(text, end):
            code = _decoded(escape)
            if code in _WORD:
                return True
            if escape[0] != b"\\" and code not in _JOINTS and code != ord("/"):
                return False
            width = len(escape[0])
        elif text[end] not in _JOINTS and text[end] != ord("/"):
            return False
        end += width
    return False


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


def _decoded(escape: re.Match[bytes]) -> int:
    """The code that an escape stands for; -1 for a control character."""
    groups = escape.groupdict()
    code = groups["url"] or groups["json"] or groups.get("c")
    return int(code, 16) if code else -1
