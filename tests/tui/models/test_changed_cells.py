"""Which part of a line has to be painted again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_tui.models.lines import Line, Look, Piece, changed_cells, dim, line

PIECES = st.builds(Piece, st.text(" abc", max_size=4), st.sampled_from([Look.PLAIN, Look.BAD]))
LINES = st.lists(PIECES, max_size=4).map(lambda pieces: Line(tuple(pieces)))


def cells(one: Line) -> list[tuple[str, Look]]:
    return [(character, piece.look) for piece in one.pieces for character in piece.text]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (line("40 of 100"), line("41 of 100"), (1, 2)),
        (line("9 of 100"), line("10 of 100"), (0, 9)),
        (line("same"), line(dim("same")), (0, 4)),
        (line("key a"), line("key abc"), (5, 7)),
        (line("aaa"), line("aa"), (2, 3)),
        (line("abab"), line("ab", dim("a"), "b"), (2, 3)),
        (line("key↑ 1"), line("key↑ 2"), (5, 6)),
        (line("e\u0301 1"), line("e\u0301 2"), None),
        (line("日 1"), line("日 2"), None),
        (line("a"), line("\x1b"), None),
    ],
)
def test_cells(old: Line, new: Line, expected: tuple[int, int] | None) -> None:
    assert changed_cells(old, new) == expected


@given(LINES, LINES)
def test_all_that_differs_is_in_it_and_both_ends_differ(old: Line, new: Line) -> None:
    found = changed_cells(old, new)
    assert found is not None
    start, end = found
    before, after = cells(old), cells(new)
    longest = max(len(before), len(after))
    before += [(" ", Look.PLAIN)] * (longest - len(before))
    after += [(" ", Look.PLAIN)] * (longest - len(after))
    differing = [n for n in range(longest) if before[n] != after[n]]
    assert all(start <= n < end for n in differing)
    if len(cells(old)) == len(cells(new)):
        assert (start, end - 1) == (differing[0], differing[-1]) if differing else start == end
