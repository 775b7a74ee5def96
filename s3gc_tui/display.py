"""How sizes, counts, ages and long keys are written, everywhere the same."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import datetime, timedelta

from rich.cells import cell_len

from s3gc_tui.safe_text import safe_text

# What `safe_text` makes of a character: an escape, or the character itself.
_ATOM = re.compile(r"\\\\|\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}|.", re.DOTALL)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count: int) -> str:
    """Bytes as `512.0 MiB`, the same width for all from 10.0 to 999.9."""
    value = float(count)
    for unit in _UNITS:
        if value < 1023.95 or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes everything")


def count(number: int) -> str:
    """A count with commas."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """A count with what it counts: `1 row`, `3,000 rows`."""
    return f"{count(number)} {noun if number == 1 else noun + 's'}"


def age(span: timedelta) -> str:
    """A span in its largest unit: `41d`, `3h`, `12m`, `8s`; what lies ahead is `0s`."""
    seconds = max(0, int(span.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def when(moment: datetime) -> str:
    """A moment (UTC) to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}"


def middle(text: str, cells: int) -> str:
    """Clean text (see `safe_text`) in at most so many terminal cells, its middle left out where it
    is longer; an escape or an accented letter stays whole or goes.
    """
    if cell_len(text) <= cells:
        return text
    if cells <= 1:
        return "…"[:cells]
    head = (cells - 1) // 2
    tail = cells - 1 - head
    if text.isascii() and "\\" not in text:
        return f"{text[:head]}…{text[len(text) - tail :]}"
    atoms = _atoms(text)
    return f"{''.join(_fitting(atoms, head))}…{''.join(reversed(_fitting(atoms[::-1], tail)))}"


def _atoms(text: str) -> list[str]:
    """What must not be torn apart: escapes, and a character with the marks combined with it."""
    atoms: list[str] = []
    for atom in _ATOM.findall(text):
        if atoms and cell_len(atom) == 0:
            atoms[-1] += atom
        else:
            atoms.append(atom)
    return atoms


def _fitting(atoms: list[str], cells: int) -> list[str]:
    used = 0
    for index, atom in enumerate(atoms):
        used += cell_len(atom)
        if used > cells:
            return atoms[:index]
    return atoms


def bar(share: float, cells: int) -> str:
    """A one-row bar such as `[####....]`, `cells` wide with its brackets."""
    inner = max(1, cells - 2)
    filled = round(min(1.0, max(0.0, share)) * inner)
    return f"[{'#' * filled}{'.' * (inner - filled)}]"


def fit(text: str, cells: int) -> str:
    """`text` from outside, cleaned, with its middle left out where it would not fit."""
    return middle(safe_text(text), cells)


def column(text: str, cells: int) -> str:
    """`text` from outside, cleaned, in exactly so many cells."""
    fitting = fit(text, cells)
    return fitting + " " * (cells - cell_len(fitting))


def _fits(text: str, cells: int) -> bool:
    return cell_len(safe_text(text)) <= cells


def _most(text: str, cells: int) -> int:
    """How many characters from the start of `text` fit once they are cleaned."""
    return bisect_left(range(len(text)), True, key=lambda n: not _fits(text[: n + 1], cells))


def wrap(text: str, cells: int) -> list[str]:
    """`text` from outside, cleaned, in lines that fit; cut at spaces where there are any."""
    lines, rest = [], text
    cells = max(8, cells)
    while not _fits(rest, cells):
        most = max(1, _most(rest, cells))
        space = rest.rfind(" ", 1, most + 1)
        cut = space if space > 0 else most
        lines.append(safe_text(rest[:cut]))
        rest = rest[cut:].lstrip(" ")
    return [*lines, safe_text(rest)]


def duration(seconds: float) -> str:
    """A span of time in its two largest units: `8 s`, `2m 40s`, `3h 05m`, `2d 04h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3_600}h {whole % 3_600 // 60:02}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3_600:02}h"
