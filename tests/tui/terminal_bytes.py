"""What an application may write to a terminal: Textual's own sequences, and text to be seen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from textual.strip import Strip

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters without a glyph, and what changes the glyph before it.
GLYPHLESS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\ufe0e\ufe0f\xa0")
# All that Textual 8 writes while it runs: colours and styles, cursor position and visibility,
# synchronised updates, the modes of its start and end, its questions about the terminal.
OWN = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[\d+;\d+H|\x1b\[\?2026[hl]|\x1b\]22;[a-z-]+\x07"
    r"|\x1b\[\?(?:1049|25|1004|2004|7|2048)[hl]|\x1b\[\?20(?:26|48)\$p|\x1b\[[><]\d*u"
)
# The clipboard, which only the copy key may write; what is in it is base64.
CLIPBOARD = re.compile(r"\x1b\]52;c;[A-Za-z0-9+/=]*(?:\x07|\x1b\\)")


def visible(written: str, *, copied: bool = False) -> str:
    """The text that was written. Fails on any other byte that a terminal would act on.

    Lines are ended by Textual itself; that none is in a text, nor a style, `assert_tame` sees.
    """
    text = OWN.sub("", CLIPBOARD.sub("", written) if copied else written)
    found = hidden_in(text) - {"\n"}
    assert found == set(), {f"U+{ord(c):04X}": _around(text, c) for c in found}
    return text


def assert_tame(strips: Iterable[Strip]) -> None:
    """No piece of what is drawn holds anything hidden, an action to click, or a link."""
    for strip in strips:
        for segment in strip:
            found = hidden_in(segment.text)
            assert found == set(), (found, segment.text)
            assert segment.control is None
            assert not (segment.style and (segment.style.link or "@click" in segment.style.meta))


def hidden_in(text: str) -> set[str]:
    """What cannot be seen in a text, or acts on the terminal."""
    return {c for c in text if unicodedata.category(c) in HIDDEN or c in GLYPHLESS}


def _around(text: str, character: str) -> str:
    at = text.index(character)
    return repr(text[max(0, at - 40) : at + 40])
