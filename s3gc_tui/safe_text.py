"""The one function between the outside world and a terminal.

Keys, headers, database values, error texts and user names may hold anything; nothing of it that a
terminal would act on, or that would make one text look like another, gets through.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Letters and marks that have no glyph of their own: Hangul fillers, the empty braille pattern.
_GLYPHLESS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")

# No language sets more on one letter, but for a few that are not written in keys.
_MOST_MARKS = 2


def safe_text(text: str) -> str:
    """`text` with every character that cannot be seen written as an escape.

    A backslash is doubled, so that no text can pass for another one's escape.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(text, backslash="\\\\"))


def printable(text: str) -> str:
    """`text` without anything a terminal would act on; what is clean already stays as it is.

    The last line of defence before the screen: `safe_text` may have been there before, so a
    backslash is not doubled again.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(text, backslash="\\"))


def _shown(text: str, backslash: str) -> Iterator[str]:
    marks = _MOST_MARKS
    for character in text:
        # Marks lie on the character before them: a pile of them reaches into other lines, and the
        # first of a text would lie on what is beside it.
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if character == "\\":
            yield backslash
        else:
            yield _escaped(character) if marks > _MOST_MARKS else _visible(character)


def _visible(character: str) -> str:
    # isprintable() refuses controls, formats (bidi, zero width), surrogates, private and
    # unassigned characters, and all white space but the space.
    if character.isprintable() and character not in _GLYPHLESS and not _is_variation(character):
        return character
    return _escaped(character)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def _is_variation(character: str) -> bool:
    return "VARIATION SELECTOR" in unicodedata.name(character, "")
