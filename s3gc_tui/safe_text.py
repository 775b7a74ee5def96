"""The one function between the outside world and a terminal.

Keys, headers, database values, error texts and user names may hold anything; nothing of it that a
terminal would act on, or that would make one text look like another, gets through.
"""

from __future__ import annotations

import unicodedata

# Cc: C0 and C1 controls; Cf: bidi overrides, zero width; Cs: lone surrogates; Co, Cn: no glyph;
# Zl, Zp: line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe_text(text: str) -> str:
    """`text` with every character that is not visible written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if unicodedata.category(c) not in _HIDDEN else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
