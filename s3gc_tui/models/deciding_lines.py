"""What the screen that clears or reopens columns says first: exactly which, and what that means."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.references import Covered, Standing
from s3gc_tui.display import count, counted, fit, when
from s3gc_tui.models.coverage_lines import clearance_words, seen_words
from s3gc_tui.models.lines import BLANK, Line, Look, dim, line, strong, wrapped

_CLEARED = (
    "Cleared, a column trips the guard `coverage` no longer, and nothing in it keeps an object:"
    " what only it refers to may be deleted. That is right where its values are no references,"
    " such as a log of old file names."
)
_REOPENED = "Reopened, it is unknown again: each scan looks for keys in it, and is blocked by them."


def deciding_lines(
    columns: Sequence[Covered], reason: str, width: int, *, clear: bool
) -> list[Line]:
    """All columns that are meant, each with what was seen in it, and the reason given so far."""
    number = counted(len(columns), "column")
    lines = [line(strong(f" {'CLEAR' if clear else 'REOPEN'} {number}"))]
    opened = sum(one.is_open for one in columns)
    if opened:
        them = "it" if len(columns) == 1 else f"{count(opened)} of them"
        text = f"Keys of this bucket were seen in {them}!"
        lines += wrapped(text, width, Look.BAD)
    lines += wrapped(_CLEARED if clear else _REOPENED, width, Look.PLAIN)
    if reason:
        lines += wrapped(f"reason: {reason}", width, Look.PLAIN)
    lines.append(BLANK)
    for one in columns:
        lines += _column(one, width)
    return lines


def _column(one: Covered, width: int) -> list[Line]:
    """One column whole: a name that is cut could be another's."""
    look = Look.BAD if one.is_open else Look.STRONG
    lines = wrapped(f"{one.id}  {one.type}", width, look)
    if one.standing is Standing.CLEARED and one.clearance is not None:
        return lines + wrapped(f"  {clearance_words(one.clearance)}", width, Look.PLAIN)
    looked = f"  looked at {when(one.finding.examined_at)} UTC" if one.finding is not None else ""
    lines.append(line(dim(f"   {fit(seen_words(one), width - 4 - len(looked))}{looked}")))
    if one.finding is not None:
        lines += [line(dim("   value "), fit(text, width - 10)) for text in one.finding.samples]
    return lines
