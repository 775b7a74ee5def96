"""The list's lines as clean text of exactly one width, flat and as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len, set_cell_size

from s3gc_core.judgement import CandidateRow, FolderRow, ObjectVerdict
from s3gc_core.judgement.scan_tables import time_of
from s3gc_tui.display import age, bar, count, middle, size, when
from s3gc_tui.models.rows import Row
from s3gc_tui.safe_text import safe_text

# From here on there is room for the time of the last modification beside the age.
WIDE = 120
_INDENT = 12
_SHARE = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row lies in the tree; `whole` is the size of everything in bytes."""

    depth: int
    is_open: bool
    whole: int


def verdict_word(row: CandidateRow, *, stale: bool = False) -> str:
    """`ORPHAN`, `KEEP:layer`, `HELD:layer`; what is stale lets nothing go."""
    if row.verdict is ObjectVerdict.ORPHAN:
        return "UNKNOWN" if stale else "ORPHAN"
    return f"{row.verdict.upper()}:{row.layer}"


def flat_header(width: int) -> str:
    """The column heads above `flat_line`."""
    time = f"{'MODIFIED':<16}  " if width >= WIDE else ""
    return set_cell_size(f"  {'VERDICT':<14} {'SIZE':>11} {'AGE':>6}  {time}KEY", width)


def flat_line(row: Row | None, width: int, now: datetime, *, marked: bool, stale: bool) -> str:
    """One candidate; a quiet `...` for one that is not at hand yet."""
    if row is None:
        return set_cell_size("  ...", width)
    if not isinstance(row, CandidateRow):
        return set_cell_size("  GONE           listed again since this list was opened", width)
    modified = time_of(row.modified)
    time = f"{when(modified)}  " if width >= WIDE else ""
    start = (
        f"{_mark(marked)}{verdict_word(row, stale=stale):<14} {size(row.size):>11}"
        f" {age(now - modified):>6}  {time}"
    )
    return _with_name(start, row.key, "", width)


def tree_header(width: int) -> str:
    """The column heads above `tree_line`."""
    numbers = f"{'OBJECTS':>14} {'SIZE':>11} {'SHARE':<{_SHARE}} {'OLDEST':>6}"
    return set_cell_size(f"  {numbers}  FOLDER / KEY", width)


def tree_line(
    row: Row | None,
    width: int,
    now: datetime,
    place: Place,
    *,
    marked: bool,
    stale: bool,
) -> str:
    """One folder, with its share of all bytes, or one object within the open folder above."""
    if row is None or not isinstance(row, CandidateRow | FolderRow):
        return flat_line(row, width, now, marked=marked, stale=stale)
    indent = "  " * min(place.depth, _INDENT)
    if isinstance(row, FolderRow):
        what, total, oldest = count(row.objects), row.bytes, row.oldest
        indent += "v " if place.is_open else "> "
        name = row.prefix[row.prefix[:-1].rfind("/") + 1 :]
    else:
        what, total, oldest = verdict_word(row, stale=stale), row.size, row.modified
        indent += "  "
        name = row.key[row.key.rfind("/") + 1 :] or "(no name of its own)"
    share = bar(total / place.whole if place.whole else 0.0, _SHARE)
    start = f"{_mark(marked)}{what:>14} {size(total):>11} {share} {age(now - time_of(oldest)):>6}  "
    return _with_name(start, name, indent, width)


def _mark(marked: bool) -> str:
    return "* " if marked else "  "


def _with_name(start: str, name: str, indent: str, width: int) -> str:
    """The name cleaned first and then cut, so that no escape is torn apart."""
    shown = middle(_with_spaces(safe_text(name)), width - len(start) - len(indent))
    text = f"{start}{indent}{shown}"
    return text + " " * (width - cell_len(text)) if cell_len(text) <= width else text[:width]


def _with_spaces(clean: str) -> str:
    """Spaces that the eye would miss, written as escapes: at either end, and in a row."""
    if "  " not in clean and not clean.startswith(" ") and not clean.endswith(" "):
        return clean
    inner = clean.strip(" ")
    if not inner:
        return "\\x20" * len(clean)
    at = clean.index(inner)
    left, right = "\\x20" * at, "\\x20" * (len(clean) - at - len(inner))
    while "  " in inner:
        inner = inner.replace("  ", " \\x20")
    return left + inner + right
