"""Coverage and reverse match as linear text: one column or source a line, whole names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from s3gc_core.actions.standing import MatchHistory
from s3gc_core.references import Covered, Standing
from s3gc_tui.display import count, counted, when
from s3gc_tui.models.coverage_lines import by_urgency, clearance_words, counts_line, seen_words
from s3gc_tui.models.lines import Line, line
from s3gc_tui.models.match_lines import change, share_words
from s3gc_tui.safe_text import safe_text


def coverage_text(ledger: Sequence[Covered]) -> Iterator[Line]:
    """How many columns stand how, then each, open ones first, with values seen in it."""
    if not ledger:
        yield line("No table has a text-like column.")
        return
    yield line(f"{counts_line(ledger).text.strip()}.")
    for one in by_urgency(ledger):
        word = "OPEN" if one.is_open else one.standing.value
        told = f"{word}: {one.id}, {one.type}; {seen_words(one)}"
        if one.standing is Standing.CLEARED and one.clearance is not None:
            told = f"{word}: {one.id}, {one.type}; {clearance_words(one.clearance)}"
        if one.finding is not None:
            told += f"; looked at {when(one.finding.examined_at)} UTC"
        yield line(safe_text(told))
        for value in one.finding.samples if one.finding is not None else ():
            yield line(safe_text(f"value: {value}"))


def match_text(matches: Sequence[MatchHistory]) -> Iterator[Line]:
    """Each source's rows and those whose object exists, with what the guard says."""
    for one in matches:
        name = safe_text(one.source)
        if not one.history:
            yield line(f"{name}: no scan has read it yet")
            continue
        now, moved = one.history[-1], change(one)
        since = f", {moved * 100:+.1f} points since the scan before" if moved else ""
        gone = count(now.rows - now.existing)
        yield line(
            f"{name}: {count(now.existing)} of {counted(now.rows, 'row')} with their object,"
            f" {share_words(now)}{since}; {gone} dangling"
        )
        if one.tripped is not None:
            yield line(f"LOW: {safe_text(one.tripped.reason)}")
            yield line(f"next: {safe_text(one.tripped.next_step)}")
    yield line("Rows without their object: s3gc references dangling")
