"""The line below the list: order, place, marks, and what else there would be to see."""

from __future__ import annotations

from s3gc_core.judgement import CandidateFilter, Newer, Snapshot, View
from s3gc_tui.display import count, size
from s3gc_tui.models.candidate_filter import filter_text
from s3gc_tui.models.marks import Marks


def footer(
    snapshot: Snapshot | None,
    view: View,
    *,
    cursor: int,
    rows: int,
    complete: bool,
    marks: Marks,
    ranging: bool,
    newer: Newer | None,
    tree: bool,
) -> str:
    """The line as text, not cleaned."""
    if snapshot is None:
        return "no scan yet"
    arrow = "\u2193" if view.sort.descending else "\u2191"
    parts = [("tree, " if tree else "") + view.sort.column + arrow]
    place = f"{count(cursor + 1 if rows else 0)} of {count(rows)}"
    parts.append(f"{place} lines" if tree else place if complete else f"{place}+ (loading)")
    if marks:
        parts.append(f"marked {count(len(marks))} ({size(marks.bytes)})")
    if ranging:
        parts.append("range: v ends it")
    if snapshot.partial:
        parts.append("partial")
    if newer is not None:
        parts.append(_badge(snapshot, newer))
    if view.filter != CandidateFilter():
        parts.append("the tree shows all" if tree else f"filter: {filter_text(view.filter)}")
    return "  ".join(parts)


def _badge(snapshot: Snapshot, newer: Newer) -> str:
    if newer.scan_id == snapshot.scan_id:
        return f"{count(newer.rows)} new, r to show"
    what = "a scan is running" if newer.partial else "a newer scan"
    return f"{what}: {count(newer.rows)}, r to show"
