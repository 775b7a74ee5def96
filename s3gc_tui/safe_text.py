"""The one function between the outside world and a terminal.

Keys, headers, database values, error texts and user names may hold anything; nothing of it that a
terminal would act on, or that would make one text look like another, gets through.
"""

from __future__ import annotations

import unicodedata

# Letters and marks that have no glyph of their own: Hangul fillers, the empty braille pattern.
_GLYPHLESS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")


def safe_text(text: str) -> str:
    """`text` with every character that cannot be seen written as an escape.

    A backslash is doubled, so that no text can pass for another one's escape.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(character) for character in text)


def printable(text: str) -> str:
    """`text` without anything a terminal would act on; what is clean already stays as it is.

    The last line of defence before the screen: `safe_text` may have been there before, so a
    backslash is not doubled again.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\\" else _shown(c) for c in text)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    # isprintable() refuses controls, formats (bidi, zero width), surrogates, private and
    # unassigned characters, and all white space but the space.
    if character.isprintable() and character not in _GLYPHLESS and not _is_variation(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def _is_variation(character: str) -> bool:
    return "VARIATION SELECTOR" in unicodedata.name(character, "")
