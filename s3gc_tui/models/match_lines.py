"""Reverse match as lines: of each source's rows that hold a key, how many have their object."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.actions.standing import Matched, MatchHistory
from s3gc_core.judgement.guards import MATCH_ROWS
from s3gc_tui.display import column, count, counted, fit, when
from s3gc_tui.models.lines import Line, Look, Piece, bad, dim, line, strong, wrapped

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 120
# Shares of earlier scans that fit into a wide line.
_SHARES = 12


def change(one: MatchHistory) -> float | None:
    """How much the share grew since the scan before; None where there is nothing to compare."""
    shares = [seen.share for seen in one.history[-2:]]
    if len(shares) < 2 or shares[0] is None or shares[1] is None:
        return None
    return shares[1] - shares[0]


def matched_line(matches: Sequence[MatchHistory]) -> Line:
    """What it comes to."""
    last = [one.history[-1] for one in matches if one.history]
    if not last:
        return line(dim(" no scan has read the sources yet"))
    dangling = sum(one.rows - one.existing for one in last)
    low = sum(one.tripped is not None for one in matches)
    told = bad(f"{count(low)} LOW") if low else Piece("none low", Look.GOOD)
    text = f" {counted(len(matches), 'source')}: "
    return line(text, told, f"; {counted(dangling, 'row')} without their object (3 lists them)")


def title_line(width: int) -> Line:
    """What the columns of the list are."""
    name = _name_width(width)
    numbers = f"{'ROWS':>10}{'EXISTING':>10}{'SHARE':>8}{'CHANGE':>8}{'DANGLING':>10}"
    last = f"  {'LAST SCANS':<{_SHARES}}" if width >= _WIDE else ""
    return line(dim(f" {'':<5}{'SOURCE':<{name}}{numbers}{last}"))


def _name_width(width: int) -> int:
    return max(2, width - 53 - (_SHARES + 2 if width >= _WIDE else 0))


def match_lines(matches: Sequence[MatchHistory], width: int) -> list[Line]:
    """One line a source, in the order given."""
    if not matches:
        return [line(dim(" no source is configured"))]
    return [_row(one, width) for one in matches]


def _row(one: MatchHistory, width: int) -> Line:
    mark = bad("LOW  ") if one.tripped else Piece("     ")
    name = column(one.source, _name_width(width) - 1)
    if not one.history:
        return line(" ", mark, f"{name} ", dim("not read yet"), id=one.source)
    now = one.history[-1]
    moved = change(one)
    turned = "-" if moved is None or abs(moved) < 0.0005 else f"{moved * 100:+.1f}"
    gone = now.rows - now.existing
    return line(
        " ",
        mark,
        f"{name} {count(now.rows):>10}{count(now.existing):>10}{share_words(now):>8}",
        Piece(f"{turned:>8}", Look.WARN if moved is not None and moved <= -0.0005 else Look.DIM),
        Piece(f"{count(gone):>10}", Look.WARN if gone else Look.PLAIN),
        *([dim(f"  {shares_drawn(one.history[-_SHARES:])}")] if width >= _WIDE else []),
        id=one.source,
    )


def share_words(seen: Matched) -> str:
    """The share in words; a share that is not whole is never shown as 100 %."""
    share = seen.share
    if share is None:
        return "-"
    if seen.existing < seen.rows:
        share = min(share, 0.999)
    return f"{share:.1%}"


def shares_drawn(history: Sequence[Matched]) -> str:
    """Shares as a row of blocks between none and all, the newest to the right."""
    top = len(_BARS) - 1
    return "".join(" " if one.share is None else _BARS[int(one.share * top)] for one in history)


def source_lines(one: MatchHistory | None, width: int, room: int) -> list[Line]:
    """What the guard says to the source under the cursor, and its last scans, newest first, in at
    most `room` lines.
    """
    if one is None:
        return []
    lines = [line(strong(f" {fit(one.source, width - 2)}"))]
    if one.tripped is not None:
        lines += wrapped(f"reverse-match: {one.tripped.reason}", width, Look.WARN)
        lines += wrapped(f"next: {one.tripped.next_step}", width, Look.PLAIN)
    elif one.history and one.history[-1].rows < MATCH_ROWS:
        text = f"fewer than {MATCH_ROWS} rows hold a key: the guard reverse-match says nothing"
        lines += wrapped(text, width, Look.DIM)
    elif one.history:
        lines += wrapped("the guard reverse-match is content with it", width, Look.DIM)
    left = max(0, room - len(lines))
    return lines + [_scan_line(seen) for seen in one.history[: -left - 1 : -1]]


def _scan_line(seen: Matched) -> Line:
    numbers = f"{share_words(seen):>7}  {count(seen.existing)} of {counted(seen.rows, 'row')}"
    return line(dim(f" {when(seen.at)} UTC"), f"  {numbers}")
