"""Reverse match and dangling references as text."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from s3gc_core.actions.standing import Matched, MatchHistory
from s3gc_core.judgement import Tripped
from s3gc_tui.models import dangling_lines
from s3gc_tui.models.dangling_lines import DanglingList, found_line, reference_lines
from s3gc_tui.models.lines import Look, plain_text
from s3gc_tui.models.match_lines import (
    match_lines,
    matched_line,
    share_words,
    shares_drawn,
    source_lines,
    title_line,
)
from s3gc_tui.models.plain_references import match_text
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.ledgers import dangling, matches
from tests.tui.models.pictures import NOW

TABLE = """\
      SOURCE                           ROWS  EXISTING   SHARE  CHANGE  DANGLING
 LOW  main:users.avatar                  60        57   95.0%    -5.0         3
      main:posts.body               100,000    99,999   99.9%   +11.1         1
      main:small.key                      3         2   66.7%       -         1
      main:new.column            not read yet"""


def test_one_line_a_source() -> None:
    assert plain_text([title_line(80), *match_lines(matches(), 80)]) == TABLE
    assert matched_line(matches()).text == (
        " 4 sources: 1 LOW; 5 rows without their object (3 lists them)"
    )
    assert plain_text(match_lines(matches(), 160)).splitlines()[0].endswith("3  ██▇")


def test_nothing_is_scanned_yet() -> None:
    unread = [MatchHistory("main:a.b", (), None)]
    assert matched_line(unread).text == " no scan has read the sources yet"
    assert plain_text(match_lines([], 80)) == " no source is configured"


@pytest.mark.parametrize(
    ("rows", "existing", "words"),
    [
        (0, 0, "-"),
        (3, 3, "100.0%"),
        # What dangles is never rounded away.
        (1_000_000, 999_999, "99.9%"),
        (1_000_000, 0, "0.0%"),
    ],
)
def test_a_share_in_words(rows: int, existing: int, words: str) -> None:
    assert share_words(Matched(NOW, rows, existing)) == words


def test_shares_drawn_are_between_none_and_all() -> None:
    history = [Matched(NOW, rows, n) for rows, n in ((10, 0), (10, 5), (0, 0), (10, 9), (10, 10))]
    assert shares_drawn(history) == "▁▄ ▇█"


def test_about_a_source_that_fell() -> None:
    low, healthy, small, new = matches()
    lines = source_lines(low, 80, 8)
    assert plain_text(lines).splitlines() == [
        " main:users.avatar",
        " reverse-match: the share of main:users.avatar's rows whose object is in the",
        " bucket fell from 100.0% to 95.0% (57 of 60 rows)",
        " next: is its codec right (`s3gc discover`), and the bucket?",
        " 2026-11-21 07:34 UTC    95.0%  57 of 60 rows",
        " 2026-11-21 06:34 UTC   100.0%  60 of 60 rows",
        " 2026-11-21 05:34 UTC   100.0%  58 of 58 rows",
    ]
    assert lines[1].pieces[0].look is Look.WARN
    # There is room for the newest scans only.
    assert plain_text(source_lines(low, 80, 5)).splitlines()[4:] == [
        " 2026-11-21 07:34 UTC    95.0%  57 of 60 rows"
    ]
    assert len(source_lines(low, 80, 0)) == 4
    assert "is content with it" in plain_text(source_lines(healthy, 80, 8))
    assert "fewer than 10 rows" in plain_text(source_lines(small, 80, 8))
    assert plain_text(source_lines(new, 80, 8)) == " main:new.column"
    assert source_lines(None, 80, 8) == []


def test_matches_as_plain_text() -> None:
    assert [one.text for one in match_text(matches())] == [
        (
            "main:users.avatar: 57 of 60 rows with their object, 95.0%, -5.0 points since the scan"
            " before; 3 dangling"
        ),
        (
            "LOW: the share of main:users.avatar's rows whose object is in the bucket fell from"
            " 100.0% to 95.0% (57 of 60 rows)"
        ),
        "next: is its codec right (`s3gc discover`), and the bucket?",
        (
            "main:posts.body: 99,999 of 100,000 rows with their object, 99.9%, +11.1 points since"
            " the scan before; 1 dangling"
        ),
        "main:small.key: 2 of 3 rows with their object, 66.7%; 1 dangling",
        "main:new.column: no scan has read it yet",
        "Rows without their object: s3gc references dangling",
    ]


def test_dangling_rows() -> None:
    found = DanglingList([dangling(1, kept=True), dangling(2)])
    assert plain_text(
        [dangling_lines.title_line(80), *dangling_lines.dangling_lines(found, 80)]
    ).splitlines() == [
        " VAULT  SOURCE                   ROW           KEY",
        " holds  main:users.avatar        1             a/1.jpg",
        " -      main:users.avatar        2             a/2.jpg",
    ]
    assert plain_text(reference_lines(found.at("0"), 80)).splitlines() == [
        " main:users.avatar row 1",
        " the vault holds a/1.jpg: u brings it back",
        " not in the bucket: media/a/1.jpg",
    ]
    assert reference_lines(found.at(None), 80) == []


def test_how_far_the_reading_is() -> None:
    assert found_line(None, 3).text == " not read yet: r reads all sources"
    found = DanglingList([dangling(1, kept=True), dangling(2)])
    assert found_line(found, None).text == " reading the sources: 2 found so far"
    assert found_line(found, 41).text.endswith(" 2 found so far (the last scan counted 41)")
    found.is_done = True
    assert found_line(found, 41).text == (
        " 2 rows without their object; the vault holds the object of 1"
    )
    empty = DanglingList(is_done=True)
    assert found_line(empty, 0).text == " every row that holds a key has its object"
    assert found_line(DanglingList([dangling()], is_done=True), None).text.startswith(" 1 row w")


@pytest.mark.parametrize(("total", "more"), [(500, False), (501, True), (1_200, True)])
def test_it_keeps_the_first_and_says_that_there_are_more(total: int, more: bool) -> None:
    found = DanglingList()
    rows = [dangling(n) for n in range(total)]
    for start in range(0, total, 100):
        found.add(rows[start : start + 100])
    found.is_done = True
    assert (found.rows, found.has_more) == (rows[:500], more)
    told = found_line(found, None).text
    assert told.startswith(" the first 500 rows; there are more: w writes all") is more


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("wild", HOSTILE)
def test_hostile_names_stay_tame(wild: str, width: int) -> None:
    trip = Tripped("reverse-match", wild, wild, wild)
    made = [replace(one, source=wild, tripped=trip) for one in matches()]
    assert_tame([title_line(width), matched_line(made), *match_lines(made, width)], width)
    for one in made:
        assert_tame(source_lines(one, width, 8), width)
    assert_tame(list(match_text(made)), 1_000_000)
    row = msgspec.structs.replace(
        dangling(), source=wild, row=wild, keys=(wild, wild + "x"), in_vault=(wild,)
    )
    found = DanglingList([row], is_done=True)
    assert_tame([found_line(found, 3), *dangling_lines.dangling_lines(found, width)], width)
    assert_tame(reference_lines(row, width), width)
