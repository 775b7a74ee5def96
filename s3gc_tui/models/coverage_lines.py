"""The coverage ledger as lines: every column with its standing, and who vouches for it.

Names of tables and columns, and the samples, are an application's data: all of it is cleaned here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from s3gc_core.references import Clearance, Covered, Finding, Standing
from s3gc_tui.display import column, count, counted, fit, when, wrap
from s3gc_tui.models.lines import Line, Look, Piece, bad, dim, line, strong, wrapped

_STANDINGS = (Standing.UNKNOWN, Standing.CLEARED, Standing.TRACKED)
_LOOKS = {Standing.UNKNOWN: Look.WARN, Standing.CLEARED: Look.PLAIN, Standing.TRACKED: Look.GOOD}
_WIDE = 120


def by_urgency(ledger: Sequence[Covered]) -> list[Covered]:
    """Open columns first, then unknown, cleared and tracked ones; those that could not be searched
    before others, then those with most keys, then by name.
    """
    return sorted(ledger, key=_urgency)


def _urgency(one: Covered) -> tuple[bool, int, bool, float, object]:
    found = one.finding
    searched = not (found and found.problem)
    return (
        not one.is_open,
        _STANDINGS.index(one.standing),
        searched,
        -(found.share if found else 0.0),
        one.id,
    )


def line_id(one: Covered) -> str:
    """What names a column among all, whatever characters its parts hold."""
    return json.dumps([one.id.database, one.id.table, one.id.column])


def is_unsearched(one: Covered) -> bool:
    """Whether the last look could not look into it, and nobody vouches for it."""
    unknown = one.standing is Standing.UNKNOWN
    return unknown and one.finding is not None and bool(one.finding.problem)


def counts_line(ledger: Sequence[Covered]) -> Line:
    """How many columns stand how."""
    standings = Counter(one.standing for one in ledger)
    opened = sum(one.is_open for one in ledger)
    unsearched = sum(map(is_unsearched, ledger))
    pieces = [Piece(f" {counted(len(ledger), 'column')}: "), open_piece(opened)]
    pieces += [
        Piece(f", {count(standings[one] - (opened if one is Standing.UNKNOWN else 0))} {one}")
        for one in _STANDINGS
    ]
    if unsearched:
        pieces.append(Piece(f"; {count(unsearched)} not searched", Look.WARN))
    return line(*pieces)


def open_piece(opened: int) -> Piece:
    """How many are open: each of them blocks every scan."""
    return bad(f"{count(opened)} OPEN") if opened else Piece("none open", Look.GOOD)


def title_line(width: int) -> Line:
    """What the columns of the list are."""
    name, type_, seen = _widths(width)
    text = f" {'STANDING':<9}{'COLUMN':<{name}} {'TYPE':<{type_}} "
    text += f"{'SEEN IN IT':<{seen}} LOOKED AT (UTC)" if width >= _WIDE else "SEEN IN IT"
    return line(dim(text))


def coverage_lines(ledger: Sequence[Covered], width: int) -> list[Line]:
    """One line a column, in the order given."""
    if not ledger:
        return [line(dim(" no table has a text-like column"))]
    return [_row(one, width) for one in ledger]


def _widths(width: int) -> tuple[int, int, int]:
    """Cells for name, type and what was seen."""
    room = width - 12 - (17 if width >= _WIDE else 0)
    type_ = 20 if width >= _WIDE else 13
    seen = min(44, max(22, (room - type_) * 2 // 5))
    return max(1, room - type_ - seen), type_, seen


def _row(one: Covered, width: int) -> Line:
    name, type_, seen = _widths(width)
    word = bad("OPEN     ") if one.is_open else Piece(f"{one.standing:<9}", _LOOKS[one.standing])
    look = Look.WARN if one.is_open or is_unsearched(one) else Look.PLAIN
    pieces = [
        Piece(" "),
        word,
        Piece(f"{column(str(one.id), name)} "),
        dim(f"{column(one.type, type_)} "),
        Piece(column(seen_words(one), seen), look),
    ]
    if width >= _WIDE:
        pieces.append(dim(f" {when(one.finding.examined_at) if one.finding else '-'}"))
    return line(*pieces, id=line_id(one))


def seen_words(one: Covered) -> str:
    """What the last look saw, or who says that it does not matter. Not cleaned."""
    found, said = one.finding, one.clearance
    if one.standing is Standing.CLEARED and said is not None:
        return f"by {said.actor}: {said.reason}"
    if one.standing is Standing.TRACKED:
        return "every scan reads it"
    if found is None:
        return "not looked at yet"
    if found.problem:
        return f"not searched: {found.problem}"
    if not found.values:
        return "no value"
    if not found.resolved:
        return f"no key in {counted(found.values, 'value')}"
    return f"{found.share:.1%} keys, {count(found.resolved)} of {count(found.values)}"


def clearance_words(said: Clearance) -> str:
    """Who cleared a column, when and why. Not cleaned."""
    return f"cleared {when(said.at)} UTC by {said.actor}: {said.reason}"


def column_lines(one: Covered | None, width: int) -> list[Line]:
    """Everything about the column under the cursor, with values that were seen in it."""
    if one is None:
        return []
    lines = [line(strong(f" {fit(str(one.id), width * 2 // 3)}"), dim(f"  {fit(one.type, 24)}"))]
    lines += _standing_lines(one, width)
    if one.finding is not None:
        lines += _finding_lines(one.finding, width)
    return lines


def _standing_lines(one: Covered, width: int) -> list[Line]:
    said = one.clearance
    lines = wrapped(clearance_words(said), width, Look.PLAIN) if said is not None else []
    if said is not None and one.standing is Standing.UNKNOWN:
        text = f"That was said of the type {said.type}, which it has no longer: it does not count."
        lines += wrapped(text, width, Look.WARN)
    if one.is_open:
        text = (
            "OPEN: it holds keys of this bucket. Scans are blocked until it is tracked under"
            " [tables] (`s3gc discover` prints the line), or cleared."
        )
        lines += wrapped(text, width, Look.WARN)
    elif one.standing is Standing.UNKNOWN:
        lines += wrapped("unknown: each scan looks for keys in it", width, Look.PLAIN)
    return lines


def _finding_lines(found: Finding, width: int) -> list[Line]:
    if found.problem:
        text = f"not searched ({when(found.examined_at)} UTC): {found.problem}"
        return wrapped(text, width, Look.WARN)
    of = f", of about {count(found.rows)}" if found.rows is not None else ""
    text = (
        f"looked at {when(found.examined_at)} UTC: a key in {count(found.resolved)} of"
        f" {counted(found.values, 'value')}, in {counted(found.sampled, 'row')}{of}"
    )
    lines = [line(dim(f" {part}")) for part in wrap(text, width - 2)]
    return lines + [line(dim(" value "), fit(one, width - 8)) for one in found.samples]
