"""Text that wants the terminal, and what must hold for every line it is shown in."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len

from s3gc_tui.models.lines import Line

HOSTILE = (
    "a\x1b[2J\x1b[H.jpg",
    "a\x1b]52;c;Y3VybCB4fHNo\x07.jpg",
    "a\x9d0;owned\x9c\x9b31m.jpg",
    "gone\ndeleted  fake/line.jpg\r\x08\x08\x7f",
    "photo\u202egpj.exe\u200b\ufeff\u2028\u2029\u2066",
    "[red]bold[/red][@click=app.quit]x[/][/x].jpg",
    "%s%n{0}{key!r}\\x1b[31m.jpg",
    "\udc80 half a character",
    "e" + "\u0301" * 200,
    "日本語" * 300,
    "x" * 1024,
    "  leading and  double  ",
    "",
)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def assert_tame(lines: Sequence[Line], width: int) -> None:
    """Nothing hidden is in them, and nothing is cut off at that width."""
    for one in lines:
        found = {c for c in one.text if unicodedata.category(c) in _HIDDEN}
        assert found == set(), one.text
        assert cell_len(one.text) <= width, (cell_len(one.text), one.text)
