"""The coverage ledger as text: what is open comes first, and hostile values stay text."""

from __future__ import annotations

import msgspec
import pytest

from s3gc_core.references import Clearance, Covered, Standing
from s3gc_tui.models.coverage_lines import (
    by_urgency,
    column_lines,
    counts_line,
    coverage_lines,
    line_id,
    seen_words,
    title_line,
)
from s3gc_tui.models.dangling_lines import DanglingList
from s3gc_tui.models.deciding_lines import deciding_lines
from s3gc_tui.models.lines import Line, Look, plain_text
from s3gc_tui.models.plain_references import coverage_text
from s3gc_tui.models.reference_views import VIEWS, ReferenceViews
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.ledgers import CLEARANCE, covered, dangling, ledger, matches
from tests.tui.models.pictures import NOW

TABLE = """\
 OPEN     main:users.banner                 charac…g(200) 92.5% keys, 37 of 40
 unknown  main:logs.line                    text          not search… is missing
 unknown  main:pages.body                   text          not looked at yet
 unknown  main:users.note                   text          no key in 40 values
 unknown  main:users.old                    varchar(9)    no value
 cleared  main:users.bio                    text          by ana@ops…ds, no keys
 tracked  main:users.avatar                 text          every scan reads it"""


def looks(one: Line) -> dict[str, Look]:
    return {piece.text.strip(): piece.look for piece in one.pieces if piece.text.strip()}


def test_what_is_open_comes_first_and_stands_out() -> None:
    lines = coverage_lines(by_urgency(ledger()), 80)
    assert plain_text(lines) == TABLE
    assert looks(lines[0])["OPEN"] is Look.BAD
    assert [one.text for one in lines if "OPEN" in one.text] == [lines[0].text]
    assert counts_line(ledger()).text == (
        " 7 columns: 1 OPEN, 4 unknown, 1 cleared, 1 tracked; 1 not searched"
    )


def test_a_ledger_without_an_open_column_says_so() -> None:
    closed = [one for one in ledger() if not one.is_open]
    assert counts_line(closed).text.startswith(" 6 columns: none open, 4 unknown")
    assert plain_text(coverage_lines([], 80)) == " no table has a text-like column"


def test_open_ones_with_more_keys_come_before_others() -> None:
    some = [covered(f"t.c{n}", resolved=n) for n in (1, 3, 2)]
    assert [one.id.column for one in by_urgency(some)] == ["c3", "c2", "c1"]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (covered(standing=Standing.TRACKED, resolved=1), "every scan reads it"),
        (covered(problem="no right"), "not searched: no right"),
        (covered(values=3_000), "no key in 3,000 values"),
        (covered(values=3_000, resolved=1), "0.0% keys, 1 of 3,000"),
        (covered(standing=Standing.CLEARED, clearance=CLEARANCE, resolved=9),
         "by ana@ops-2: free words, no keys"),
    ],
)  # fmt: skip
def test_what_was_seen_in_words(one: Covered, words: str) -> None:
    assert seen_words(one) == words


def test_about_an_open_column() -> None:
    (one,) = (one for one in ledger() if one.is_open)
    assert plain_text(column_lines(one, 80)).splitlines() == [
        " main:users.banner  character varying(200)",
        " OPEN: it holds keys of this bucket. Scans are blocked until it is tracked",
        " under [tables] (`s3gc discover` prints the line), or cleared.",
        " looked at 2026-11-21 08:31 UTC: a key in 37 of 40 values, in 1,000 rows, of",
        " about 12,000",
        " value b/new.jpg",
        " value b/old.jpg",
    ]


def test_a_clearance_of_another_type_does_not_count() -> None:
    (one,) = (one for one in ledger() if one.id.column == "old")
    text = plain_text(column_lines(one, 160))
    assert " cleared 2026-11-18 08:34 UTC by ana@ops-2: free words, no keys\n" in text
    assert " That was said of the type text, which it has no longer: it does not count.\n" in text
    assert "unknown: each scan looks for keys in it" in text


def test_names_that_look_alike_are_different_lines() -> None:
    """A dot, a quote or a comma in a name makes no column pass for another."""
    names = [("m", "a.b", "c"), ("m", "a", "b.c"), ("m:a", "b", "c"), ('m", "a', "b", "c")]
    made = covered()
    ids = set()
    for name in names:
        id_ = type(made.id)(*name)
        ids.add(line_id(msgspec.structs.replace(made, id=id_)))
    assert len(ids) == len(names)


def test_the_dialog_names_every_column_whole() -> None:
    columns = [covered("t." + "x" * 100), covered("users.banner", resolved=37, samples=("b.jpg",))]
    text = plain_text(deciding_lines(columns, "", 80, clear=True))
    assert "CLEAR 2 columns" in text
    assert " Keys of this bucket were seen in 1 of them!" in text
    assert "x" * 100 in "".join(part.strip() for part in text.splitlines())
    assert "   value b.jpg" in text
    again = plain_text(deciding_lines(columns[:1], "my reason", 80, clear=False))
    assert "REOPEN 1 column\n" in again
    assert " reason: my reason" in again
    assert "were seen" not in again
    cleared = [covered("users.bio", Standing.CLEARED, clearance=CLEARANCE)]
    text = plain_text(deciding_lines(cleared, "", 80, clear=False))
    assert "   cleared 2026-11-18 08:34 UTC by ana@ops-2: free words, no keys" in text


def test_as_plain_text() -> None:
    lines = [one.text for one in coverage_text(ledger())]
    assert lines[:4] == [
        "7 columns: 1 OPEN, 4 unknown, 1 cleared, 1 tracked; 1 not searched.",
        (
            "OPEN: main:users.banner, character varying(200); 92.5% keys, 37 of 40;"
            " looked at 2026-11-21 08:31 UTC"
        ),
        "value: b/new.jpg",
        "value: b/old.jpg",
    ]
    assert len(lines) == 1 + 7 + 2
    assert [one.text for one in coverage_text([])] == ["No table has a text-like column."]


def test_every_width_can_be_drawn() -> None:
    """Terminals are made smaller than anything fits into, and nothing may fail then."""
    found = DanglingList([dangling(1, kept=True)], is_done=True)
    views = ReferenceViews(by_urgency(ledger()), matches(), found)
    for width in range(1, 200):
        for view in VIEWS:
            assert len(views.head_lines(view, width)) == 3
            for one in views.list_lines(view, width):
                views.about_lines(view, one.id, width, 8)
        assert deciding_lines(ledger(), "why", width, clear=True)


def wild_column(wild: str, standing: Standing) -> Covered:
    return covered(
        f"{wild}.{wild}",
        standing,
        type_=wild,
        clearance=Clearance(wild, wild, NOW, wild),
        resolved=3,
        samples=(wild, wild, wild),
    )


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("wild", HOSTILE)
def test_hostile_values_stay_tame(wild: str, width: int) -> None:
    columns = [wild_column(wild, standing) for standing in Standing]
    columns.append(covered(f"{wild}.{wild}", problem=wild))
    assert_tame(coverage_lines(columns, width), width)
    assert_tame([counts_line(columns), title_line(width)], width)
    for one in columns:
        assert_tame(column_lines(one, width), width)
    for clear in (True, False):
        assert_tame(deciding_lines(columns, wild, width, clear=clear), width)
    assert_tame(list(coverage_text(columns)), 1_000_000)
