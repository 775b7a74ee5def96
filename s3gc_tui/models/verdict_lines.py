"""What the layers say about one candidate, as far as it can be trusted now."""

from __future__ import annotations

from datetime import datetime

from s3gc_core.bucket import ListedObject
from s3gc_core.judgement import Judged, Layers, ObjectVerdict, Verdict
from s3gc_tui.display import age, middle, size, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, dim, good, line, strong, warn
from s3gc_tui.models.picture import Picture
from s3gc_tui.safe_text import safe_text

LAYERS = ("registry", "database", "retention", "exclusion")
_WORDS = {Verdict.PASS: "PASS", Verdict.KEEP: "KEEP", Verdict.UNKNOWN: "UNKNOWN"}
_LOOKS = {Verdict.PASS: Look.GOOD, Verdict.KEEP: Look.PLAIN, Verdict.UNKNOWN: Look.WARN}
_TOGETHER = {
    ObjectVerdict.ORPHAN: (good("ORPHAN"), "  all four layers pass"),
    ObjectVerdict.KEEP: (strong("KEEP"), "  it stays"),
    ObjectVerdict.HELD: (warn("HELD"), "  doubt keeps it"),
}


def stale(layers: Layers, picture: Picture) -> dict[str, tuple[Verdict, str]]:
    """The layers' verdicts as far as they can be trusted now: stale data passes nothing."""
    found = {name: getattr(layers, name) for name in LAYERS}
    if not picture.is_stale:
        return {name: (one.verdict, one.reason) for name, one in found.items()}
    scan_age = picture.scan_age
    old = "no finished scan" if scan_age is None else f"the scan is {age(scan_age)} old"
    return {
        name: (Verdict.UNKNOWN, f"{old}; it said: {one.reason}")
        if one.verdict is Verdict.PASS
        else (one.verdict, one.reason)
        for name, one in found.items()
    }


def verdict_lines(judged: Judged | None, picture: Picture, width: int) -> list[Line]:
    """Every layer's verdict about one candidate, with its reason, and what they come to."""
    if judged is None:
        return [line(dim(" no object is selected"))]
    verdicts = stale(judged.layers, picture)
    lines = [line(strong(" " + middle(safe_text(judged.object.key), width - 2)))]
    lines.extend(line(dim(f" {fact}")) for fact in _facts(judged.object, picture.taken_at, width))
    lines.append(BLANK)
    for number, name in enumerate(LAYERS, 1):
        verdict, reason = verdicts[name]
        head = f" {number} {name:<10}"
        lines.append(line(head, Piece(f"{_WORDS[verdict]:<8}", _LOOKS[verdict])))
        lines.extend(line(dim(f"     {part}")) for part in wrap(reason, width - 6))
    lines.extend(
        line(warn(f"   doubt: {part}")) for d in judged.doubts for part in wrap(d, width - 11)
    )
    lines.append(BLANK)
    lines.append(_together(judged, verdicts))
    lines.append(line(dim(" enter: ask now, with every reference")))
    return lines


def _together(judged: Judged, verdicts: dict[str, tuple[Verdict, str]]) -> Line:
    doubtful = Verdict.UNKNOWN in {verdict for verdict, _ in verdicts.values()}
    kept = judged.verdict is ObjectVerdict.KEEP
    return together(ObjectVerdict.HELD if doubtful and not kept else judged.verdict)


def together(verdict: ObjectVerdict) -> Line:
    """What the layers come to, in one line."""
    return line(" => ", *_TOGETHER[verdict])


def _facts(entry: ListedObject, now: datetime, width: int) -> list[str]:
    old = age(now - entry.last_modified)
    return wrap(
        f"{size(entry.size)}, {old} old, {entry.storage_class}, etag {entry.etag}", width - 2
    )


def status_line(judged: Judged | None, picture: Picture) -> Line:
    """One line on the selected candidate, or on why the list is not what it was."""
    if picture.is_stale:
        scan_age = picture.scan_age
        told = f"is {age(scan_age)} old" if scan_age is not None else "is still to come"
        return line(warn(f" the last scan {told}: nothing passes until the next"))
    if picture.changed_since_scan:
        return line(
            warn(" objects were deleted or restored after this scan: it shows what was before")
        )
    if judged is None:
        return BLANK
    return line(dim(f" {safe_text(judged.reason) or 'all four layers pass'}"))
